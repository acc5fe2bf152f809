package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "rewrite the settings table of README.md")

func TestHelpListsEverySetting(t *testing.T) {
	var out strings.Builder
	usage(&out)
	help := out.String()

	_, table, _ := strings.Cut(help, "Settings:\n")
	column := strings.Index(table, "MEANING")
	for line := range strings.Lines(table) {
		if line[column-1] != ' ' || line[column] == ' ' {
			t.Errorf("the meaning does not start in column %d: %s", column, line)
		}
	}
	for line := range strings.Lines(help) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > usageWidth {
			t.Errorf("%d columns wide: %s", n, line)
		}
	}
	// As a reader sees it: the columns of all rows, with the meaning unwrapped.
	text := strings.Join(strings.Fields(help), " ")
	for _, s := range settings() {
		row := strings.Join(strings.Fields(strings.Join([]string{s.name, s.kind, s.def, s.meaning()}, " ")), " ")
		if !strings.Contains(text, row) {
			t.Errorf("hub --help lacks %q", row)
		}
	}
	for _, want := range []string{"hub --help", "hub --version"} {
		if !strings.Contains(help, want) {
			t.Errorf("hub --help does not mention %q", want)
		}
	}
}

// TestReadmeSettings holds the table in README.md to config.
func TestReadmeSettings(t *testing.T) {
	const (
		path  = "../../README.md"
		begin = "<!-- settings:begin -->\n"
		end   = "<!-- settings:end -->\n"
	)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), begin)
	table, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("README.md lacks the lines %q and %q", begin, end)
	}
	want := readmeTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if table != want {
		t.Errorf("README.md's settings are not those of config.go; regenerate them with\n" +
			"\tgo test ./cmd/hub -run TestReadmeSettings -update")
	}
}

func readmeTable() string {
	var b strings.Builder
	b.WriteString("| Setting | Type | Default | Meaning |\n|---|---|---|---|\n")
	for _, s := range settings() {
		def := ""
		if s.def != "" {
			def = "`" + s.def + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.name, s.kind, def, strings.ReplaceAll(s.meaning(), "|", `\|`))
	}
	return b.String()
}
