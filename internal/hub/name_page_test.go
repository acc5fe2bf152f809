package hub_test

import (
	"testing"

	"eventhub/internal/hub"
)

func TestPageOfNamesIsRead(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		prefix string
		limit  int
		after  string
	}{
		"":                                   {"", 100, ""},
		"prefix=":                            {"", 100, ""},
		"prefix=eu.&limit=1000&cursor=eu.x1": {"eu.", 1000, "eu.x1"},
		"limit=1":                            {"", 1, ""},
	} {
		prefix, limit, after, err := hub.ParseNamePage(query, 1000)
		if err != nil || prefix != want.prefix || limit != want.limit || after != want.after {
			t.Errorf("%q is %q, %d, %q (%v), want %+v", query, prefix, limit, after, err, want)
		}
	}
	_, _, _, err := hub.ParseNamePage("prefix=*&limit=1001&cursor=a&cursor=b&x", 1000)
	checkFaults(t, err, hub.CodeInvalidRequest, []fault{
		{"?x", "not a known"}, {"?prefix", `"*" does not begin any name`}, {"?limit", "from 1 to 1000"}, {"?cursor", "given 2 times"},
	})
}
