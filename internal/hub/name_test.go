package hub_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"eventhub/internal/hub"
)

// documentedName is the rule as the API has it.
var documentedName = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\z`)

func TestNamesFollowTheDocumentedRule(t *testing.T) {
	t.Parallel()
	names := []string{"", "a", "orders", "A.b_c:d-9", strings.Repeat("x", 128), strings.Repeat("x", 129), "orders\n", "ä", "a\x00", "{a}", "a b", "a/b", "*"}
	for c := range 256 {
		names = append(names, string([]byte{byte(c)}), "a"+string([]byte{byte(c)}), "a"+string([]byte{byte(c)})+"b")
	}
	for _, name := range names {
		err := hub.CheckName("stream", name)
		if want := documentedName.MatchString(name); (err == nil) != want {
			t.Errorf("%q: allowed is %t, want %t", name, err == nil, want)
		}
		if err != nil && (err.Code != hub.CodeInvalidName || !strings.Contains(err.Detail, "stream")) {
			t.Errorf("%q is answered %v, want %s that says it is about a stream", name, err, hub.CodeInvalidName)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, seed := range []string{"orders", "A.b_c:d-9", "a\n", "-a", "ä", "{a}", strings.Repeat("x", 129)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		err := hub.CheckName("channel", text)
		if want := documentedName.MatchString(text); (err == nil) != want {
			t.Fatalf("%q: allowed is %t, want %t", text, err == nil, want)
		}
		if err != nil && (err.Detail == "" || strings.ContainsFunc(err.Detail, unicode.IsControl)) {
			t.Fatalf("%q is answered %q", text, err.Detail)
		}
		err = hub.CheckLabel("topic", text)
		if want := len(text) <= 256 && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl); (err == nil) != want {
			t.Fatalf("%q as a label: allowed is %t, want %t", text, err == nil, want)
		}
	})
}

func TestLabelsAreShortTextWithoutControlCharacters(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, label string
		ok          bool
	}{
		{"empty", "", true},
		{"any script", "größe / 注文 / 😀 “x”", true},
		{"space and line separators", "a\u00a0\u2028b", true},
		{"at the limit", strings.Repeat("ä", 128), true},
		{"over the limit", strings.Repeat("ä", 128) + "x", false},
		{"newline", "a\nb", false},
		{"NUL", "\x00", false},
		{"DEL", "a\x7f", false},
		{"last of C0", "\x1f", false},
		{"first of C1", "\u0080", false},
		{"last of C1", "\u009f", false},
		{"invalid UTF-8", "a\xff", false},
		{"half a character at the limit", strings.Repeat("x", 255) + "\xc3", false},
	} {
		err := hub.CheckLabel("topic", tc.label)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", tc.name, err)
		}
		if err != nil && (err.Code != hub.CodeInvalidRequest || !strings.HasPrefix(err.Detail, "topic ")) {
			t.Errorf("%s is answered %v, want %s that names the field", tc.name, err, hub.CodeInvalidRequest)
		}
	}
}
