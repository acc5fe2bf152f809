package ws

import "encoding/binary"

// scanner follows the frames of a client through what comes of them, in pieces of any
// size (RFC 6455, §5.2). It looks at headers only. Whether they are right is
// coder/websocket's to say.
type scanner struct {
	head  [14]byte // of the frame that has begun
	have  int      // bytes of it; 0 where no frame has, or all of it came
	rest  uint64   // bytes of the frame's payload that have not come
	split bool     // a message has begun, and the last of its frames not
	small int      // fragments of that message that had few bytes
}

const (
	// smallFragment is what a fragment that carries something has at least. Clients that
	// write through a buffer have one of 4 KiB, as a rule.
	smallFragment = 1 << 10
	// freeFragments are the smaller ones that any message may have: by then they cost
	// little beside the command, which is counted.
	freeFragments = 16
)

// sight is what a scanner has seen in one piece.
type sight struct {
	control   int  // frames
	fragments int  // small ones beyond those that are free
	open      bool // a message, or a control frame, has come in part
	fresh     bool // that has begun in this piece
}

// scan takes the next piece.
func (s *scanner) scan(piece []byte) (saw sight) {
	for len(piece) > 0 {
		if s.rest > 0 {
			n := min(s.rest, uint64(len(piece)))
			s.rest -= n
			piece = piece[n:]
			continue
		}
		if s.have == 0 && !s.split {
			saw.fresh = true
		}
		n := copy(s.head[s.have:s.size()], piece)
		s.have += n
		piece = piece[n:]
		if s.have >= 2 && s.have == s.size() {
			s.begin(&saw)
			s.have = 0
		}
	}
	saw.open = s.have > 0 || s.rest > 0 || s.split
	return saw
}

// size is how many bytes the header has, as far as one can tell by now.
func (s *scanner) size() int {
	if s.have < 2 {
		return 2
	}
	size := 2
	switch s.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if masked := s.head[1]&0x80 != 0; masked {
		size += 4
	}
	return size
}

// begin is for a frame whose header is complete.
func (s *scanner) begin(saw *sight) {
	switch size := s.head[1] & 0x7f; size {
	case 126:
		s.rest = uint64(binary.BigEndian.Uint16(s.head[2:]))
	case 127:
		s.rest = binary.BigEndian.Uint64(s.head[2:])
	default:
		s.rest = uint64(size)
	}
	final, control := s.head[0]&0x80 != 0, s.head[0]&0x08 != 0
	switch {
	case control:
		saw.control++
	case final:
		s.split, s.small = false, 0
	default:
		s.split = true
		if s.rest < smallFragment {
			if s.small++; s.small > freeFragments {
				saw.fragments++
			}
		}
	}
}
