package janitor

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// Each statement can be run in psql as its file stands.
func TestStatementsRunInPsql(t *testing.T) {
	t.Parallel()
	psql := pgtemp.Require(t, "psql")
	tab := newTable(t)
	tab.insert(token{name: "expired", expires: at(-2 * time.Hour)}, token{name: "live", expires: at(week)})
	begin, err := files.ReadFile("sql/begin.sql")
	if err != nil {
		t.Fatal(err)
	}
	names, err := files.ReadDir("sql")
	if err != nil {
		t.Fatal(err)
	}
	before := func(name string) (text string) { // some go on where another ended
		for _, other := range map[string][]string{"isolate.sql": {"isolate_args"}, "isolate_result.sql": {"isolate_args", "isolate"}}[name] {
			content, err := files.ReadFile("sql/" + other + ".sql")
			if err != nil {
				t.Fatal(err)
			}
			text += string(content)
		}
		return text
	}
	var script strings.Builder
	script.WriteString(`\set ON_ERROR_STOP on
\set table public.refresh_tokens
\set qualified public.refresh_tokens
\set key expires_at
\set partial true
\set key_type timestamptz
\set forever '''infinity'''
\set infinite 'expires_at = ''-infinity'''
\set instant expires_at
\set read 'expires_at, is_revoked, revoked_at'
\set oldest min(expires_at)
\set newest max(expires_at)
\set column 'extract(epoch FROM expires_at)::bigint'
\set zone Europe/Berlin
\set lock 'FOR UPDATE OF t SKIP LOCKED'
\set dry_run false
\set lock_timeout 100ms
\set statement_timeout 5s
\set floor -infinity
\set until infinity
\set rows 100
\set percent 100
\set first (0,0)
\set end (1,0)
\set parts {}
\set places {}
\set step 1
\set lock_statement 'SELECT 0 AS due, NULL::bigint[] AS parts, NULL::tid[] AS places'
\set delete_statement ''
\set schema public
\set expired 'false'
\set revoked 'false'
\set names '{expires_at}'
\set by_age 'revoked_at'
\set of_part true
\set selects 'SELECT FROM public.refresh_tokens WHERE false'
\set columns 't.id AS k1'
\set keys 'SELECT t.tableoid, t.ctid, e.part, e.place, NULL::text, t.id FROM public.refresh_tokens AS t WHERE false'
SELECT 'public.refresh_tokens'::regclass::oid AS oid \gset
\set expired_before '` + at(-time.Hour) + `'
\set revoked_before '` + at(-week) + `'
\set cutoff :'expired_before'
\set rule 'expires_at < :''expired_before'''
\set region 'true'
\set mark 1
\set links 'SELECT t.tableoid, t.ctid, t.tableoid, t.ctid, NULL::text FROM public.refresh_tokens AS t WHERE false'
\set oids '{1}'
\set marks '{1}'
`)
	for _, f := range names {
		text, err := files.ReadFile("sql/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(f.Name(), "rule_") && !strings.HasPrefix(f.Name(), "where_") && !strings.HasSuffix(f.Name(), "_mark.sql") && !strings.HasPrefix(f.Name(), "citus_") {
			script.WriteString("BEGIN;\n" + string(begin) + before(f.Name()) + string(text) + "ROLLBACK;\n")
		}
	}
	cmd := exec.CommandContext(t.Context(), psql, "-X", "-q", "-d", tab.url)
	cmd.Stdin = strings.NewReader(script.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("psql: %v\n%s", err, out)
	}
	tab.survive("expired", "live")
}
