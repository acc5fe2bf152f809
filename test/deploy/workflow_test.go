package deploy_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
)

func TestTheWorkflowsAreWellFormed(t *testing.T) {
	for path, content := range workflows(t) {
		for _, fault := range lintWorkflow(t, path, content) {
			t.Error(fault)
		}
	}
	if len(lintWorkflow(t, "x.yml", []byte("on: push\njobs:\n  x:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: echo ${{ nothing }}\n"))) == 0 {
		t.Error("a workflow with a fault was accepted")
	}
}

// TestActionsArePinned guards against a tag that is moved to other code.
func TestActionsArePinned(t *testing.T) {
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for path, content := range workflows(t) {
		for _, found := range uses.FindAllSubmatch(content, -1) {
			if !pinned.Match(found[1]) {
				t.Errorf("%s: %s: want a full commit, and its version as a comment", path, found[1])
			}
		}
	}
	for _, loose := range []string{"actions/checkout@v7", "actions/checkout@3d3c42e # v7.0.1", "docker://alpine:3"} {
		if pinned.MatchString(loose) {
			t.Errorf("%s passes for pinned", loose)
		}
	}
}

func TestWorkflowsMayReadAndNothingElse(t *testing.T) {
	for path, content := range workflows(t) {
		w := parseWorkflow(t, content)
		if !readsOnly(w.Permissions) {
			t.Errorf("%s: the permissions are not contents: read", path)
		}
		for id, job := range w.Jobs {
			if job.Permissions != nil && !readsOnly(job.Permissions) {
				t.Errorf("%s: %s has other permissions", path, id)
			}
			for _, action := range actions(job, "actions/checkout@") {
				if in := action.Inputs["persist-credentials"]; in == nil || in.Value.Value != "false" {
					t.Errorf("%s: %s leaves its token where every later step can read it", path, id)
				}
			}
		}
	}
}

func TestWorkflowsEnd(t *testing.T) {
	for path, content := range workflows(t) {
		w := parseWorkflow(t, content)
		if w.Concurrency == nil || w.Concurrency.Group == nil || w.Concurrency.CancelInProgress == nil {
			t.Errorf("%s: runs pile up", path)
		}
		for id, job := range w.Jobs {
			if job.TimeoutMinutes == nil || job.TimeoutMinutes.Value > 30 {
				t.Errorf("%s: %s has no time limit, or a long one", path, id)
			}
		}
	}
}

func TestTheWorkflowRunsWhatADeveloperRuns(t *testing.T) {
	var commands []string
	for _, job := range parseWorkflow(t, workflows(t)["ci.yml"]).Jobs {
		for _, step := range job.Steps {
			if run, ok := step.Exec.(*actionlint.ExecRun); ok {
				commands = append(commands, run.Run.Value)
			}
		}
	}
	for _, want := range []string{".ci/run", "make vuln", "make sbom"} {
		if !slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c, want) }) {
			t.Errorf("%q lacks %s", commands, want)
		}
	}
}

func TestTheWorkflowsGoIsTheOneOfGoMod(t *testing.T) {
	version := strings.Split(strings.TrimSpace(goTool(t, "list", "-m", "-f", "{{.GoVersion}}")), ".")
	want := version[0] + "." + version[1] // patch releases are taken as they come
	for id, job := range parseWorkflow(t, workflows(t)["ci.yml"]).Jobs {
		found := actions(job, "actions/setup-go@")
		if len(found) != 1 {
			t.Fatalf("%s sets up Go %d times, want once", id, len(found))
		}
		for input, want := range map[string]string{"go-version": want, "check-latest": "true"} {
			if in := found[0].Inputs[input]; in == nil || in.Value.Value != want {
				t.Errorf("%s: %s is %+v, want %s", id, input, in, want)
			}
		}
	}
}

// workflows are the hosted ones, by the names of their files.
func workflows(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(repository + "/.github/workflows/*")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no workflows (%v)", err)
	}
	all := make(map[string][]byte)
	for _, path := range paths {
		if all[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func lintWorkflow(t *testing.T, path string, content []byte) []*actionlint.Error {
	t.Helper()
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	faults, err := linter.Lint(path, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func parseWorkflow(t *testing.T, content []byte) *actionlint.Workflow {
	t.Helper()
	w, faults := actionlint.Parse(content)
	if len(faults) != 0 {
		t.Fatal(faults[0])
	}
	return w
}

func readsOnly(p *actionlint.Permissions) bool {
	return p != nil && p.All == nil && len(p.Scopes) == 1 && p.Scopes["contents"] != nil && p.Scopes["contents"].Value.Value == "read"
}

// actions returns a job's uses of one action.
func actions(job *actionlint.Job, name string) []*actionlint.ExecAction {
	var found []*actionlint.ExecAction
	for _, step := range job.Steps {
		if action, ok := step.Exec.(*actionlint.ExecAction); ok && strings.HasPrefix(action.Uses.Value, name) {
			found = append(found, action)
		}
	}
	return found
}
