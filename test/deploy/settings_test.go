package deploy_test

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// TestEverySettingExists guards against a setting that is renamed in the code
// and lives on here, where the hub would ignore it.
func TestEverySettingExists(t *testing.T) {
	help := goTool(t, "run", "./cmd/hub", "--help")
	known := regexp.MustCompile(`\bHUB_[A-Z0-9_]+\b`).FindAllString(help, -1)
	for name, where := range used(t) {
		if !slices.Contains(known, name) {
			t.Errorf("%s, set by the %s, is not among the settings that hub --help prints", name, where)
		}
	}
}

// used returns the hub's settings that the manifests and the image set, with
// where one of them is set.
func used(t *testing.T) map[string]string {
	names := make(map[string]string)
	add := func(name, where string) {
		if strings.HasPrefix(name, "HUB_") {
			names[name] = where
		}
	}
	for where, render := range renderings {
		all := render(t)
		for name := range settings(t, all) {
			add(name, where+"'s ConfigMap")
		}
		for name := range env(hub(t, all)) {
			add(name, where+"'s Deployment")
		}
	}
	for _, e := range commands[*instructions.EnvCommand](parse(t).final()) {
		for _, pair := range e.Env {
			add(pair.Key, "Dockerfile")
		}
	}
	return names
}

// goTool runs the go command in the repository's root module and returns what
// it printed.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // a cold build on a small machine
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = repository
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
