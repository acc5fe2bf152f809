package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwt"

	"eventhub/internal/hub"
)

// leeway is how far the clocks of an issuer and of this hub may be apart.
const leeway = 60 * time.Second

// maxToken bounds a token: one with 64 permissions has some KiB, and proxies let 8 KiB of
// header pass.
const maxToken = 32 << 10

// farthest bounds when a token expires: later times have no RFC 3339.
var farthest = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)

// jsonToken is a JSON Web Token (RFC 7519) of which no more is believed than was checked.
type jsonToken struct {
	text       string
	alg, keyID string
	claims     jwt.Token
}

// refusal is why a token is not taken.
type refusal struct {
	why    reason
	detail string
}

// parseToken reads a token, and checks nothing but its form.
func parseToken(text string) (*jsonToken, *refusal) {
	wrong := &refusal{malformed, "the token is no JSON Web Token that can be read"}
	parts := strings.SplitN(text, ".", 4)
	if len(parts) != 3 {
		return nil, wrong
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
	}
	if !decodePart(parts[0], &header) || len(header.Kid) > 1024 {
		return nil, wrong
	}
	t := &jsonToken{text: text, alg: header.Alg, keyID: header.Kid, claims: jwt.New()}
	if !decodePart(parts[1], t.claims) {
		return nil, wrong
	}
	return t, nil
}

func decodePart(part string, v any) bool {
	text, err := base64.RawURLEncoding.Strict().DecodeString(part)
	return err == nil && len(text) > 0 && text[0] == '{' && json.Unmarshal(text, v) == nil
}

// check says whether the claims would do, were they signed by a key that may.
func (t *jsonToken) check(issuer, audience string) *refusal {
	if t.alg != symmetric && !slices.Contains(asymmetric[:], t.alg) {
		return &refusal{wrongAlg, "the algorithm of the token is not one that this hub takes: HS256, RS, PS, ES or EdDSA"}
	}
	err := jwt.Validate(t.claims, jwt.WithRequiredClaim(jwt.ExpirationKey), jwt.WithRequiredClaim(jwt.SubjectKey), jwt.WithIssuer(issuer),
		jwt.WithAudience(audience), jwt.WithAcceptableSkew(leeway))
	switch {
	case err == nil:
	case errors.Is(err, jwt.TokenExpiredError()):
		return &refusal{expired, "the token has expired"}
	case errors.Is(err, jwt.TokenNotYetValidError()), errors.Is(err, jwt.InvalidIssuedAtError()):
		return &refusal{notYet, "the token is not valid yet, by its claim nbf or iat"}
	case errors.Is(err, jwt.InvalidIssuerError()):
		return &refusal{wrongIssuer, "the claim iss of the token is not the issuer that this hub asks for (HUB_JWT_ISSUER)"}
	case errors.Is(err, jwt.InvalidAudienceError()):
		return &refusal{wrongAudience, "the claim aud of the token has not the audience that this hub asks for (HUB_JWT_AUDIENCE)"}
	default:
		return &refusal{wrongClaims, "the token lacks a claim: sub and exp are needed"}
	}
	if subject, _ := t.claims.Subject(); subject == "" || hub.CheckLabel("sub", subject) != nil {
		return &refusal{wrongClaims, "the claim sub of the token must be 1 to 256 bytes without control characters"}
	}
	if t.expires().After(farthest) {
		return &refusal{wrongClaims, "the claim exp of the token is beyond the year 9999"}
	}
	return nil
}

func (t *jsonToken) expires() time.Time {
	at, _ := t.claims.Expiration()
	return at
}

// grant is the claim "hub", as JSON; without one nothing is granted.
func (t *jsonToken) grant() (Grant, []rule, json.RawMessage, *refusal) {
	var value any
	if !t.claims.Has("hub") {
		return Grant{}, nil, nil, nil
	}
	if err := t.claims.Get("hub", &value); err != nil || value == nil {
		return Grant{}, nil, nil, &refusal{wrongClaims, "the claim hub of the token must be an object with permissions and limits"}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return Grant{}, nil, nil, &refusal{wrongClaims, "the claim hub of the token cannot be read"}
	}
	g, rules, err := parseGrant(text)
	if err != nil {
		return Grant{}, nil, nil, &refusal{wrongClaims, "the claim hub of the token: " + err.Error()}
	}
	return g, rules, text, nil
}
