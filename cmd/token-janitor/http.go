package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/hyphagraph/token-janitor/janitor"
)

// server answers a few small questions: its limits suffice for scrapers and browsers
// and leave a hostile client little.
func (s *service) server() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /{$}", s.status)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// serveHTTP serves until the server is shut down. exporter-toolkit brings TLS and basic
// auth; what it logs of its own is our debug.
func (s *service) serveHTTP(listener net.Listener, server *http.Server) error {
	s.log.Info("listening", "address", listener.Addr().String())
	quiet := slog.New(slog.DiscardHandler)
	return web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &s.WebConfigFile}, quiet)
}

// checkWebConfig reads the file of --web-config-file, so that a fault in it shows at
// the start and not at the first scrape.
func checkWebConfig(file string) error { return web.Validate(file) }

func (s *service) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := s.history.view().unready(); why != "" {
		http.Error(w, oneLine(why), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

//go:embed status.html
var statusHTML string

var statusPage = template.Must(template.New("status").Funcs(template.FuncMap{
	"thousands": thousands,
	"ago":       func(t time.Time) string { return time.Since(t).Round(time.Second).String() },
	"until":     func(t time.Time) string { return max(0, time.Until(t)).Round(time.Second).String() },
	"brief":     func(d time.Duration) string { return d.Round(time.Millisecond).String() },
	"sentence":  func(p past) string { return sentence(p.Result, nil) },
	"overdue":   func(p past) int64 { return p.Overdue[janitor.Expired].Rows + p.Overdue[janitor.Revoked].Rows },
}).Parse(statusHTML))

func (s *service) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	w.Header().Set("Cache-Control", "no-store")
	v := s.history.view()
	if err := statusPage.Execute(w, map[string]any{
		"View": v, "Unready": v.unready(), "Config": &s.config, "Build": describe(build()),
	}); err != nil {
		s.log.Debug("write the status page", "error", err)
	}
}
