package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventhub/internal/broker"
)

// errUnfit says that a doctor has found faults, which are printed.
var errUnfit = errors.New("a hub with these settings would not work as it should: see the faults above")

func newDoctorCommand(environ []string, stdout io.Writer) *cobra.Command {
	var asJSON bool
	var limit time.Duration
	cmd := &cobra.Command{
		Use: "doctor", Short: "look at Redis as a hub with these settings would use it", Args: noArgs,
		Long: "Looks at the Redis of HUB_REDIS_URL, each of its nodes: version, mode, rights, persistence,\n" +
			"eviction, memory, replicas, connections, latency and clock. What is not good is told with the\n" +
			"setting to change. It writes some keys below HUB_KEY_PREFIX, and removes them.\n\n" +
			"Exit code 0: no faults, perhaps warnings. 1: faults. 2: the settings themselves are wrong.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(environ)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			findings, err := examine(ctx, &cfg)
			if err != nil {
				return err
			}
			if err := report(stdout, findings, asJSON); err != nil {
				return err
			}
			for _, f := range findings {
				if f.Bad() {
					return errUnfit
				}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object, {\"findings\":[…]}")
	cmd.Flags().DurationVar(&limit, "timeout", 15*time.Second, "how long to ask at most")
	return cmd
}

func examine(ctx context.Context, cfg *config) ([]broker.Finding, error) {
	if cfg.RedisURL == "" {
		return []broker.Finding{{
			Check: broker.CheckPersistence, Level: broker.LevelWarning,
			Detail: "there is no Redis: a hub keeps everything in its own memory, which is gone after a restart", Remedy: "HUB_REDIS_URL=redis://host:6379",
		}}, nil
	}
	findings, err := broker.Examine(ctx, engineOptions(cfg))
	if err != nil {
		return nil, &configError{[]string{"HUB_REDIS_URL (not shown here, as it may hold a password): " + err.Error()}}
	}
	return findings, nil
}

// report prints findings for people, or for machines.
func report(w io.Writer, findings []broker.Finding, asJSON bool) error {
	if asJSON {
		text, err := json.MarshalIndent(map[string][]broker.Finding{"findings": findings}, "", "  ")
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\n", text)
		}
		return err
	}
	const indent = 22
	node := ""
	for _, f := range findings {
		if f.Node != node {
			node = f.Node
			if _, err := fmt.Fprintf(w, "%s\n", node); err != nil {
				return err
			}
		}
		head := fmt.Sprintf("%-*s", indent, fmt.Sprintf("%-8s %s", f.Level, f.Check))
		text := f.Detail
		for _, part := range []string{text, f.Remedy} {
			for _, line := range wrap(part, usageWidth-indent) {
				if line == "" {
					continue
				}
				if _, err := fmt.Fprintln(w, head+line); err != nil {
					return err
				}
				head = strings.Repeat(" ", indent)
			}
			head = strings.Repeat(" ", indent-3) + "-> "
		}
	}
	return nil
}
