package pgtemp

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The clock of a server moves under a session, and what the server counts by it goes on.
func TestFaked(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Faked(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, ahead := range []time.Duration{0, 2 * time.Hour, -2 * time.Hour, 90 * time.Second, -250 * time.Millisecond} {
		if err := s.SetClock(ahead); err != nil {
			t.Fatal(err)
		}
		var now time.Time
		before := time.Now()
		if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		if now.Before(before.Add(ahead-time.Millisecond)) || now.After(time.Now().Add(ahead+time.Millisecond)) {
			t.Errorf("%s ahead: the server's clock says %s at %s", ahead, now, before)
		}
		if ahead > 0 {
			continue // see Faked
		}
		began := time.Now()
		if _, err := conn.Exec(t.Context(), "SET statement_timeout = '100ms'; SELECT pg_sleep(20)"); err == nil {
			t.Error("the timeout is not kept")
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s ahead: the timeout took %s", ahead, took)
		}
	}
}
