package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/metrics"
)

// pages are what the daemon serves.
type pages struct {
	log       *slog.Logger
	metrics   *metrics.Metrics
	history   *status.History
	program   status.Program
	webConfig string // file of TLS and basic auth; "" = neither
}

func newPages(s *service) *pages {
	program := status.Program{Build: describe(build())}
	for _, f := range s.InForce() {
		program.Settings = append(program.Settings, status.Setting{Flag: f.Flag, Value: f.Value, Default: f.Default, Meaning: f.Meaning})
	}
	if s.TokenLifetime > s.RevokedStays() {
		program.Notice = "--keep-revoked is below --token-lifetime: a replay of a token that was revoked longer ago than that is no longer recognised."
	}
	return &pages{s.log, s.metrics, &s.history, program, s.WebConfigFile}
}

// server answers a few small questions: its limits suffice for scrapers and browsers
// and leave a hostile client little.
func (s *pages) server() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /{$}", s.statusPage)
	mux.HandleFunc("GET /status.json", s.statusJSON)
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

// serve goes on until the server is shut down. exporter-toolkit brings TLS and basic
// auth; what it logs of its own is our debug.
func (s *pages) serve(listener net.Listener, server *http.Server) error {
	s.log.Info("listening", "address", listener.Addr().String())
	quiet := slog.New(slog.DiscardHandler)
	return web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &s.webConfig}, quiet)
}

func (s *pages) readyz(w http.ResponseWriter, _ *http.Request) {
	if why := s.history.View().Unready(); why != "" {
		http.Error(w, text.OneLine(why), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *pages) statusPage(w http.ResponseWriter, _ *http.Request) {
	if err := s.status().WritePage(w); err != nil {
		s.log.Debug("write the status page", "error", err)
	}
}

func (s *pages) statusJSON(w http.ResponseWriter, _ *http.Request) {
	if err := s.status().WriteJSON(w); err != nil {
		s.log.Debug("write the status", "error", err)
	}
}

// status is what there is to report now.
func (s *pages) status() status.Status { return s.history.View().Status(time.Now(), s.program) }
