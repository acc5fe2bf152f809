package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"eventhub/internal/auth"
	"eventhub/internal/follow"
	"eventhub/internal/hub"
)

// maxTTL bounds the tokens that `hub token` makes.
const maxTTL = 10 * 365 * 24 * time.Hour

// tokenFlags is what `hub token` is asked for.
type tokenFlags struct {
	subject, grant, file string
	ttl                  time.Duration
}

func newTokenCommand(environ []string, stdout io.Writer) *cobra.Command {
	var flags tokenFlags
	cmd := &cobra.Command{
		Use: "token --subject name", Short: "sign a JSON Web Token for development", Args: noArgs,
		Long: "Signs a JSON Web Token by HS256 with the secret of HUB_JWT_SECRET_FILE, for the issuer of\n" +
			"HUB_JWT_ISSUER and the audience of HUB_JWT_AUDIENCE, and prints it. What it may do is its claim\n" +
			`hub, as a key has it: {"permissions":[{"allow":["publish"],"streams":["orders"]}]}`,
		RunE: func(*cobra.Command, []string) error { return flags.print(environ, stdout) },
	}
	cmd.Flags().StringVar(&flags.subject, "subject", "", "whose token it is, the claim sub")
	cmd.Flags().DurationVar(&flags.ttl, "ttl", time.Hour, "how long it is good, 1s to 10 years")
	cmd.Flags().StringVar(&flags.grant, "hub", "", "the claim hub, as JSON; none: it may do nothing")
	cmd.Flags().StringVar(&flags.file, "hub-file", "", "file with the claim hub, in place of --hub")
	return cmd
}

func (f *tokenFlags) print(environ []string, stdout io.Writer) error {
	if err := hub.CheckLabel("--subject", f.subject); err != nil || f.subject == "" {
		return &usageError{errors.New("--subject: want 1 to 256 bytes without control characters")}
	}
	if f.ttl < time.Second || f.ttl > maxTTL {
		return &usageError{fmt.Errorf("--ttl: want a duration from 1s to %s, such as 1h", maxTTL)}
	}
	claim, err := f.claim()
	if err != nil {
		return &usageError{err}
	}
	cfg, _, err := loadConfig(environ)
	if err != nil {
		return err
	}
	if cfg.JWTSecretFile == "" {
		return &configError{[]string{"HUB_JWT_SECRET_FILE=\"\": want the file with the secret to sign with, at least 32 bytes; and HUB_JWT_ISSUER"}}
	}
	secret, err := auth.ReadSecret(cfg.JWTSecretFile)
	if err != nil {
		return fmt.Errorf("HUB_JWT_SECRET_FILE: %w", err)
	}
	token, err := auth.Sign(secret, auth.Claims{Issuer: cfg.JWTIssuer, Audience: cfg.JWTAudience, Subject: f.subject, TTL: f.ttl, Hub: claim})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, token)
	return err
}

// claim is nil where none is asked for.
func (f *tokenFlags) claim() (json.RawMessage, error) {
	name, text := "--hub", []byte(f.grant)
	if f.file != "" && f.grant != "" {
		return nil, errors.New("--hub, --hub-file: want one of them, not both")
	}
	if f.file != "" {
		name = "--hub-file"
		var err error
		if text, err = follow.Read(f.file); err != nil {
			return nil, fmt.Errorf("%s: want a readable file: %w", name, err)
		}
	}
	if len(text) == 0 {
		return nil, nil
	}
	if _, err := auth.ParseGrant(text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}
