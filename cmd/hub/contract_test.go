package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"eventhub/internal/hub"
)

const (
	contractOpenAPI  = "../../api/openapi.yaml"
	contractAsyncAPI = "../../api/asyncapi.yaml"
)

// contract holds real requests and answers to api/openapi.yaml, and remembers
// which of the documented answers it has met.
type contract struct {
	doc    *openapi3.T
	router routers.Router
	met    map[string]bool // "publish 201", "publish 400 invalid_name", "invalid_name"
}

func newContract(t *testing.T) *contract {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile(contractOpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = nil // it says "/", which is no part of the URLs of tests
	contractStrict(t, doc)
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	// curl -d sends JSON under this name, and that is what the document means.
	openapi3filter.RegisterBodyDecoder("application/x-www-form-urlencoded", openapi3filter.JSONBodyDecoder)
	for _, kind := range []string{"application/x-ndjson", "text/event-stream"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.PlainBodyDecoder)
	}
	return &contract{doc: doc, router: router, met: map[string]bool{}}
}

// contractStrict makes a field that the document does not know a fault. Clients
// have to ignore those, so the document itself leaves it open.
func contractStrict(t *testing.T, doc *openapi3.T) {
	t.Helper()
	closed := false
	err := doc.WalkSchemas(func(_ string, schema *openapi3.SchemaRef) error {
		if s := schema.Value; len(s.Properties) > 0 && s.AdditionalProperties.Schema == nil {
			s.AdditionalProperties.Has = &closed
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// fit is what the document is to say of a request.
type fit int

const (
	fits   fit = iota // it allows it
	breaks            // it refuses it, as the hub does
	beyond            // the hub refuses it for a reason that a schema cannot express, or is more lenient
)

// check holds a real request, and the answer to it, to the document.
func (c *contract) check(t *testing.T, want fit, answer response) {
	t.Helper()
	input := c.input(t, answer)
	c.met[input.Route.Operation.OperationID+" "+strconv.Itoa(answer.StatusCode)] = true
	if want != beyond {
		switch err := openapi3filter.ValidateRequest(t.Context(), input); {
		case want == fits && err != nil:
			t.Errorf("the document refuses a good request: %v", err)
		case want == breaks && err == nil:
			t.Error("the document allows a request that the hub refuses")
		}
	}
	if want == fits {
		c.lines(t, input)
	}
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: answer.StatusCode, Header: answer.Header, Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(t.Context(), output.SetBodyBytes(answer.body)); err != nil {
		t.Errorf("the answer is not as documented: %v", err)
	}
	kind, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case kind == "application/problem+json":
		c.problem(t, input.Route.Operation, answer)
	case answer.StatusCode == http.StatusMultiStatus:
		c.results(t, input.Route.Operation, answer)
	case answer.StatusCode >= 400 && answer.Request.URL.Path != "/readyz":
		t.Errorf("the answer is %q, want a problem", kind)
	}
}

// lines holds the lines of an NDJSON request to the schema that the description of
// its body names.
func (c *contract) lines(t *testing.T, input *openapi3filter.RequestValidationInput) {
	t.Helper()
	body := input.Route.Operation.RequestBody
	if body == nil || input.Request.Header.Get("Content-Type") != "application/x-ndjson" {
		return
	}
	schema := contractNamed(&body.Value.Content.Get("application/x-ndjson").Schema.Value.Description)[0]
	reader, err := input.Request.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			c.is(t, schema, line)
		}
	}
}

// is holds a JSON text to a schema of the document.
func (c *contract) is(t *testing.T, schema string, text []byte) {
	t.Helper()
	if err := contractVisit(c.doc.Components.Schemas[schema].Value, text); err != nil {
		t.Errorf("%s is no %s: %v", text, schema, err)
	}
}

func contractVisit(schema *openapi3.Schema, text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	return schema.VisitJSON(value, openapi3.EnableJSONSchema2020())
}

// input finds the operation that the document has for a request. Paths that it
// does not have get the answer that it gives to all of those.
func (c *contract) input(t *testing.T, answer response) *openapi3filter.RequestValidationInput {
	t.Helper()
	request := answer.Request.Clone(t.Context())
	if request.GetBody != nil {
		request.Body, _ = request.GetBody()
	}
	route, params, err := c.router.FindRoute(request)
	if err != nil && answer.StatusCode == http.StatusNotFound {
		route = &routers.Route{Spec: c.doc, Operation: &openapi3.Operation{Responses: openapi3.NewResponses(
			openapi3.WithStatus(http.StatusNotFound, &openapi3.ResponseRef{Value: c.doc.Components.Responses["Problem"].Value}),
		)}}
	} else if err != nil {
		t.Fatalf("%s %s: %v", answer.Request.Method, answer.Request.URL, err)
	}
	return &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route, Options: &openapi3filter.Options{
		IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, // most tests are of hubs that ask nobody who they are
	}}
}

