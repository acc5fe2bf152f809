package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const repository = "../.."

func TestTheBillIsOfWhatTheHubIsMadeOf(t *testing.T) {
	hub := build(t)
	bom := bill(t, hub, "-version", "1.2.3")
	var listed []string
	for _, c := range *bom.Components {
		if c.PackageURL != "pkg:golang/"+c.Name+"@"+strings.TrimPrefix(c.Version, "go") {
			t.Errorf("%s %s has the purl %s", c.Name, c.Version, c.PackageURL)
		}
		if c.Name == "std" {
			continue
		}
		if c.Hashes == nil || len(*c.Hashes) != 1 || len((*c.Hashes)[0].Value) != sha256.Size*2 {
			t.Errorf("%s has the hashes %v, want one of SHA-256", c.Name, c.Hashes)
		}
		listed = append(listed, c.Name+" "+c.Version)
	}
	// The go command's view, which knows nothing of the binary.
	const modules = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}`
	var linked []string
	for line := range strings.Lines(goTool(t, "list", "-deps", "-f", modules, "./cmd/hub")) {
		if line = strings.TrimSpace(line); line != "" {
			linked = append(linked, line)
		}
	}
	slices.Sort(listed)
	slices.Sort(linked)
	linked = slices.Compact(linked)
	if len(linked) == 0 || !slices.Equal(listed, linked) {
		t.Errorf("listed:\n%q\nlinked:\n%q", listed, linked)
	}
}

func TestTheBillNamesTheGoRelease(t *testing.T) {
	want := strings.TrimSpace(goTool(t, "env", "GOVERSION"))
	for _, c := range *bill(t, build(t)).Components {
		if c.Name == "std" {
			if c.Version != want {
				t.Errorf("built by %s, want %s", c.Version, want)
			}
			return
		}
	}
	t.Error("no standard library")
}

func TestTheBillIsOfThisBinary(t *testing.T) {
	hub := build(t)
	content, err := os.ReadFile(hub)
	if err != nil {
		t.Fatal(err)
	}
	c := bill(t, hub, "-version", "1.2.3").Metadata.Component
	if c.Name != "eventhub" || c.Version != "1.2.3" || c.Type != cdx.ComponentTypeApplication {
		t.Errorf("it is of %s %s %s", c.Type, c.Name, c.Version)
	}
	sum := sha256.Sum256(content)
	if c.Hashes == nil || (*c.Hashes)[0].Value != hex.EncodeToString(sum[:]) {
		t.Errorf("hashes: %v, want %x", c.Hashes, sum)
	}
}

func TestTheSameBinaryHasTheSameBill(t *testing.T) {
	hub := build(t)
	if first, second := write(t, hub), write(t, hub); !bytes.Equal(first, second) {
		t.Errorf("first:\n%s\nthen:\n%s", first, second)
	}
}

func TestWhatIsNoGoBinaryIsRefused(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"main.go"}, &out, &out); err == nil || out.Len() != 0 {
		t.Errorf("%v, and it wrote %q", err, out.String())
	}
}

// build builds the hub as `make sbom` does, save for its version.
func build(t *testing.T) string {
	t.Helper()
	hub := filepath.Join(t.TempDir(), "hub")
	goTool(t, "build", "-trimpath", "-o", hub, "./cmd/hub")
	return hub
}

func bill(t *testing.T, binary string, flags ...string) *cdx.BOM {
	t.Helper()
	bom := &cdx.BOM{}
	if err := json.Unmarshal(write(t, binary, flags...), bom); err != nil {
		t.Fatal(err)
	}
	return bom
}

func write(t *testing.T, binary string, flags ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := run(append(flags, binary), &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// goTool runs the go command in the repository's root module and returns what
// it printed.
func goTool(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
