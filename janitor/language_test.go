package janitor

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// held is a table of which one row is referenced, one refused and one locked, for a run that has to isolate them.
func held(t *testing.T) *table {
	t.Helper()
	tab := newTable(t)
	tab.fill(300, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1s'", "false", "NULL")
	tab.insert(
		token{name: "referenced", expires: at(-2 * time.Hour)},
		token{name: "held by law", expires: at(-2*time.Hour - 5*time.Second)},
		token{name: "locked", expires: at(-2*time.Hour - 10*time.Second)},
		token{name: "live", expires: at(week)},
	)
	tab.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens)`)
	tab.exec(`INSERT INTO audit SELECT id FROM refresh_tokens WHERE token_hash = 'referenced'`)
	tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001")
	return tab
}

// tellsHeld fails the test unless a run deleted so many rows and left just the three, and knows why.
func (tab *table) tellsHeld(due int64, res Result, err error) {
	tab.t.Helper()
	if err != nil || res.Outcome != Partial || res.StopReason != StopLeft || res.Deleted.Expired != due {
		tab.t.Errorf("run: %+v, %v", res, err)
	}
	if res.Left != (Left{Locked: 1, Referenced: 1, Refused: 1}) || res.Refusal != "litigation hold" {
		tab.t.Errorf("left: %+v, refusal %q", res.Left, res.Refusal)
	}
	tab.survive("held by law", "live", "locked", "referenced")
}

// A row that cannot go is told by what the server says in no language.
func TestServerOfAnotherLanguage(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name, locale string
		less         bool
	}{
		{"German", "de_DE.UTF-8", false},
		{"German, without the right to update", "de_DE.UTF-8", true},
		{"Russian", "ru_RU.UTF-8", false},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := held(t), settings()
			pgtemp.Speak(t, tab.url, variant.locale)
			tab = tab.other()
			var said *pgconn.PgError
			if _, err := tab.Exec(t.Context(), `SELECT 1/0`); !errors.As(err, &said) || said.Severity == "ERROR" {
				t.Fatalf("the server speaks English: %v", err)
			}
			other := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'locked' FOR UPDATE`)
			if variant.less {
				tab.lessRights()
			}
			s.LockTimeout = 10 * time.Millisecond
			due := tab.count("true") - 4
			res, err := tab.runAt(t.Context(), noon, s)
			tab.tellsHeld(due, res, err)
			other.exec(`ROLLBACK`)
		})
	}
}

// A proxy may drop the word that is never translated: then the code tells.
func TestSeverityThatIsMissing(t *testing.T) {
	t.Parallel()
	tab := held(t)
	pgtemp.Speak(t, tab.url, "de_DE.UTF-8")
	p, far := tab.through()
	p.set(nil, func(_ *proxy, _, _ net.Conn, got []byte) bool {
		if i := bytes.Index(got, []byte("\x00VERROR\x00")); i >= 0 {
			got[i+1] = 'v' // a field of no meaning, which clients pass over
		}
		return false
	})
	var said *pgconn.PgError
	if _, err := far.Exec(t.Context(), `SELECT 1/0`); !errors.As(err, &said) || said.Severity != "FEHLER" || said.SeverityUnlocalized != "" {
		t.Fatalf("the server says %#v", said)
	}
	other := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = 'locked' FOR UPDATE`)
	defer func() { _ = other.Close(context.Background()) }()
	res, err := far.runAt(t.Context(), noon, settings())
	tab.tellsHeld(300, res, err)
}

// What a role or a database sets for its sessions changes how values read as text, and what plans there are.
func TestSettingsOfTheSession(t *testing.T) {
	t.Parallel()
	for _, set := range []string{
		`array_nulls = off`,
		`bytea_output = 'escape'`,
		`client_min_messages = 'debug5'`,
		`constraint_exclusion = on`,
		`datestyle = 'German, DMY'`,
		`datestyle = 'SQL, MDY'`,
		`default_transaction_isolation = 'repeatable read'`,
		`default_transaction_isolation = 'serializable'`,
		`enable_indexscan = off`,
		`enable_partition_pruning = off`,
		`extra_float_digits = -15`,
		`intervalstyle = 'sql_standard'`,
		`lc_messages = 'C'`,
		`lc_numeric = 'de_DE.UTF-8'`,
		`lc_time = 'de_DE.UTF-8'`,
		`plan_cache_mode = 'force_generic_plan'`,
		`quote_all_identifiers = on`,
		`random_page_cost = 1000`,
		`standard_conforming_strings = off`,
		`timezone = 'Pacific/Chatham'`,
		`transform_null_equals = on`,
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			tab := held(t)
			tab.exec(`SET ` + set)
			tab.exec(`INSERT INTO refresh_tokens SELECT md5('oldest')::uuid, user_id, 'locked, oldest', $1::timestamptz FROM refresh_tokens LIMIT 1`,
				at(-123_456*time.Second-time.Hour))
			other := tab.hold(`SELECT FROM refresh_tokens WHERE token_hash LIKE 'locked%' FOR UPDATE`)
			res, err := tab.runAt(t.Context(), noon, settings())
			if err != nil || res.Outcome != Partial || res.Deleted.Expired != 300 || res.Left != (Left{Locked: 2, Referenced: 1, Refused: 1}) {
				t.Errorf("run: %+v, %v", res, err)
			}
			if o := res.Overdue[Expired]; !o.Known || o.Rows != 4 || o.Oldest != 123_456*time.Second {
				t.Errorf("overdue: %+v", o)
			}
			tab.survive("held by law", "live", "locked", "locked, oldest", "referenced")
			other.exec(`ROLLBACK`)
		})
	}
}
