package main

import (
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// TestDaemonMeetsAWrongClock: it deletes nothing, says why in every place, and works when the clock is right again.
func TestDaemonMeetsAWrongClock(t *testing.T) {
	t.Parallel()
	server := ownServer(t, pgtemp.Faked(t))
	url := server.URL("postgres")
	conn := dial(t, url)
	live := backlog(t, conn, 300)
	if err := server.SetClock(2 * time.Hour); err != nil {
		t.Fatal(err)
	}
	d := start(t, "", url)
	d.hears(t, "stop_reason=clock_skew", 2)
	d.page(t, 503, "/readyz", "the server's clock is ahead of ours by ", "--max-clock-skew")
	d.page(t, 200, "/", "clock is ahead of ours by ")
	d.page(t, 200, "/metrics", "\ntoken_janitor_clock_skew_seconds 7") // 7200 less an exchange
	if sum, code, log := once(t, program(t), url); code != exitFailed || sum.StopReason != "clock_skew" || sum.Deleted.Total() != 0 {
		t.Errorf("exit code %d: %+v\n%s", code, sum, log)
	}
	if n := count(t, conn, "true"); n != 400 {
		t.Errorf("%d rows are left of 400: on this clock none may go", n)
	}
	if err := server.SetClock(0); err != nil {
		t.Fatal(err)
	}
	d.hears(t, "outcome=drained", 1)
	d.page(t, 200, "/readyz")
	d.page(t, 200, "/metrics", "\ntoken_janitor_clock_skew_seconds 0\n")
	if n := count(t, conn, `token_hash LIKE 'live %'`); n != live || count(t, conn, "true") != live {
		t.Errorf("%d live tokens of %d, %d rows", n, live, count(t, conn, "true"))
	}
}
