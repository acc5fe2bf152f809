package ws

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"github.com/coder/websocket"

	"eventhub/internal/hub"
)

// Bounds of one command. Ids may take commandBytes, some 25,000 of them; events the
// limit of a batch, and what names their target comes on top.
const (
	commandBytes = 1 << 20
	targetBytes  = 4 << 10
)

// receive reads one frame. One that is too large ends the session, after the
// client was told.
func (s *session) receive() (websocket.MessageType, []byte, error) {
	kind, reader, err := s.conn.Reader(context.Background())
	if err != nil {
		return 0, nil, err
	}
	most := max(commandBytes, s.server.opts.Limits.BatchBytes+targetBytes)
	frame, err := readAll(reader, s.frame[:0], most+1)
	if s.reuses(frame) {
		s.frame = frame
	}
	if err == nil && len(frame) > most {
		tooLarge := hub.Errorf(hub.CodePayloadTooLarge, "a frame may have at most %d bytes", most)
		s.end(websocket.StatusMessageTooBig, tooLarge)
		<-s.mute // the rest of the frame is the close handshake's to discard
		err = tooLarge
	}
	return kind, frame, err
}

// keptFrame bounds the room that is kept for frames.
const keptFrame = 4 << 10

// readAll appends what comes, but not more than makes most bytes of it.
func readAll(from io.Reader, to []byte, most int) ([]byte, error) {
	for len(to) < most {
		if len(to) == cap(to) {
			to = slices.Grow(to, firstFrame)
		}
		n, err := from.Read(to[len(to):min(cap(to), most)])
		to = to[:len(to)+n]
		if errors.Is(err, io.EOF) {
			return to, nil
		}
		if err != nil {
			return to, err
		}
	}
	return to, nil
}

// firstFrame is room for most commands.
const firstFrame = 512

// reuses says whether a frame's room is that of the next, too.
func (s *session) reuses(frame []byte) bool { return s.gatherer != nil && cap(frame) <= keptFrame }

// keep makes a frame good for longer than until the next.
func (s *session) keep(frame []byte) []byte {
	if s.reuses(frame) {
		return bytes.Clone(frame)
	}
	return frame
}
