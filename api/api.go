// Package api holds the wire contract in its formal shape, as part of the
// program: every hub serves the description of itself.
package api

import _ "embed"

// OpenAPI describes the REST endpoints (OpenAPI 3.1), AsyncAPI the WebSocket
// frames (AsyncAPI 3.0).
var (
	//go:embed openapi.yaml
	OpenAPI []byte
	//go:embed asyncapi.yaml
	AsyncAPI []byte
)
