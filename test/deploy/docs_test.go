package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTheSecurityPageNamesWhatThereIs: a promise whose test is renamed or gone is
// no longer shown by it.
func TestTheSecurityPageNamesWhatThereIs(t *testing.T) {
	page, err := os.ReadFile(repository + "/docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	known := append(tests(t), regexp.MustCompile(`\bHUB_[A-Z0-9_]+\b`).FindAllString(goTool(t, "run", "./cmd/hub", "--help"), -1)...)
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+|HUB_[A-Z0-9_]+)").FindAllSubmatch(page, -1)
	if len(named) < 50 {
		t.Fatalf("only %d tests and settings are named", len(named))
	}
	for _, found := range named {
		if name := string(found[1]); !slices.Contains(known, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// tests returns the names of all tests of the repository.
func tests(t *testing.T) []string {
	t.Helper()
	var names []string
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != repository:
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(source, -1) {
			names = append(names, string(found[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
