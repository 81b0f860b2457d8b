package migrations_test

import (
	"testing"

	"github.com/hyphagraph/token-janitor/migrations"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Limits that are meant for the API, of its role, its database or a pooled connection, end no look at the schema, and
// are as they were afterwards.
func TestLimitsOfTheSession(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtemp.Empty(t))
			if ask[string](t, conn, "SELECT coalesce(current_setting('"+name+"', true), '')") == "" {
				t.Logf("this PostgreSQL has no %s", name)
				return
			}
			run(t, conn, "SET "+name+" = '700ms'")
			for _, writes := range []bool{false, true} {
				if got, err := migrations.Setting(t.Context(), conn, writes, name); err != nil || got != "1min" {
					t.Errorf("%s in a transaction that writes (%t): %q, %v", name, writes, got, err)
				}
			}
			if after := ask[string](t, conn, "SHOW "+name); after != "700ms" {
				t.Errorf("%s afterwards: %s", name, after)
			}
		})
	}
}
