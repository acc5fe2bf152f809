package hub_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"eventhub/internal/hub"
)

// declaredCodes reads the constants of type Code from the source, so that none
// can be forgotten.
func declaredCodes(t *testing.T) map[string]hub.Code {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]hub.Code{}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			if kind, ok := constant.Type.(*ast.Ident); !ok || kind.Name != "Code" {
				continue
			}
			text, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes[constant.Names[0].Name] = hub.Code(text)
		}
	}
	if len(codes) < 10 {
		t.Fatalf("only %d codes were found in errors.go: has it moved?", len(codes))
	}
	return codes
}

func TestEveryCodeHasAStatusAndATitle(t *testing.T) {
	t.Parallel()
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	used := map[hub.Code]string{}
	titles := map[string]hub.Code{}
	for name, code := range declaredCodes(t) {
		if other, ok := used[code]; ok {
			t.Errorf("%s and %s are both %q", name, other, code)
		}
		used[code] = name
		if other, ok := titles[code.Title()]; ok || code.Title() == "" {
			t.Errorf("%s and %s have the title %q: one has no row in the table", code, other, code.Title())
		}
		titles[code.Title()] = code
		if !form.MatchString(string(code)) {
			t.Errorf("%q is not in snake case", code)
		}
		// 4000 + the status must be a close code that applications may use.
		if status := code.Status(); status < 400 || status > 599 || http.StatusText(status) == "" {
			t.Errorf("%s has the status %d", code, status)
		}
	}
}

func TestUnknownCodeIsInternal(t *testing.T) {
	t.Parallel()
	code := hub.Code("no_such_code")
	if code.Status() != http.StatusInternalServerError || code.Title() != hub.CodeInternal.Title() {
		t.Errorf("it has the status %d and the title %q", code.Status(), code.Title())
	}
}

func TestUnknownErrorTellsTheClientNothing(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial 10.0.0.7: password hunter2")
	e := hub.AsError(secret)
	if e.Code != hub.CodeInternal || strings.Contains(e.Detail, "hunter2") || !errors.Is(e, secret) {
		t.Errorf("it became %+v, want %s that only wraps its cause", e, hub.CodeInternal)
	}
}

func TestKnownErrorIsFoundInAWrappedOne(t *testing.T) {
	t.Parallel()
	known := hub.Errorf(hub.CodeConflict, "ack_wait: %s", "30s")
	if got := hub.AsError(fmt.Errorf("connecting: %w", known)); got != known {
		t.Errorf("it became %+v", got)
	}
	if got, want := known.Error(), "conflict: ack_wait: 30s"; got != want {
		t.Errorf("its text is %q, want %q", got, want)
	}
	caused := &hub.Error{Code: hub.CodeUnavailable, Detail: "publishing", Err: errors.New("EOF")}
	if got, want := caused.Error(), "unavailable: publishing: EOF"; got != want {
		t.Errorf("its text is %q, want %q", got, want)
	}
}
