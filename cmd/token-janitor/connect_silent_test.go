package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// A server behind a firewall that swallows packets, or one that hangs, must not hang us.
func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it never answers, but the kernel accepts
	s := newService(configure(t, "--database-url=postgres://u@"+listener.Addr().String()+"/app?sslmode=disable&connect_timeout=1",
		"--connect-timeout=100ms", "--log-level=error"))
	_, err = s.bootOnce(t.Context(), "check", nil)
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("a wait that ends must name what it was for: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	if unreachable(errors.New("another")) || unreachable(&pgconn.PgError{Code: "57P03"}) {
		t.Error("an error of a statement is taken for one of connecting")
	}
	_, refused := pgconn.Connect(t.Context(), "postgres://u@127.0.0.1:1/app?sslmode=disable")
	if !unreachable(connectFault(refused, true)) {
		t.Errorf("nobody listens yet, and it is not waited for: %v", refused)
	}
	if unreachable(connectFault(refused, false)) {
		t.Error("a server is waited for that nobody has named")
	}
}

// A daemon that wants a password says what the healthcheck lacks.
func TestHealthcheckWithoutThePassword(t *testing.T) {
	t.Parallel()
	daemon := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer daemon.Close()
	err := health(t.Context(), configure(t, "--listen="+daemon.Listener.Addr().String()))
	if err == nil || !strings.Contains(err.Error(), "--web-config-file") {
		t.Error(err)
	}
}
