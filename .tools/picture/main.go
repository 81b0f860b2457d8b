// Command picture draws the first rows of the dashboard from the dashboard's own queries,
// asked of a Prometheus that watches real janitors. It is not Grafana that draws, so the
// panels only resemble what Grafana makes of them.
//
//	go -C .tools/picture run . -prometheus http://127.0.0.1:9090 -range 15m
//
// It writes dashboard.png and dashboard.dark.png into .github.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	address := flag.String("prometheus", "http://127.0.0.1:9090", "`URL` of the Prometheus")
	job := flag.String("job", "token-janitor", "the job to draw")
	span := flag.Duration("range", 15*time.Minute, "how much time to draw")
	end := flag.String("end", "", "when it ends, in RFC 3339; not given: now")
	scrape := flag.Duration("scrape", 5*time.Second, "the interval of its scrapes")
	until := flag.String("until", "Runs", "the `row` of the dashboard that is not drawn any more")
	root := flag.String("root", "../..", "the repository")
	flag.Parse()

	b, err := readBoard(filepath.Join(*root, "deploy/grafana/dashboard.json"), *until)
	if err != nil {
		return err
	}
	to := time.Now()
	if *end != "" {
		if to, err = time.Parse(time.RFC3339, *end); err != nil {
			return fmt.Errorf("read -end: %w", err)
		}
	}
	// Grafana's own reckoning: https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/
	s := source{address: *address, job: *job, from: to.Add(-*span), to: to, step: *scrape, rate: 4 * *scrape}
	for name, t := range map[string]theme{"dashboard.png": light, "dashboard.dark.png": dark} {
		if err := write(ctx, b, s, t, filepath.Join(*root, ".github", name)); err != nil {
			return fmt.Errorf("draw %s: %w", name, err)
		}
	}
	return nil
}
