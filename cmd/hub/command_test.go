package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"

	"eventhub/internal/auth"
)

// command runs `hub` with arguments that do not serve.
func command(t *testing.T, environ []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, log strings.Builder
	err = run(t.Context(), append([]string{"hub"}, args...), environ, &out, &log)
	return out.String(), log.String(), err
}

func TestWrongCommandLinesExitWith2(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"serve": "hub takes no such arguments", "--port 80": "unknown flag: --port", "version": "hub takes", "key": "wants one of its commands",
		"key old": "wants one of its commands", "key new shop": "takes no such arguments", "key new --id a/b": "--id: want", "token": "--subject: want",
		"token --subject a --ttl 1": "invalid argument", "token --subject a --ttl 0s": "--ttl: want", "token --subject a --hub x": "--hub: it cannot be read as JSON",
		"token --subject a --hub {} --hub-file x": "want one of them", "token --subject a --hub-file /nowhere": "--hub-file: want a readable file: no such file",
		`token --subject a --hub {"permission":[]}`: `the field "permission", which there is not`,
	} {
		stdout, _, err := command(t, nil, strings.Fields(line)...)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hub --help") || exitCode(err) != 2 || stdout != "" {
			t.Errorf("hub %s: %v (exit code %d), printed %q", line, err, exitCode(err), stdout)
		}
	}
	if _, _, err := command(t, nil, "token", "--subject", "a"); err == nil || exitCode(err) != 2 || !strings.Contains(err.Error(), "HUB_JWT_SECRET_FILE") {
		t.Errorf("a token without a secret: %v", err)
	}
	if _, _, err := command(t, nil, "hunter2"); strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what may be a secret is printed: %v", err)
	}
}

func TestVersionAndHelpAreCommands(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"--version": "hub " + version() + "\n", "--help": usageHead, "-h": usageHead, "help": usageHead, "token --help": "hub token --subject name", "key new --help": "HUB_API_KEYS_FILE",
	} {
		stdout, stderr, err := command(t, nil, strings.Fields(line)...)
		if err != nil || stderr != "" || !strings.Contains(stdout, want) {
			t.Errorf("hub %s: %v, printed %q and %q", line, err, stdout, stderr)
		}
	}
	if stdout, _, _ := command(t, nil, "--version"); stdout != "hub "+version()+"\n" {
		t.Errorf("the version is printed as %q", stdout)
	}
}

func TestNewKeyWorksWithTheEntryThatIsPrintedWithIt(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := command(t, nil, "key", "new", "--id", "shop")
	key := regexp.MustCompile(`hub_[A-Za-z0-9_-]{43}`).FindString(stdout)
	if err != nil || stderr != "" || key == "" || strings.Count(stdout, key) != 1 {
		t.Fatalf("%v, printed %q and %q", err, stdout, stderr)
	}
	if sum := sha256.Sum256([]byte(key)); !strings.Contains(stdout, hex.EncodeToString(sum[:])) {
		t.Errorf("its hash is not in %s", stdout)
	}
	a, err := auth.Open(auth.Options{KeysFile: writeFile(t, strings.ReplaceAll(stdout, key, "…"))})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(t.Context(), key); err != nil || p.ID() != "key:shop" || p.May(auth.Publish, auth.Stream, "example") != nil {
		t.Errorf("the key is that of %s, %v", p.ID(), err)
	}
}

// Who copies the file and forgets the hash must not have a key that all who read it know.
func TestKeysOfTheReadmeAreGoodOnceTheirHashIsThere(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "```yaml\nkeys:\n")
	text, _, found := strings.Cut("keys:\n"+text, "```")
	if _, err := auth.Open(auth.Options{KeysFile: writeFile(t, text)}); !found || err == nil || !strings.Contains(err.Error(), "keys/0 (shop): hash: want") {
		t.Errorf("without a hash of one's own the keys of README.md are taken: %v", err)
	}
	key, hash := auth.NewKey()
	a, err := auth.Open(auth.Options{KeysFile: writeFile(t, strings.Replace(text, "hash: …", "hash: "+hash, 1))})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := a.Authenticate(t.Context(), key); err != nil || p.May(auth.Publish, auth.Stream, "orders") != nil || p.MaySink(auth.Consume, "billing", "orders") != nil {
		t.Errorf("the key is that of %s, %v", p.ID(), err)
	}
}

func TestTokensForDevelopmentAreTakenByAHubOfTheSameSettings(t *testing.T) {
	t.Parallel()
	secretFile := writeFile(t, strings.Repeat("s", 32)+"\n")
	environ := []string{"HUB_JWT_SECRET_FILE=" + secretFile, "HUB_JWT_ISSUER=dev"}
	const grant = `{"permissions":[{"allow":["read"],"streams":["orders"]}],"limits":{"connections":3}}`
	cfg, _, err := loadConfig(environ)
	if err != nil {
		t.Fatal(err)
	}
	a, err := auth.Open(cfg.sources())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--hub", grant}, {"--hub-file", writeFile(t, grant), "--ttl", "10m"}} {
		stdout, stderr, err := command(t, environ, append([]string{"token", "--subject", "ann"}, args...)...)
		if err != nil || stderr != "" {
			t.Fatalf("%v, %s", err, stderr)
		}
		p, err := a.Authenticate(t.Context(), strings.TrimSpace(stdout))
		if err != nil || p.ID() != "jwt:ann" || p.May(auth.Read, auth.Stream, "orders") != nil || p.Expires().IsZero() {
			t.Errorf("the token is that of %s until %s, %v", p.ID(), p.Expires(), err)
		}
	}
}
