package http_test

import (
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
)

func TestX(t *testing.T) {
	_ = openapi3.NewLoader
	_ = openapi3filter.ValidateRequest
	_ = legacy.NewRouter
}
