package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/subrequests/lint"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestBuildKitFindsNoFault(t *testing.T) {
	results := check(t, source(t))
	if results.Error != nil {
		t.Errorf("the build would fail: %s", results.Error.Message)
	}
	for _, w := range results.Warnings {
		t.Errorf("%s: %s", w.RuleName, w.Detail)
	}
}

func TestBuildKitFindsAFault(t *testing.T) {
	results := check(t, []byte("FROM scratch\nCOPY $MISSING /hub\nENTRYPOINT /hub\n"))
	var rules []string
	for _, w := range results.Warnings {
		rules = append(rules, w.RuleName)
	}
	for _, want := range []string{"UndefinedVar", "JSONArgsRecommended"} {
		if !slices.Contains(rules, want) {
			t.Errorf("rules broken: %v, want %s among them", rules, want)
		}
	}
}

func TestTheBinaryIsStaticAndCrossCompiled(t *testing.T) {
	build := parse(t).stages[0]
	if build.Platform != "$BUILDPLATFORM" {
		t.Errorf("the compiler runs on %q, want $BUILDPLATFORM", build.Platform)
	}
	for _, run := range commands[*instructions.RunCommand](build) {
		command := strings.Join(run.CmdLine, " ")
		if !strings.Contains(command, "go build") {
			continue
		}
		for _, want := range []string{"CGO_ENABLED=0", "GOOS=$TARGETOS", "GOARCH=$TARGETARCH", "-trimpath", `-ldflags "-s -w -X main.release=${VERSION}"`} {
			if !strings.Contains(command, want) {
				t.Errorf("%q lacks %s", command, want)
			}
		}
		// The mounts of a RUN are read when its words are expanded.
		if err := run.Expand(func(word string) (string, error) { return word, nil }); err != nil {
			t.Fatal(err)
		}
		var caches []string
		for _, m := range instructions.GetMounts(run) {
			caches = append(caches, m.Target)
		}
		if !slices.Contains(caches, "/go/pkg/mod") || !slices.Contains(caches, "/root/.cache/go-build") {
			t.Errorf("mounts: %v, want the module and the build cache", caches)
		}
		return
	}
	t.Error("no go build")
}

func TestTheCompilerIsTheOneOfGoMod(t *testing.T) {
	version := strings.TrimSpace(goTool(t, "list", "-m", "-f", "{{.GoVersion}}"))
	parts := strings.SplitN(version, ".", 3)
	want := "golang:" + parts[0] + "." + parts[1] // patch releases are taken as they come
	d := parse(t)
	base := strings.ReplaceAll(d.stages[0].BaseName, "${GO_VERSION}", d.args["GO_VERSION"])
	if base != want && !strings.HasPrefix(base, want+"-") {
		t.Errorf("built by %s, go.mod wants %s", base, want)
	}
}

func TestTheImageHoldsOnlyTheHub(t *testing.T) {
	final := parse(t).final()
	if final.BaseName != "gcr.io/distroless/static-debian12:nonroot" {
		t.Errorf("based on %s", final.BaseName)
	}
	copies := commands[*instructions.CopyCommand](final)
	if len(copies) != 1 || copies[0].From == "" || copies[0].DestPath != "/hub" {
		t.Errorf("copies: %+v, want the hub from the build stage", copies)
	}
	if n := len(commands[*instructions.RunCommand](final)); n != 0 {
		t.Errorf("%d RUN in an image without a shell", n)
	}
}

func TestTheImageNeedsNoShell(t *testing.T) {
	final := parse(t).final()
	if n := len(commands[*instructions.HealthCheckCommand](final)); n != 0 {
		t.Errorf("%d HEALTHCHECK; orchestrators ask /livez and /readyz", n)
	}
	entries := commands[*instructions.EntrypointCommand](final)
	if len(entries) != 1 || entries[0].PrependShell || !slices.Equal(entries[0].CmdLine, []string{"/hub"}) {
		t.Errorf("entrypoints: %+v, want [\"/hub\"]", entries)
	}
	for _, c := range commands[*instructions.CmdCommand](final) {
		if c.PrependShell {
			t.Errorf("CMD %v in shell form", c.CmdLine)
		}
	}
}

func TestTheImagesUserIsTheDeployments(t *testing.T) {
	users := commands[*instructions.UserCommand](parse(t).final())
	if len(users) != 1 {
		t.Fatalf("%d USER, want 1", len(users))
	}
	user := users[0].User
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(user) {
		t.Errorf("USER %s: want numbers, and not root", user)
	}
	s := hubPod(t, base(t)).SecurityContext
	if want := strconv.FormatInt(*s.RunAsUser, 10) + ":" + strconv.FormatInt(*s.RunAsGroup, 10); user != want {
		t.Errorf("USER %s, the Deployment runs as %s", user, want)
	}
}

func TestTheImageListensOnItsPort(t *testing.T) {
	final := parse(t).final()
	exposed := commands[*instructions.ExposeCommand](final)
	if len(exposed) != 1 || !slices.Equal(exposed[0].Ports, []string{"8080"}) {
		t.Errorf("exposed: %+v, want 8080", exposed)
	}
	envs := commands[*instructions.EnvCommand](final)
	if len(envs) != 1 || len(envs[0].Env) != 1 || envs[0].Env[0].String() != "HUB_ADDR=:8080" {
		t.Errorf("environment: %+v, want HUB_ADDR=:8080", envs)
	}
}

func TestTheImageSaysWhatItIs(t *testing.T) {
	var keys []string
	for _, l := range commands[*instructions.LabelCommand](parse(t).final()) {
		for _, pair := range l.Labels {
			keys = append(keys, pair.Key)
		}
	}
	for _, want := range []string{"title", "description", "licenses", "version", "revision"} {
		if !slices.Contains(keys, "org.opencontainers.image."+want) {
			t.Errorf("labels %v lack %s", keys, want)
		}
	}
}

// dockerfile is the parsed Dockerfile.
type dockerfile struct {
	stages []instructions.Stage
	args   map[string]string // the defaults of the ARGs before the first stage
}

func (d dockerfile) final() instructions.Stage { return d.stages[len(d.stages)-1] }

func source(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(repository + "/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func parse(t *testing.T) dockerfile {
	t.Helper()
	tree, err := parser.Parse(bytes.NewReader(source(t)))
	if err != nil {
		t.Fatal(err)
	}
	stages, global, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	d := dockerfile{stages: stages, args: make(map[string]string)}
	for _, command := range global {
		for _, arg := range command.Args {
			d.args[arg.Key] = arg.ValueString()
		}
	}
	return d
}

// commands returns a stage's commands of one type.
func commands[T instructions.Command](s instructions.Stage) []T {
	var found []T
	for _, c := range s.Commands {
		if c, ok := c.(T); ok {
			found = append(found, c)
		}
	}
	return found
}

// check runs all that `docker build --check` runs.
func check(t *testing.T, text []byte) *lint.LintResults {
	t.Helper()
	origin := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	origin.Definition = &llb.Definition{} // the check reads it, though no build gave it
	results, err := dockerfile2llb.DockerfileLint(t.Context(), text, dockerfile2llb.ConvertOpt{
		SourceMap:      origin,
		TargetPlatform: &platform,
		MetaResolver:   registry{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

var platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}

// registry answers for every image, so that the check stays offline.
type registry struct{}

func (registry) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: platform})
	return ref, digest.FromBytes(config), config, err
}
