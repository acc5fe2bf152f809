package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// ticket gets one for a page of this origin, "" for a program.
func (h *testHub) ticket(body, origin string) string {
	h.t.Helper()
	var header []string
	if origin != "" {
		header = append(header, "Origin: "+origin)
	}
	answer := h.call("POST", "/v1/tickets", body, header...)
	if answer.StatusCode != http.StatusCreated {
		h.t.Fatalf("a ticket: %d %s", answer.StatusCode, answer.body)
	}
	return answer.json(h.t)["ticket"].(string)
}

// enter opens a WebSocket or an event stream from a page of this origin, and returns the
// status; leave ends it.
func (h *testHub) enter(path, origin string) (status int, leave func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	if strings.Contains(path, "/ws?") {
		conn, answer, err := websocket.Dial(ctx, h.base+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: client.Transport}, HTTPHeader: header})
		if answer == nil {
			h.t.Errorf("%s: %v", path, err)
			return 0, cancel
		}
		return answer.StatusCode, func() {
			if conn != nil {
				_ = conn.CloseNow()
			}
			cancel()
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	request.Header = header
	answer, err := client.Transport.RoundTrip(request)
	if err != nil {
		h.t.Errorf("%s: %v", path, err)
		return 0, cancel
	}
	return answer.StatusCode, func() {
		cancel()
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
	}
}

func TestOfManyUsesOfATicketOneWins(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	for _, path := range []string{"/v1/readers/ws?stream=orders&ticket=", "/v1/readers/sse?stream=orders&ticket="} {
		ticket := one.by(keys.text["boss"]).ticket("", "")
		const uses = 100
		var arriving sync.WaitGroup
		statuses, leaves := make([]int, uses), make([]func(), uses)
		start := make(chan struct{})
		for i := range uses {
			arriving.Go(func() {
				<-start
				statuses[i], leaves[i] = []*testHub{one, two}[i%2].enter(path+ticket, "")
			})
		}
		close(start)
		arriving.Wait()
		count := map[int]int{}
		for i := range uses {
			count[statuses[i]]++
			leaves[i]()
		}
		if won := count[http.StatusOK] + count[http.StatusSwitchingProtocols]; won != 1 || count[http.StatusUnauthorized] != uses-1 {
			t.Errorf("of %d uses of %s, by status: %v", uses, path, count)
		}
	}
}

func TestATicketIsOfItsPrincipalAndOfItsOrigin(t *testing.T) {
	t.Parallel()
	const page, other = "https://app.example.com", "https://shop.example.com"
	keys, one, two := guarded(t, "HUB_ALLOWED_ORIGINS="+page+","+other)
	reader := keys.add("reader", `[{"allow":["read"],"streams":["orders"]}]`)
	eventually(t, func() string { return notYet(one, reader) + notYet(two, reader) })
	const feed, ws = "/v1/readers/sse?stream=orders&ticket=", "/v1/readers/ws?stream=orders&ticket="
	for _, c := range []struct {
		name, origin, path, from string
		want                     int
	}{
		{"a page", page, ws, page, 101},
		{"a page's event stream", page, feed, page, 200},
		{"a program", "", ws, "", 101},
		{"another page", page, ws, other, 401},
		{"another page's event stream", page, feed, other, 401},
		{"a program with a page's", page, feed, "", 401},
		{"a page with a program's", "", feed, page, 401},
		{"for what the principal may not do", page, "/v1/readers/sse?stream=payments&ticket=", page, 403},
	} {
		ticket := one.by(reader).ticket("", c.origin)
		status, leave := two.enter(c.path+ticket, c.from)
		if leave(); status != c.want {
			t.Errorf("%s: %d, want %d", c.name, status, c.want)
		}
		// It is used up also by who may not use it: somebody else had it.
		status, leave = one.enter(strings.Replace(c.path, "/sse?", "/ws?", 1)+ticket, c.origin)
		if leave(); status != http.StatusUnauthorized {
			t.Errorf("%s: the right use afterwards: %d", c.name, status)
		}
	}
	ticket := one.by(reader).ticket("", "")
	for name, path := range map[string]string{"of another length": ws + ticket + "A", "of nobody": ws + strings.Repeat("A", 43), "none": ws} {
		status, leave := one.enter(path, "")
		if leave(); status != http.StatusUnauthorized && status != http.StatusBadRequest {
			t.Errorf("a ticket %s: %d", name, status)
		}
	}
	if answer := one.by(reader).call("GET", feed+ticket, ""); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("with a token beside it: %d %s", answer.StatusCode, answer.body)
	}
	if answer := one.call("GET", "/v1/streams/orders/events?ticket="+ticket, ""); answer.StatusCode < 400 {
		t.Errorf("for another route: %d %s", answer.StatusCode, answer.body)
	}
}

func TestATicketThatNobodyUsesExpires(t *testing.T) {
	t.Parallel()
	keys, one, _ := guarded(t)
	ticket, lasting := one.by(keys.text["boss"]).ticket(`{"ttl":"1s"}`, ""), one.by(keys.text["boss"]).ticket("", "")
	expires := time.Now().Add(1100 * time.Millisecond)
	eventually(t, func() string {
		if left := time.Until(expires); left > 0 {
			return "it expires in " + left.String()
		}
		return ""
	})
	for name, want := range map[string]int{ticket: http.StatusUnauthorized, lasting: http.StatusOK} {
		status, leave := one.enter("/v1/readers/sse?stream=orders&ticket="+name, "")
		if leave(); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
}

func TestAnEventStreamComesAgainWithItsTicket(t *testing.T) {
	t.Parallel()
	keys, one, two := guarded(t)
	key := keys.add("page", `[{"allow":["read"],"streams":["orders","payments"]}]`)
	eventually(t, func() string { return notYet(one, key) + notYet(two, key) })
	ticket := one.by(key).ticket(`{"ttl":"1s"}`, "")
	path := "/v1/readers/sse?stream=orders&ticket=" + ticket
	boss := one.by(keys.text["boss"])

	first := one.sse(path)
	id := boss.publish("orders", `{"data":1}`)
	first.until(id)
	for name, path := range map[string]string{
		"while it is in use": path,
		"for another stream": "/v1/readers/sse?stream=payments&ticket=" + ticket,
		"as a WebSocket":     strings.Replace(path, "/sse?", "/ws?", 1),
		"with another query": path + "&from=oldest",
	} {
		status, leave := two.enter(path, "")
		if leave(); status != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, status)
		}
	}
	// EventSource does so by itself, also when the ticket's time is over long since.
	first.hangUp()
	second := two.returning(path, first.last)
	id = boss.publish("orders", `{"data":2}`)
	if events := second.until(id); len(events) != 1 {
		t.Errorf("%d events came, want the one behind Last-Event-ID", len(events))
	}
	// A connection that has ended without the hub's knowledge does not keep its client out.
	third := one.returning(path, second.last)
	second.over()
	third.until(boss.publish("orders", `{"data":3}`))

	keys.remove("page")
	if code := third.ending(); code != "unauthenticated" {
		t.Errorf("the event stream ended with %q", code)
	}
	status, leave := one.enter(path, "")
	if leave(); status != http.StatusUnauthorized {
		t.Errorf("after the key was taken away: %d", status)
	}
}

// returning connects as soon as the hub lets it.
func (h *testHub) returning(path, last string) (f *feed) {
	h.t.Helper()
	eventually(h.t, func() (refusal string) {
		f, refusal = h.trySSE(path, "Last-Event-ID: "+last)
		return refusal
	})
	return f
}
