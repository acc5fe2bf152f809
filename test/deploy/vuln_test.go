package deploy_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnUnreachableDatabaseIsToldAndFailsNothing(t *testing.T) {
	refusing := httptest.NewServer(http.NotFoundHandler())
	defer refusing.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, database := range map[string]string{"gone": gone.URL, "refusing": refusing.URL} {
		out, code := vuln(t, database, "echo it looked; exit 3")
		if code != 0 || !strings.Contains(out, "not checked for known vulnerabilities") || !strings.Contains(out, database) {
			t.Errorf("%s: %d, %q, want a notice that names the database", name, code, out)
		}
		if strings.Contains(out, "it looked") {
			t.Errorf("%s: it looked all the same", name)
		}
	}
}

func TestWhatIsFoundFails(t *testing.T) {
	database := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/db.json" {
			http.NotFound(w, r)
		}
	}))
	defer database.Close()
	// govulncheck's exit codes: 3 for findings, 1 and 2 for faults of its own.
	for code, govulncheck := range []string{"exit 0", "exit 1", "exit 2", `test "$*" = "-db ` + database.URL + ` ./..." && exit 3`} {
		out, got := vuln(t, database.URL, govulncheck)
		if got != code {
			t.Errorf("govulncheck ends with %d, make vuln with %d: %s", code, got, out)
		}
		if strings.Contains(out, "NOTICE") {
			t.Errorf("a database that answers is called unreachable: %s", out)
		}
	}
}

// vuln runs what make vuln runs, with a script in the place of govulncheck, and
// returns what it printed and its exit code.
func vuln(t *testing.T, database, govulncheck string) (string, int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "govulncheck")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+govulncheck+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), ".ci/vuln", path, database)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1", "GITHUB_ACTIONS=false")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}
