package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
)

// usageError is a wrong command line.
type usageError struct{ err error }

func (e *usageError) Error() string {
	return e.err.Error() + "; hub --help lists the commands and the settings, which are environment variables"
}

func (e *usageError) Unwrap() error { return e.err }

// run is the whole program: it serves until ctx ends, and returns when all is
// closed; or it does what another command says. What is wrong with the command line is a
// *usageError.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) error {
	began := false // a command, so that the command line was right
	root := newCommand(environ, stdout, stderr)
	root.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if err != nil && !began {
		return &usageError{err}
	}
	return err
}

// newCommand is `hub` with the commands below it. They read their settings from environ.
func newCommand(environ []string, stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "hub", Version: version(), Args: noArgs, SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, warnings, err := loadConfig(environ)
			if err != nil {
				return err
			}
			log, level := newLog(cfg, stderr)
			for _, warning := range warnings {
				log.Warn("the environment has a setting that means nothing", slog.String("warning", warning))
			}
			return serve(cmd.Context(), cfg, log, level, stdout)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetVersionTemplate("hub {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	ofCommands := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		if cmd == root {
			usage(stdout)
			return
		}
		ofCommands(cmd, args)
	})
	root.AddCommand(newKeyCommand(stdout), newTokenCommand(environ, stdout), newDoctorCommand(environ, stdout))
	return root
}

// noArgs repeats nothing of the command line, where somebody may have put a secret.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no such arguments", cmd.CommandPath())
	}
	return nil
}

// group is a command that only has others below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, _ []string) error {
		return errors.New(cmd.CommandPath() + " wants one of its commands")
	}, Run: func(*cobra.Command, []string) {}}
	cmd.AddCommand(commands...)
	return cmd
}
