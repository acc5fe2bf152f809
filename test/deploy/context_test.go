package deploy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

func TestTheBuildSeesAllThatTheHubIsMadeOf(t *testing.T) {
	const files = `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	needed := strings.Fields(goTool(t, "list", "-deps", "-f", files, "./cmd/hub"))
	if len(needed) == 0 {
		t.Fatal("the hub is made of no files")
	}
	for _, path := range append(needed, root+"/go.mod", root+"/go.sum") {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if ignored(t, name) {
			t.Errorf("%s is part of the hub, and .dockerignore keeps it out", name)
		}
	}
}

func TestTheBuildSeesNothingElse(t *testing.T) {
	for _, name := range []string{
		".git/config", ".env", "key.pem", "hub", "README.md", "docs/guide.md", "deploy/k8s/base/deployment.yaml",
		"cmd/hub/main_test.go", "internal/hub/testdata/events.json", "internal/console/node_modules/x/index.js", "cmd/hub/.env.local",
	} {
		if !ignored(t, name) {
			t.Errorf("%s would be sent to the builder", name)
		}
	}
}

// ignored tells whether .dockerignore keeps a file, named from the root of the
// repository, out of the build context.
func ignored(t *testing.T, name string) bool {
	t.Helper()
	file, err := os.Open(repository + "/.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	patterns, err := ignorefile.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	out, err := matcher.MatchesOrParentMatches(name)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
