// Package auth says who a client is and what it may do: principals by API keys and
// JSON Web Tokens, their permissions, and the limits of each. It knows neither HTTP
// requests nor Redis; the edges ask it, and pass its scopes on to the engine.
//
// Invariants:
//   - A principal may do nothing that no permission of its own allows.
//   - A Principal never changes. One whose key was taken away or changed has ended, and
//     so has one whose token has expired: who serves it for longer looks.
//   - No secret is in an error, a log line or a metric.
package auth
