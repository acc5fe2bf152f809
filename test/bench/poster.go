package main

import (
	"context"
	"sync"
)

// posterConns bounds the requests under way. One that finds no connection free
// is late, and counts as such.
const posterConns = 32

// poster posts events without waiting for the answers: each over a connection
// that has had its last one. send is for one goroutine.
type poster struct {
	requests []*template // that go in turn
	status   int         // of every answer
	conns    []*httpConn
	free     chan *httpConn
	failed   chan error // one slot: the first answer that is no success
	reading  sync.WaitGroup
}

// newPoster posts body to the paths in turn, with another number in it each time. The
// connections share out the addresses.
func newPoster(ctx context.Context, addrs, paths []string, body string, status int) (*poster, error) {
	p := &poster{status: status, free: make(chan *httpConn, posterConns), failed: make(chan error, 1)}
	for _, path := range paths {
		p.requests = append(p.requests, newTemplate(postRequest(addrs[0], path, body)))
	}
	for i := range posterConns {
		conn, err := dialHTTP(ctx, addrs[i%len(addrs)])
		if err != nil {
			p.close()
			return nil, err
		}
		p.conns = append(p.conns, conn)
		p.free <- conn
		p.reading.Go(func() { p.read(conn) })
	}
	return p, nil
}

func (p *poster) send(n int) error {
	select {
	case err := <-p.failed:
		return err
	case conn := <-p.free:
		_, err := conn.Write(p.requests[n%len(p.requests)].of(n))
		return err
	}
}

// read takes the answers of a connection. It ends when that is closed.
func (p *poster) read(conn *httpConn) {
	for {
		_, err := conn.answer(p.status)
		if err != nil {
			select {
			case p.failed <- err:
			default:
			}
			return
		}
		p.free <- conn // never blocks: there is room for all
	}
}

// finish waits for the answers to all that was sent. Nothing can be sent afterwards.
func (p *poster) finish(ctx context.Context) error {
	for range p.conns {
		select {
		case <-p.free:
		case err := <-p.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *poster) close() {
	for _, conn := range p.conns {
		conn.close()
	}
	p.reading.Wait()
}
