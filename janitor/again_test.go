package janitor

import (
	"fmt"
	"testing"
	"time"
)

// Tokens lead to one another by way of another table, whose rows go with the token before and keep the one after: all that
// are due go in one run, and only a live one keeps those that it leads to.
func TestFamiliesByAnotherTable(t *testing.T) {
	t.Parallel()
	const families, length = 40, 20
	// Each token but a family's first names the session of the token before; a session goes with its token.
	sessions := func(tab *table) {
		tab.exec(`CREATE TABLE sessions (id uuid PRIMARY KEY, token_id uuid REFERENCES refresh_tokens ON DELETE CASCADE)`)
		tab.exec(`CREATE INDEX ON sessions (token_id)`)
		tab.exec(`INSERT INTO sessions SELECT md5('session ' || token_hash)::uuid, id FROM refresh_tokens`)
		tab.exec(`ALTER TABLE refresh_tokens ADD session_id uuid REFERENCES sessions`)
		tab.exec(`CREATE INDEX ON refresh_tokens (session_id)`)
		tab.exec(`UPDATE refresh_tokens SET session_id = s.id FROM sessions AS s JOIN refresh_tokens AS t ON t.id = s.token_id WHERE t.token_hash = refresh_tokens.family || '-' || refresh_tokens.nth - 1`)
	}
	// Each rotation is a row, which goes with the older token and keeps the newer one.
	rotations := func(deferrable string) func(*table) {
		return func(tab *table) {
			tab.exec(`CREATE TABLE rotations (older uuid REFERENCES refresh_tokens ON DELETE CASCADE, newer uuid REFERENCES refresh_tokens ` + deferrable + `)`)
			tab.exec(`CREATE INDEX ON rotations (older); CREATE INDEX ON rotations (newer)`)
			tab.exec(`INSERT INTO rotations SELECT o.id, n.id FROM refresh_tokens AS n JOIN refresh_tokens AS o ON o.family = n.family AND o.nth = n.nth - 1`)
		}
	}
	inOrder := `'` + at(-30*24*time.Hour) + `'::timestamptz + nth * interval '1 h' + family * interval '1 s'`
	shuffled := `'` + at(-30*24*time.Hour) + `'::timestamptz + ('x' || left(md5(family || '-' || nth), 4))::bit(16)::int * interval '1 s'`
	for _, tt := range []struct {
		name, expires string
		link          func(*table)
		live          string // a token
		kept          int64
		revoked       int64 // tokens of a family, the newest, that are revoked long ago, and not expired
	}{
		{"sessions", inOrder, sessions, "", 0, 0},
		{"sessions, shuffled", shuffled, sessions, "", 0, 0},
		{"sessions, the newest live", inOrder, sessions, fmt.Sprintf("7-%d", length), length - 1, 0},
		{"sessions, the newest revoked", inOrder, sessions, "", 0, 10},
		{"rotations", inOrder, rotations(""), "", 0, 0},
		{"rotations, deferred", shuffled, rotations("DEFERRABLE INITIALLY DEFERRED"), "", 0, 0},
		{"rotations, shuffled", shuffled, rotations(""), "", 0, 0},
		{"rotations, the oldest live", inOrder, rotations(""), "7-1", length - 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			s.BatchMaxRows, s.BatchGoal = 100, time.Minute
			tab.exec(`ALTER TABLE refresh_tokens ADD family int, ADD nth int`)
			tab.exec(fmt.Sprintf(`INSERT INTO refresh_tokens (id, user_id, token_hash, expires_at, is_revoked, family, nth)
				SELECT md5(family || '-' || nth)::uuid, '00000000-0000-0000-0000-000000000001', family || '-' || nth, %s, false, family, nth
				FROM generate_series(1, %d) AS family, generate_series(1, %d) AS nth`, tt.expires, families, length))
			tt.link(tab)
			tab.exec(`UPDATE refresh_tokens SET expires_at = '`+at(week)+`' WHERE token_hash = $1`, tt.live)
			tab.exec(`UPDATE refresh_tokens SET expires_at = '`+at(week)+`', is_revoked = true, revoked_at = '`+at(-2*week)+`' WHERE nth > $1`, length-tt.revoked)
			all := tab.count("true")
			res := tab.run(s)
			want := StopDrained
			if tt.kept > 0 {
				want = StopLeft
			}
			if res.StopReason != want || res.Left != (Left{Referenced: tt.kept}) {
				t.Errorf("stopped by %s, %+v left, want %s and %d referenced", res.StopReason, res.Left, want, tt.kept)
			}
			if n := tab.count("true"); n != all-res.Deleted.Total() || res.Deleted.Revoked != families*tt.revoked || tt.kept == 0 && n != 0 || tt.kept > 0 && n != tt.kept+1 {
				t.Errorf("%d rows are left of %d, %+v were deleted", n, all, res.Deleted)
			}
			if o := res.Overdue[Expired]; o.Rows != tt.kept || tt.kept > 0 != (o.Oldest > 0) {
				t.Errorf("overdue: %+v", o)
			}
			if tt.live != "" && tab.count("token_hash = '"+tt.live+"'") != 1 {
				t.Error("the live token is gone")
			}
		})
	}
}
