package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestPasswordThatEndsTheHostIsRefused(t *testing.T) {
	t.Parallel()
	for url, refused := range map[string]bool{
		"postgres://u:12/34SEKRET@db/app":                         true,  // 12 would be the port, 34SEKRET@db/app the database
		"postgres://u:12?34SEKRET@db/app":                         false, // libpq looks for a / only
		"postgresql+asyncpg://u:12/SEKRET@db:5432/app?ssl=prefer": false, // SQLAlchemy reads all up to the @
		"postgresql+asyncpg://u:12@SEKRET@db:5432/app":            true,
		"postgresql+asyncpg://db:5432":                            false,
		"postgres://u:p%2Fw@db/app":                               false,
		"postgres://db:5432/app?user=u@tenant&password=x":         false,
		"postgres:///app?host=/run/postgresql&user=u@tenant":      false,
		"postgres://u:p@h1:1,h2:2/app?target_session_attrs=any":   false,
		"host=db user=u password=a@b/c@d dbname=app":              false,
	} {
		_, err := parseDatabaseURL(url)
		if (err != nil) != refused {
			t.Errorf("%s: %v, want refused: %v", url, err, refused)
		}
		if err != nil && strings.Contains(err.Error(), "SEKRET") {
			t.Errorf("shows the password: %v", err)
		}
	}
}

// A server behind a firewall that swallows packets, or one that hangs, must not hang us.
func TestSilentServerIsGivenUp(t *testing.T) {
	t.Parallel()
	c := config{DatabaseURL: "postgres://u@db/app?sslmode=disable"}
	got, err := c.connConfig()
	if err != nil || got.ConnectTimeout != connectFor {
		t.Errorf("without connect_timeout: waits %v, error %v", got.ConnectTimeout, err)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() // it never answers, but the kernel accepts
	c.DatabaseURL = "postgres://u@" + listener.Addr().String() + "/app?sslmode=disable&connect_timeout=1"
	s := newService(config{DatabaseURL: c.DatabaseURL, ConnectTimeout: 100 * time.Millisecond, LogLevel: "error"})
	_, err = s.bootOnce(t.Context(), "check", nil)
	if err == nil || !strings.Contains(err.Error(), listener.Addr().String()) {
		t.Errorf("a wait that ends must name what it was for: %v", err)
	}
}
