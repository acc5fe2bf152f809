package http_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"eventhub/internal/http"
)

func TestListsOfOriginsThatAreWrongAreToldWhy(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"app.example.com":                           `"app.example.com": want scheme://host`,
		"app.example.com:443":                       `"app.example.com:443": want scheme://host`,
		"https://":                                  "want scheme://host",
		"https://app.example.com/":                  "nothing behind",
		"https://app.example.com/app":               "nothing behind",
		"https://app.example.com?x":                 "nothing behind",
		"https://me@app.example.com":                "want scheme://host",
		"https://app.example.com:port":              "want scheme://host",
		"https://app.example.com:65536":             "want a port from 1 to 65535",
		"https://app.example.com:0":                 "want a port from 1 to 65535",
		"https://app.example.com:":                  "want scheme://host",
		"https://*":                                 "want scheme://host",
		"https://*example.com":                      "want scheme://host",
		"https://app.*.com":                         "want scheme://host",
		"https://*.*.com":                           "want scheme://host",
		"*://app.example.com":                       "want scheme://host",
		"*.example.com":                             "want scheme://host",
		"https://bücher.example":                    "want scheme://host",
		"https://app.example.com https://b.example": "want scheme://host",
		"null":                      "want origins that can be told apart",
		"*,https://app.example.com": `"*": want scheme://host or scheme://host:port and nothing behind, such as https://app.example.com, https://*.example.com for every name below that one, or * alone`,
		"https://app.example.com,":  `"": want scheme://host`,
		"https://app.example.com,,https://b.example":    `"": want scheme://host`,
		"https://" + strings.Repeat("x", 100_000) + "/": "…",
	} {
		_, err := http.ParseOrigins(list)
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%.100q: %.2000v, want %s", list, err, want)
		}
	}
	_, err := http.ParseOrigins("a,https://good.example,b")
	if err == nil || strings.Count(err.Error(), "want") != 2 || strings.Contains(err.Error(), "good") {
		t.Errorf("of two wrong ones is told: %v", err)
	}
}

func TestOnlyListedOriginsAreAllowed(t *testing.T) {
	t.Parallel()
	const exact, pattern = "https://app.example.com", "https://*.example.com"
	for _, c := range []struct {
		list, origin string
		allowed      bool
	}{
		{"", exact, false},
		{"  ", exact, false},
		{exact, exact, true},
		{exact, "https://APP.example.com", true},
		{"HTTPS://App.Example.COM", exact, true},
		{" " + exact + " , https://b.example ", "https://b.example", true},
		{exact + ":443", exact, true},
		{"http://app.example.com:80", "http://app.example.com", true},
		{"https://app.example.com:80", exact, false},
		{exact, "http://app.example.com", false},
		{exact, exact + ":8443", false},
		{exact, exact + "/", false},
		{exact, exact + ".evil.example", false},
		{exact, "https://evil.example/" + exact, false},
		{exact, "https://me@app.example.com", false},
		{exact, "https://xapp.example.com", false},
		{exact, "app.example.com", false},
		{exact, exact + "," + exact, false},
		{exact, exact + " " + exact, false},
		{exact, "null", false},
		{exact, "", false},
		{exact + ":8443", exact + ":8443", true},
		{exact + ":8443", exact, false},
		{exact + ":8443", exact + ":18443", false},
		{"http://[::1]:3000", "http://[::1]:3000", true},
		{"http://[::1]:3000", "http://[::1]", false},
		{"chrome-extension://abcdef", "chrome-extension://abcdef", true},

		{pattern, exact, true},
		{pattern, "https://a.b.example.com", true},
		{pattern, "https://xn--bcher-kva.example.com", true},
		{pattern, "https://example.com", false},
		{pattern, "https://.example.com", false},
		{pattern, "https://evilexample.com", false},
		{pattern, "http://app.example.com", false},
		{pattern, "https://app.example.com:8443", false},
		{pattern, "https://evil.example:1.example.com", false},
		{pattern, "https://evil.example/.example.com", false},
		{pattern, "https://evil.example?.example.com", false},
		{pattern, "https://evil.example#.example.com", false},
		{pattern, "https://evil.example@a.example.com", false},
		{pattern, "https://app.example.com.evil.example", false},
		{pattern, "https://[::1].example.com", false},
		{pattern + ":8443", "https://app.example.com:8443", true},
		{pattern + ":8443", "https://app.example.com", false},

		{"*", exact, true},
		{" * ", "null", true},
		{"*", "", true},
	} {
		origins, err := http.ParseOrigins(c.list)
		if err != nil {
			t.Errorf("%q: %v", c.list, err)
			continue
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/streams/orders/events", strings.NewReader(`{"data":1}`))
		r.Host = "hub.internal"
		r.Header.Set("Origin", c.origin)
		a := newEdgeWith(t, http.Options{Origins: origins}).send(r)
		if allowed := a.Code == 201; allowed != c.allowed || !allowed && a.Code != 403 {
			t.Errorf("a page of %q is answered %d where %q is listed: %s", c.origin, a.Code, c.list, a.Body)
		}
	}
}
