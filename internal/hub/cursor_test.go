package hub_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// three is a cursor of three streams, one of which was never there.
func three() hub.Cursor {
	return hub.Cursor{
		{Stream: "orders", Born: "1763650000000", After: hub.ID{MS: 1763650000005, Seq: 7}},
		{Stream: "a:b.c_d-e", Born: "", After: hub.ID{}},
		{Stream: "payments", Born: "18446744073709551615", After: hub.ID{MS: 1<<64 - 1, Seq: 1<<64 - 1}},
	}
}

func TestCursorComesBackAsItWas(t *testing.T) {
	t.Parallel()
	for _, c := range []hub.Cursor{three(), three()[:1], three()[1:2]} {
		token := c.String()
		got, err := hub.ParseCursor(token)
		if err != nil || !slices.Equal(got, c) {
			t.Errorf("%s is %+v (%v), want %+v", token, got, err, c)
		}
		if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s does not fit into a query as it is", token)
		}
		if _, err := hub.ParseID(token); err == nil {
			t.Errorf("%s is taken for an id", token)
		}
	}
}

func TestCursorOfTheMostStreamsFitsAPosition(t *testing.T) {
	t.Parallel()
	var c hub.Cursor
	for i := range 100 {
		name := fmt.Sprintf("%0128d", i)
		c = append(c, hub.Place{Stream: name, Born: "1763650000000", After: hub.ID{MS: 1763650000000, Seq: 99_999}})
	}
	position, err := hub.ParsePosition("after:" + c.String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := position.In(c[99].Stream); err != nil {
		t.Error(err)
	}
}

func TestCursorMovesInOneStream(t *testing.T) {
	t.Parallel()
	c := three()
	c.Move("orders", hub.ID{MS: 9})
	c.Move("unknown", hub.ID{MS: 9})
	want := three()
	want[0].After = hub.ID{MS: 9}
	if !slices.Equal(c, want) {
		t.Errorf("it is %+v, want %+v", c, want)
	}
	if place, ok := c.In("orders"); !ok || place != want[0] {
		t.Errorf("the place is %+v (%t)", place, ok)
	}
	if _, ok := c.In("unknown"); ok {
		t.Error("there is a place in a stream that the cursor does not have")
	}
}

func TestWhatIsNoCursorIsRefused(t *testing.T) {
	t.Parallel()
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for _, token := range []string{
		"", "x", "1-0", "????", three().String() + "=",
		encode(""), encode("1"), encode("2\norders 1-0 5"), encode("orders 1-0 5"), encode("1\n"), encode("1\norders 1-0"), encode("1\norders 1-0 5 6"),
		encode("1\norders 1-0 x"), encode("1\norders 1-0 -5"), encode("1\norders 1-0 18446744073709551616"), encode("1\norders 1 5"), encode("1\norders  5"),
		encode("1\n 1-0 5"), encode("1\na/b 1-0 5"), encode("1\norders 1-0 5\n"), encode("1\norders 1-0 5\norders 2-0 5"), encode("1\r\norders 1-0 5"),
	} {
		c, err := hub.ParseCursor(token)
		if err == nil || err.Code != hub.CodeInvalidRequest || c != nil {
			t.Errorf("%q is %+v (%v)", token, c, err)
		}
	}
	if _, err := hub.ParseCursor(strings.Repeat("x", 100_000)); err == nil || len(err.Detail) > 300 {
		t.Errorf("a long token is answered %v", err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(three().String())
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("1\norders 01-00 007")))
	f.Add("")
	f.Add("1-0")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := hub.ParseCursor(token)
		if err != nil {
			if err.Code != hub.CodeInvalidRequest || err.Detail == "" || c != nil {
				t.Fatalf("%q is answered %v", token, err)
			}
			return
		}
		if len(c) == 0 {
			t.Fatalf("%q has no place", token)
		}
		again, err := hub.ParseCursor(c.String())
		if err != nil || !slices.Equal(again, c) {
			t.Fatalf("%q is %+v, which comes back as %+v (%v)", token, c, again, err)
		}
		for _, place := range c {
			if in, ok := c.In(place.Stream); !ok || in != place || hub.CheckName("stream", place.Stream) != nil {
				t.Fatalf("%q has the place %+v", token, place)
			}
		}
	})
}
