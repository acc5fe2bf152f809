package ws

import "testing"

func TestUnknownFieldIsAnsweredWithThoseThereAre(t *testing.T) {
	t.Parallel()
	for want, known := range map[string][]string{
		`"x" is not a field of resume (fields: type, ref)`:              nil,
		`"x" is not a field of resume (fields: type, ref, stream, ids)`: {"stream", "ids"},
	} {
		c, fault := parseCommand([]byte(`{"type":"resume","y":1,"x":2}`))
		if fault != nil {
			t.Fatal(fault)
		}
		if got := c.read(known...).fault; got == nil || got.Detail != want {
			t.Errorf("it is answered %v, want %s", got, want)
		}
	}
}
