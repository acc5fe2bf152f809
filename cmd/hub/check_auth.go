package main

import (
	"strings"

	"eventhub/internal/auth"
)

// sources are where the hub knows from who may ask.
func (c *config) sources() auth.Options {
	return auth.Options{
		KeysFile: c.APIKeysFile, SecretFile: c.JWTSecretFile, PublicKeysFile: c.JWTKeysFile, JWKSURL: c.JWTJWKSURL,
		Issuer: c.JWTIssuer, Audience: c.JWTAudience,
	}
}

// believesTokens says that JSON Web Tokens are taken.
func (c *config) believesTokens() bool {
	return c.JWTSecretFile != "" || c.JWTKeysFile != "" || c.JWTJWKSURL != ""
}

// authenticates says that who asks must say who they are.
func (c *config) authenticates() bool { return c.APIKeysFile != "" || c.believesTokens() }

// settingOf is the setting of a field of auth.Options.
func settingOf(option string) string {
	switch option {
	case "KeysFile":
		return "HUB_API_KEYS_FILE"
	case "SecretFile":
		return "HUB_JWT_SECRET_FILE"
	case "PublicKeysFile":
		return "HUB_JWT_KEYS_FILE"
	}
	return "HUB_JWT_JWKS_URL"
}

// authentication checks the files as they are now; what they hold is read again.
func (c *checker) authentication() {
	for _, fault := range auth.Check(c.cfg.sources()) {
		c.fault(settingOf(fault.Option), fault.Want)
	}
	const sources = "HUB_JWT_SECRET_FILE, HUB_JWT_KEYS_FILE or HUB_JWT_JWKS_URL"
	switch cfg := c.cfg; {
	case cfg.believesTokens() && cfg.JWTIssuer == "":
		c.fault("HUB_JWT_ISSUER", "want what the claim iss of tokens must be, as "+sources+" is set")
	case !cfg.believesTokens() && cfg.JWTIssuer != "":
		c.fault("HUB_JWT_ISSUER", "want what its tokens are checked by, too: "+sources)
	case !cfg.believesTokens() && c.vars["HUB_JWT_AUDIENCE"] != "":
		c.fault("HUB_JWT_AUDIENCE", "want what tokens are checked by, too: "+sources)
	}
	if c.cfg.AllowAnonymous && c.cfg.authenticates() {
		c.fault("HUB_ALLOW_ANONYMOUS", "want false, or neither HUB_API_KEYS_FILE nor HUB_JWT_…: with keys or tokens set, who shows none may do nothing")
	}
}

// mayBeSecret says that a setting which takes the path of a secret, or a URL, may have
// been given the secret itself.
func mayBeSecret(name, value string) bool {
	switch name {
	case "HUB_JWT_SECRET_FILE":
		return true
	case "HUB_API_KEYS_FILE", "HUB_JWT_KEYS_FILE":
		return strings.HasPrefix(value, "hub_") || strings.ContainsAny(value, "{\n") || strings.Count(value, ".") == 2 && !strings.Contains(value, "/")
	case "HUB_JWT_JWKS_URL":
		return strings.ContainsAny(value, "@?")
	}
	return false
}
