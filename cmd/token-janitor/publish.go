package main

import (
	"context"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// pushTimeout ends a push to a gateway that went silent. One that is well answers within milliseconds, and
// with --shutdown-timeout this stays below what systemd and Kubernetes wait for a run that they end.
const pushTimeout = 5 * time.Second

// publish tells the metrics of the one run to whoever asked for them. That it cannot is a warning: the run
// is what it is, and so is its exit code. Also a run that was told to stop is told of. A dry run is not: what
// it found would take the place of what the last run did.
func (s *service) publish(ctx context.Context) {
	if s.DryRun {
		return
	}
	s.metrics.NextRun(s.Schedule.Next(time.Now())) // by whatever starts these runs
	if s.MetricsFile != "" {
		if err := s.metrics.WriteFile(s.MetricsFile); err != nil {
			s.log.Warn("the metrics of this run cannot be written to --metrics-file", "error", err)
		}
	}
	if s.Gateway == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), pushTimeout)
	defer stop()
	if err := s.metrics.Push(ctx, *s.Gateway); err != nil {
		s.log.Warn("the metrics of this run cannot be pushed to --push-url", "gateway", s.Gateway.String(), "error", text.OneLineError(err))
	}
}
