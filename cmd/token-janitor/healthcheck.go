package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// healthPatience is below the timeout that the Dockerfile gives the check, so that the
// container's log tells why it failed and not only that it was killed.
const healthPatience = 3 * time.Second

// healthcheck asks the daemon at --listen whether it is ready: an image from scratch has
// no curl to do it.
func healthcheck(ctx context.Context, cfg config.Config) int {
	ctx, stop := context.WithTimeout(ctx, healthPatience)
	defer stop()
	if err := health(ctx, cfg); err != nil {
		fmt.Fprintf(os.Stderr, "token-janitor: healthcheck: %s\n", text.OneLine(err.Error()))
		return exitFailed
	}
	return exitDone
}

// health is nil when /readyz says so. With a --web-config-file, of whose password we
// know but a hash, it is nil when somebody listens.
func health(ctx context.Context, cfg config.Config) error {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", cfg.Listen) // no host, 0.0.0.0 and [::] are this one
	}
	if cfg.WebConfigFile != "" {
		conn, err := dial(ctx, "", "")
		if err != nil {
			return err
		}
		return conn.Close()
	}
	// A transport of its own asks no proxy of the environment.
	transport := &http.Transport{DialContext: dial, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil)
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	why, err := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // a reason is a line
	if err != nil {
		return err
	}
	if response.StatusCode == http.StatusUnauthorized {
		return fmt.Errorf("%s: the daemon has a --web-config-file: give it here, too", response.Status)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(why)))
	}
	return nil
}
