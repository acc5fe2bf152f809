package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
)

func TestFramesAreScanned(t *testing.T) {
	frame := `{"type":"events","events":[` +
		`{"id":"1-0","stream":"s","data":` + eventData(41, eventBytes) + `,"attempt":1},` +
		`{"id":"1-1","stream":"s","data":` + eventData(42, eventBytes) + `,"attempt":1}]}`
	var ids []string
	eachID([]byte(frame), func(id []byte) { ids = append(ids, string(id)) })
	if strings.Join(ids, " ") != "1-0 1-1" {
		t.Errorf("ids: %q", ids)
	}
	var numbers []int
	eachNumber([]byte(frame), func(n int) { numbers = append(numbers, n) })
	if len(numbers) != 2 || numbers[0] != 41 || numbers[1] != 42 {
		t.Errorf("numbers: %v", numbers)
	}
}

func TestEventsAreOfTheSizeTheyClaim(t *testing.T) {
	if data := eventData(7, eventBytes); len(data) != eventBytes || !json.Valid([]byte(data)) {
		t.Errorf("%d bytes: %s", len(data), data)
	}
	request := newTemplate([]byte(eventBody(0)))
	if got := string(request.of(123)); got != eventBody(123) {
		t.Errorf("the template makes %s of event 123", got)
	}
}

func TestAnswersAreReadToTheirEnd(t *testing.T) {
	for _, answer := range []string{
		"HTTP/1.1 201 Created\r\nContent-Length: 12\r\nX: y\r\n\r\n{\"id\":\"1-0\"}",
		"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nc\r\n{\"id\":\"1-0\"}\r\n0\r\n\r\n",
	} {
		for n := range len(answer) {
			if _, _, ok := parseAnswer([]byte(answer[:n])); ok {
				t.Errorf("taken for complete: %q", answer[:n])
			}
		}
		status, body, ok := parseAnswer([]byte(answer))
		if status != 201 || !strings.Contains(string(body), `{"id":"1-0"}`) || !ok {
			t.Errorf("%q is read as %d %q %v", answer, status, body, ok)
		}
	}
}

func TestCorkedFramesGoInOneWrite(t *testing.T) {
	counted := &countedConn{}
	c := &corked{Conn: counted}
	for _, text := range []string{"a", "b"} {
		_, _ = c.Write([]byte(text))
	}
	c.cork()
	for _, text := range []string{"c", "d"} {
		_, _ = c.Write([]byte(text))
	}
	if err := c.uncork(); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(counted.writes, " "); got != "a b cd" {
		t.Errorf("writes: %s", got)
	}
}

type countedConn struct {
	net.Conn
	writes []string
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, string(p))
	return len(p), nil
}
