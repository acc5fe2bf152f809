package auth

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"eventhub/internal/follow"
	"eventhub/internal/hub"
)

// maxKeys bounds a file of keys.
const maxKeys = 10_000

// entry is a key as its file says it.
type entry struct {
	id     string
	digest digest
	grant  Grant
	rules  []rule
}

// loadKeys reads the file of keys. The error names every fault, and shows nothing of the
// file but ids and the names of fields.
func loadKeys(path string) ([]entry, follow.State, error) {
	text, err := follow.Read(path)
	sum := follow.NewSum()
	sum.Add(text, err)
	if err != nil {
		return nil, sum.State(), fmt.Errorf("want a readable file: %w", err)
	}
	entries, err := decodeKeys(text)
	return entries, sum.State(), err
}

func decodeKeys(text []byte) ([]entry, error) {
	text, err := toJSON(text)
	if err != nil {
		return nil, err
	}
	var file struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := decodeStrict(text, &file); err != nil {
		return nil, err
	}
	if file.Keys == nil {
		return nil, errors.New("keys: want a list of keys; [] for none")
	}
	if len(*file.Keys) > maxKeys {
		return nil, fmt.Errorf("keys: there are %d, at most %d are allowed", len(*file.Keys), maxKeys)
	}
	var faults faults
	entries := make([]entry, len(*file.Keys))
	seen := map[digest]int{}
	for i, text := range *file.Keys {
		e, err := decodeKey(text)
		if err == nil {
			if first, twice := seen[e.digest]; twice {
				err = fmt.Errorf("hash: it is that of keys/%d, too", first)
			}
			seen[e.digest] = i
		}
		if err != nil {
			faults.add(fmt.Sprintf("keys/%d (%s): %v", i, e.id, err))
		}
		entries[i] = e
	}
	return entries, faults.err()
}

func decodeKey(text []byte) (e entry, err error) {
	var raw struct {
		ID   string `json:"id"`
		Hash string `json:"hash"`
		Grant
	}
	var named struct{ ID any }
	_ = json.Unmarshal(text, &named) // for the fault, whatever else is wrong
	if e.id, _ = named.ID.(string); hub.CheckName("key", e.id) != nil {
		e.id = "without a good id"
	}
	if err := decodeStrict(text, &raw); err != nil {
		return e, err
	}
	if err := hub.CheckName("key", raw.ID); err != nil {
		return e, fmt.Errorf("id: want 1 to 128 of A-Z a-z 0-9 . _ : -, beginning with a letter or digit")
	}
	sum, err := hex.DecodeString(raw.Hash)
	if err != nil || len(sum) != len(e.digest) {
		return e, fmt.Errorf("hash: want the SHA-256 of the key, in %d hex digits; hub key new prints it", 2*len(e.digest))
	}
	e.digest, e.grant = digest(sum), raw.Grant
	e.rules, err = raw.compile()
	return e, err
}

// faults are what is wrong with a file. So many are listed, as somebody is to read them.
type faults struct {
	list []string
	more int
}

const maxFaults = 20

func (f *faults) add(text string) {
	if len(f.list) == maxFaults {
		f.more++
		return
	}
	f.list = append(f.list, text)
}

func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	text := strings.Join(f.list, "; ")
	if f.more > 0 {
		text += fmt.Sprintf("; and %d more", f.more)
	}
	return errors.New(text)
}
