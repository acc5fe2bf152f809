package auth

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// Claims are what a token for development says.
type Claims struct {
	Issuer, Audience, Subject string
	TTL                       time.Duration
	Hub                       json.RawMessage // the claim hub; nil: none, which grants nothing
}

// Sign makes a JSON Web Token, signed by HS256.
func Sign(secret []byte, c Claims) (string, error) {
	now := time.Now()
	builder := jwt.NewBuilder().Issuer(c.Issuer).Audience([]string{c.Audience}).Subject(c.Subject).IssuedAt(now).Expiration(now.Add(c.TTL))
	if c.Hub != nil {
		builder = builder.Claim("hub", c.Hub)
	}
	claims, err := builder.Build()
	if err != nil {
		return "", fmt.Errorf("making the claims: %w", err)
	}
	token, err := jwt.Sign(claims, jwt.WithKey(jwa.HS256(), secret))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return string(token), nil
}
