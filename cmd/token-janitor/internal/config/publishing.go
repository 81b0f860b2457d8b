package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/metrics"
)

// checkPublishing refuses, before there is a run that they could lose, a --metrics-file and a --push-url that
// cannot serve. A command leaves both alone: they may be in its environment.
func (c *Config) checkPublishing() error {
	switch {
	case len(c.Args) > 0 || c.MetricsFile == "" && c.PushURL == "":
		return nil
	case !c.Once && c.MetricsFile != "":
		return errors.New("--metrics-file goes with --once only: the daemon serves its metrics at --listen")
	case !c.Once:
		return errors.New("--push-url goes with --once only: the daemon serves its metrics at --listen")
	}
	if c.PushURL != "" {
		gateway, err := metrics.ParseGateway(c.PushURL)
		if err != nil {
			return fmt.Errorf("--push-url: %w", err)
		}
		c.Gateway = &gateway
	}
	if c.MetricsFile != "" {
		if err := checkMetricsFile(c.MetricsFile); err != nil {
			return fmt.Errorf("--metrics-file: %w", err)
		}
	}
	return nil
}

// checkMetricsFile makes sure that a file can be put there, beside which a temporary one has to fit.
func checkMetricsFile(path string) error {
	switch info, err := os.Stat(path); {
	case strings.Contains(path, "://"):
		return errors.New("it holds a URL; want the path of a file (a Pushgateway is for --push-url)")
	case !strings.HasSuffix(path, ".prom"):
		return fmt.Errorf("%q does not end in .prom: the textfile collector reads no other files", text.Clip(path))
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%q is not a regular file", text.Clip(path))
	}
	tried, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)) // as it will be written
	if err != nil {
		return fmt.Errorf("its folder has to be there and writable, for the file is replaced as a whole: %w", err)
	}
	_ = tried.Close()
	return os.Remove(tried.Name())
}
