package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHTTPLimits: whoever talks to the daemon gets what is meant to be seen, and cannot hold it busy.
func TestHTTPLimits(t *testing.T) {
	t.Parallel()
	s := testService(t, io.Discard)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pages, served := newPages(s), make(chan error)
	server := pages.server()
	go func() { served <- pages.serve(listener, server) }()
	t.Cleanup(func() { _ = server.Shutdown(context.Background()); <-served })
	for _, c := range []struct{ name, says, want string }{
		{"healthz", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "},
		{"headers that fit", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 15<<10) + "\r\n\r\n", "HTTP/1.1 200 "},
		{"headers without end", "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 21<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
		{"a path without end", "GET /" + strings.Repeat("x", 21<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431 "},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "},
		{"a line break in a path", "GET /%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"pprof", "GET /debug/pprof/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"a heap", "GET /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"expvar", "GET /debug/vars HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404 "},
		{"a post", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 405 "},
		{"not HTTP", "\x16\x03\x01\x00\x00\x00\r\n\r\n", "HTTP/1.1 400 "},
		{"a request that goes on for ever", "GET /healthz HTTP/1.1\r\nHost: x\r\n", ""}, // the end, without a word
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			// ReadHeaderTimeout, and as much again for a busy machine.
			if err := conn.SetDeadline(time.Now().Add(2 * server.ReadHeaderTimeout)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.says); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 1<<10)
			n, err := conn.Read(answer)
			if got := string(answer[:n]); !strings.HasPrefix(got, c.want) || c.want == "" && (n > 0 || err != io.EOF) {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}
