package broker

import "eventhub/internal/hub"

// ackBatch is the ids of one XACK in the making. They share one text: an id takes no
// allocation of its own, where its string and the box around that would be two.
type ackBatch struct {
	log, group string
	room       int // for so many ids, at first
	text       []byte
	ends       []int // of the ids in text
}

// idBytes is what an id takes, mostly.
const idBytes = 20

func (b *ackBatch) len() int { return len(b.ends) }

func (b *ackBatch) add(id hub.ID) {
	if b.text == nil {
		b.text, b.ends = make([]byte, 0, b.room*idBytes), make([]int, 0, b.room)
	}
	b.text = id.Append(b.text)
	b.ends = append(b.ends, len(b.text))
}

// command is the XACK, and leaves b empty.
func (b *ackBatch) command() once {
	text, begin := string(b.text), 0
	ids := make([]string, len(b.ends))
	args := append(make([]any, 0, 3+len(ids)), "xack", b.log, b.group)
	for i, end := range b.ends {
		ids[i] = text[begin:end]
		begin = end
		args = append(args, &ids[i]) // go-redis takes pointers, too; they are boxed for nothing
	}
	b.text, b.ends = b.text[:0], b.ends[:0]
	return command(args...)
}
