package http_test

import (
	"log/slog"
	nethttp "net/http"
	"slices"
	"testing"

	"eventhub/internal/auth"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"eventhub/api"
	"eventhub/internal/http"
)

// document reads api/openapi.yaml, and holds it to OpenAPI 3.1.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if !doc.IsOpenAPI31OrLater() {
		t.Errorf("it is OpenAPI %s, want 3.1", doc.OpenAPI)
	}
	if err := doc.Validate(loader.Context); err != nil {
		t.Error(err)
	}
	return doc
}

// operations is what the document describes, as "GET /livez".
func operations(t *testing.T) []string {
	t.Helper()
	var list []string
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			list = append(list, method+" "+path)
		}
	}
	return list
}

// routes is what the router serves when everything is served, in the same form.
func routes(t *testing.T) []string {
	t.Helper()
	socket := func(nethttp.ResponseWriter, *nethttp.Request, *auth.Principal) error { return nil }
	server := http.NewServer(http.Options{Sink: socket, Reader: socket, Broadcast: socket, Admin: &http.Admin{Metrics: nethttp.NotFoundHandler(), Level: new(slog.LevelVar)}})
	router, ok := server.Handler().(chi.Routes)
	if !ok {
		t.Fatalf("the handler is a %T, whose routes cannot be walked", server.Handler())
	}
	var list []string
	err := chi.Walk(router, func(method, route string, _ nethttp.Handler, _ ...func(nethttp.Handler) nethttp.Handler) error {
		list = append(list, method+" "+route)
		return nil
	})
	if err != nil || len(list) == 0 {
		t.Fatalf("walking the routes: %v, found %d", err, len(list))
	}
	return list
}

func TestEveryRouteIsDocumented(t *testing.T) {
	t.Parallel()
	documented := operations(t)
	const profiles = "GET /debug/pprof/*" // are Go's, not the API's
	for _, route := range routes(t) {
		if route != profiles && !slices.Contains(documented, route) {
			t.Errorf("api/openapi.yaml does not describe %s", route)
		}
	}
}

func TestEveryDocumentedOperationIsRouted(t *testing.T) {
	t.Parallel()
	routed := routes(t)
	for _, operation := range operations(t) {
		if !slices.Contains(routed, operation) {
			t.Errorf("api/openapi.yaml describes %s, which the router does not have", operation)
		}
	}
}
