package hub_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// member is one member of an object, or one element of an array.
type member struct{ name, value string }

// scanned is what the scanner under test finds in an object or array.
func scanned(b []byte) []member {
	var members []member
	if bytes.TrimSpace(b)[0] == '{' {
		hub.EachMember(b, func(name string, value []byte) { members = append(members, member{name, string(value)}) })
	} else {
		hub.EachElement(b, func(value []byte) { members = append(members, member{"", string(value)}) })
	}
	return members
}

// decoded is what encoding/json finds in it.
func decoded(t *testing.T, b []byte) []member {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	open, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	var members []member
	for d.More() {
		var m member
		if open == json.Delim('{') {
			name, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			m.name = name.(string)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		m.value = string(value)
		members = append(members, m)
	}
	return members
}

var documents = []string{
	`{}`, `[]`, " {\t} ", "\r\n[\n]\n", `[[]]`, `[{}]`, `[""]`, `["]"]`, `["\\"]`, `["\""]`, `["\\\"]"]`,
	`[1,-2.5e+10,true,false,null,"x",[1,[2]],{"a":{"b":[]}}]`,
	"{\"a\":1 , \"b\" :\n2,\"a\":3}",
	`{"":0,"\u0061\"":"}","{":{"]":"["}}`,
	`{"\ud83d\ude00":"\ud83d","x":"\/\b\f\n\r\t"}`,
	"[\"\u2028 é 😀\"\t,\r\n0]",
}

func FuzzScannersAgreeWithEncodingJSON(f *testing.F) {
	for _, document := range documents {
		f.Add([]byte(document))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if hub.CheckJSON(b) != nil {
			return
		}
		if first := bytes.TrimSpace(b)[0]; first != '{' && first != '[' {
			return
		}
		if got, want := scanned(b), decoded(t, b); !slices.Equal(got, want) {
			t.Fatalf("%q has\n%q, want\n%q", b, got, want)
		}
	})
}

func FuzzCheckJSONAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range append(documents, "", " ", "{", "nul", "[1,]", `"\x"`, "\"\xff\"", "1 2", "\ufeff{}", strings.Repeat("[", 20_000)) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := hub.CheckJSON(b)
		if want := json.Valid(b) && utf8.Valid(b); (err == nil) != want {
			t.Fatalf("%q: valid is %t, want %t (%v)", b, err == nil, want, err)
		}
		if err != nil && (err.Code != hub.CodeInvalidRequest || err.Detail == "") {
			t.Fatalf("%q is answered %v", b, err)
		}
	})
}

func TestInvalidJSONSaysWhere(t *testing.T) {
	t.Parallel()
	err := hub.CheckJSON([]byte(`{"data":tru}`))
	if err == nil || !strings.Contains(err.Detail, "at byte 12") {
		t.Errorf("it is answered %v, want the place in it", err)
	}
}

func FuzzUnquoteAgreesWithEncodingJSON(f *testing.F) {
	for _, seed := range []string{`""`, `"plain"`, `"\u0061\n\\\""`, `"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"é\/"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.TrimSpace(b)
		if hub.CheckJSON(b) != nil || b[0] != '"' {
			return
		}
		var want string
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if got := hub.Unquote(b); got != want {
			t.Fatalf("%q is %q, want %q", b, got, want)
		}
	})
}

func FuzzAppendQuotedRoundTrip(f *testing.F) {
	for _, seed := range []string{"", "plain", "a\"b\\c", "\x00\x1f\x7f", "\n\r\t\b\f", "<&>", "é😀\u2028\ufffd", "\xff", "a\xc3", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := hub.AppendQuoted([]byte("head"), s)
		rest, ok := bytes.CutPrefix(quoted, []byte("head"))
		if !ok {
			t.Fatalf("%q was written over what was there: %q", s, quoted)
		}
		var got, want string
		if err := json.Unmarshal(rest, &got); err != nil {
			t.Fatalf("%q is quoted as %q: %v", s, rest, err)
		}
		reference, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(reference, &want); err != nil {
			t.Fatal(err)
		}
		if got != want || utf8.ValidString(s) && got != s {
			t.Fatalf("%q comes back as %q, want %q", s, got, want)
		}
		if bytes.ContainsFunc(rest, func(r rune) bool { return r < 0x20 }) || !utf8.Valid(rest) {
			t.Fatalf("%q is quoted as %q, which is not one line of UTF-8", s, rest)
		}
		if got := hub.Unquote(rest); got != want {
			t.Fatalf("%q comes back from Unquote as %q, want %q", s, got, want)
		}
	})
}

func TestOneLineOnlyTakesWhiteSpaceOut(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`{ "a" : 1.10 }`:                 `{ "a" : 1.10 }`, // as it was published
		"{\n \"b\" : 1.10,\r\n\"a\":[]}": `{"b":1.10,"a":[]}`,
		"[\r1e400,-0\r]":                 `[1e400,-0]`,
		"\"\u2028\\n<&>\"":               "\"\u2028\\n<&>\"",
		"[\n\"\u2028\\n \\u00e9<&>\"]":   "[\"\u2028\\n \\u00e9<&>\"]",
	} {
		if got := string(hub.OneLine([]byte(value))); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}
