package redistest

import (
	"bytes"
	"os"
)

// tailBytes is what a failed test shows of a log: some forty lines.
const tailBytes = 4 << 10

// logFile is the path of a server's log. Every restart appends to it.
type logFile string

func (l logFile) open() (*os.File, error) {
	return os.OpenFile(string(l), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// size is where the next start's lines begin.
func (l logFile) size() int { return len(l.read()) }

// contains reports whether text was logged since the log had size from.
func (l logFile) contains(from int, text string) bool {
	all := l.read()
	return bytes.Contains(all[min(from, len(all)):], []byte(text))
}

// tail is the end of the log, in whole lines.
func (l logFile) tail() string {
	all := l.read()
	if len(all) <= tailBytes {
		return string(all)
	}
	_, whole, _ := bytes.Cut(all[len(all)-tailBytes:], []byte("\n"))
	return string(whole)
}

// read returns the log, empty when it cannot be read: it is only ever evidence
// for a failure that is reported anyway.
func (l logFile) read() []byte {
	all, _ := os.ReadFile(string(l))
	return all
}
