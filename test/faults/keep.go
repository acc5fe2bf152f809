package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"eventhub/test/faults/history"
)

// keepLimit is how many failures of a run are kept, of some 10 MB each: a night in which all
// fails must not fill a disk.
const keepLimit = 20

// keeps says whether a failure is to be kept, and counts it.
func (o *options) keeps() bool { return o.keep != "" && o.kept.Add(1) <= keepLimit }

// keep writes what explains a result into a directory of its own below dir, and notes
// which: what is said of it, the whole history, and what each hub has logged.
func (res *result) keep(dir string, h *history.History, hubs []*node) error {
	res.Kept = filepath.Join(dir, fmt.Sprintf("%s-%s-seed-%d", res.Scenario, res.Topology, res.Seed))
	if err := os.MkdirAll(res.Kept, 0o750); err != nil {
		return err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("writing the history down: %w", err)
	}
	files := map[string][]byte{"result.txt": []byte(res.String()), "history.json": text}
	for _, n := range hubs {
		files["hub-"+n.name+".log"] = []byte(n.logs.text())
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(res.Kept, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
