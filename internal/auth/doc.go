// Package auth says who a client is and what it may do: principals by API keys and
// JSON Web Tokens, their permissions, and the limits of each. It knows neither the hub's
// requests nor Redis; the edges ask it, and pass its scopes on to the engine.
//
// An API key is found by its hash in a file. A JSON Web Token is taken when its claims
// are what they must be (iss, aud, exp, nbf, sub) and a key that is for its algorithm has
// signed it: the secret of a file for HS256, the public keys of a PEM file or of the
// issuer (JWKS) for the others. Which key that may be the hub says, not the token: what
// its header says of keys (jwk, jku, x5c) is not looked at.
//
// Invariants:
//   - A principal may do nothing that no permission of its own allows.
//   - A Principal never changes. One whose key was taken away or changed has ended, and
//     so has one whose token has expired: who serves it for longer looks.
//   - Files and issuers that are not good change nothing: the keys from before stay.
//   - No secret is in an error, a log line or a metric, nor is any part of a token.
//   - The issuer is asked at most once per 10 s, whatever tokens come.
//
// Goroutines: Authenticator.Run has one for each file that it follows, one for the
// issuer's keys and one that forgets idle accounts, and waits for them.
package auth