// problem checks what a schema cannot say: that the fields agree with one
// another, and that the operation's description names the code.
func (c *contract) problem(t *testing.T, operation *openapi3.Operation, answer response) {
	t.Helper()
	got := contractProblem(t, answer)
	if got.Status != answer.StatusCode || got.Code.Status() != got.Status || got.Title != got.Code.Title() ||
		got.Type != "urn:eventhub:problem:"+string(got.Code) || got.RequestID != answer.Header.Get("X-Request-Id") {
		t.Errorf("the problem contradicts itself or its headers: %d %v %s", answer.StatusCode, answer.Header, answer.body)
	}
	c.met[string(got.Code)] = true
	documented := operation.Responses.Status(answer.StatusCode)
	if operation.OperationID == "" || documented == nil {
		return // no operation of its own, or said already
	}
	c.met[fmt.Sprint(operation.OperationID, " ", got.Status, " ", got.Code)] = true
	if !slices.Contains(contractNamed(contractDescription(documented)), string(got.Code)) {
		t.Errorf("%s: the document does not name %s among the codes of %d", operation.OperationID, got.Code, got.Status)
	}
}

// results remembers the codes of an answer's parts.
func (c *contract) results(t *testing.T, operation *openapi3.Operation, answer response) {
	t.Helper()
	var parts struct{ Results []struct{ Code hub.Code } }
	if err := json.Unmarshal(answer.body, &parts); err != nil {
		t.Fatalf("%v: %s", err, answer.body)
	}
	for _, part := range parts.Results {
		c.met[fmt.Sprint(operation.OperationID, " ", answer.StatusCode, " ", part.Code)] = true
	}
}

func contractDescription(documented *openapi3.ResponseRef) *string {
	if documented.Description != nil { // beside a $ref
		return documented.Description
	}
	return documented.Value.Description
}

// contractNamed are the words in code that a description has, the codes of
// problems among them.
func contractNamed(description *string) []string {
	var words []string
	for i, part := range strings.Split(*description, "`") {
		if i%2 == 1 {
			words = append(words, part)
		}
	}
	return words
}

// codes are those of all problems.
func (c *contract) codes() []string {
	var codes []string
	for _, value := range c.doc.Components.Schemas["Code"].Value.Enum {
		codes = append(codes, value.(string))
	}
	return codes
}

// contractFault is the body of a problem.
type contractFault struct {
	Type, Title, Detail string
	Status              int
	Code                hub.Code
	RequestID           string `json:"request_id"`
	Errors              []hub.Fault
}

func contractProblem(t *testing.T, answer response) contractFault {
	t.Helper()
	var fault contractFault
	if err := json.Unmarshal(answer.body, &fault); err != nil {
		t.Fatalf("%d with a body that is no problem: %s", answer.StatusCode, answer.body)
	}
	return fault
}

func TestDocumentsAreServedAsTheyAreInTheRepository(t *testing.T) {
	t.Parallel()
	h := startHub(t)
	for path, file := range map[string]string{"/openapi.yaml": contractOpenAPI, "/asyncapi.yaml": contractAsyncAPI} {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		answer := h.call("GET", path, "")
		if answer.StatusCode != http.StatusOK || len(want) == 0 || !bytes.Equal(answer.body, want) {
			t.Errorf("GET %s: %d with %d bytes, want the %d of %s", path, answer.StatusCode, len(answer.body), len(want), file)
		}
	}
}

func TestEveryErrorCodeIsDocumented(t *testing.T) {
	t.Parallel()
	documented, declared := newContract(t).codes(), contractCodes(t)
	slices.Sort(documented)
	slices.Sort(declared)
	if !slices.Equal(documented, declared) {
		t.Errorf("the document has the codes\n%q, the hub has\n%q", documented, declared)
	}
}

// contractCodes reads the constants of type Code from the source.
func contractCodes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/hub/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			for _, value := range spec.Values {
				code, err := strconv.Unquote(value.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				codes = append(codes, code)
			}
		}
		return true
	})
	return codes
}
