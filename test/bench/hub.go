package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// buildHub builds the hub of this module as it is on disk.
func buildHub(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hub")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, "eventhub/cmd/hub").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the hub (run this in its repository): %w\n%s", err, out)
	}
	return path, nil
}

// startHub starts a hub and returns when it is ready. What the environment says
// of a hub does not count, so that figures can be compared; settings do.
func startHub(ctx context.Context, client *http.Client, bin, redisAddr string, settings []string) (p *process, addr string, err error) {
	cmd := exec.Command(bin) //nolint:noctx // it is stopped by the rig, which owns it
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "HUB_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "HUB_ADDR=127.0.0.1:0", "HUB_REDIS_URL=redis://"+redisAddr)
	cmd.Env = append(cmd.Env, settings...)
	if p, err = startProcess(cmd); err != nil {
		return nil, "", fmt.Errorf("starting the hub: %w", err)
	}
	if addr, err = p.address(ctx); err == nil {
		err = awaitReady(ctx, client, addr)
	}
	if err != nil {
		p.stop()
		return nil, "", fmt.Errorf("starting the hub: %w", err)
	}
	return p, addr, nil
}

func awaitReady(ctx context.Context, client *http.Client, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("it is not ready: %w", err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}
