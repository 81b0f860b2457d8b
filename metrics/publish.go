package metrics

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

// lastSuccess is the metric that has to outlive a run that fails.
const lastSuccess = "last_success_timestamp_seconds"

// single is a registry of what a single run has to say. It leaves out what the run does not know, which would
// take the place of what an earlier one knew: when the last success was, if it was no success itself, and the schema,
// the clocks and what the table takes, if it never saw them. The runtime and the process, the schedule and the progress are left out as well:
// they are over. The alerts know a single run by that it has no token_janitor_paused.
func (m *Metrics) single() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m.ofRuns()...)
	if m.succeeded > 0 {
		r.MustRegister(m.lastSuccess)
	}
	if m.schemaSeen.Load() {
		r.MustRegister(m.schemaAtHead, m.schemaWarnings, m.schema)
	}
	if m.clockSeen.Load() {
		r.MustRegister(m.clockSkew)
	}
	if m.tableSeen.Load() {
		r.MustRegister(m.ofTable()...)
	}
	return r
}

// WriteFile writes the metrics of a single run, once it has ended, into a file of the textfile collector's form.
// The file is replaced as a whole. If the run was no success, it keeps the last success that the file tells of.
func (m *Metrics) WriteFile(path string) error {
	before, err := lastSuccessIn(path)
	if err != nil {
		return err
	}
	if before > m.succeeded {
		m.succeed(before)
	}
	return prometheus.WriteToTextfile(path, m.single())
}

// lastSuccessIn is the last success that a file of WriteFile tells of, 0 if there is no file or none in it.
func lastSuccessIn(path string) (float64, error) {
	file, err := os.Open(path) // #nosec G304 -- the file of --metrics-file
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), namespace+"_"+lastSuccess+" "); ok {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			return seconds, nil
		}
	}
	return 0, lines.Err()
}

// Push sends the metrics of a single run, once it has ended, to a Pushgateway. It replaces metrics of the same
// names in the gateway's group and no others, so the last success stays there when a run fails.
func (m *Metrics) Push(ctx context.Context, to Gateway) error {
	pusher := push.New(to.url, to.job).Gatherer(m.single()).Header(http.Header{"User-Agent": {m.userAgent}})
	for name, value := range to.grouping {
		pusher.Grouping(name, value)
	}
	if to.user != nil {
		password, _ := to.user.Password()
		pusher.BasicAuth(to.user.Username(), password)
	}
	return pusher.AddContext(ctx)
}
