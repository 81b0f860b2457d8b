package janitor

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The statements for HyphaGraph's own table are what they were before a table could have other columns.
func TestDefaultStatements(t *testing.T) {
	t.Parallel()
	const golden = "testdata/statements.golden"
	got := defaultStatements(t)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		if i >= len(gotLines) || i >= len(wantLines) || gotLines[i] != wantLines[i] {
			t.Fatalf("line %d of %s differs:\n%s\nwant:\n%s", i+1, golden, strings.Join(gotLines[min(i, len(gotLines)):min(i+3, len(gotLines))], "\n"),
				strings.Join(wantLines[min(i, len(wantLines)):min(i+3, len(wantLines))], "\n"))
		}
	}
}

// defaultStatements are all statements of runs on HyphaGraph's table, with the cutoffs that they take.
func defaultStatements(t *testing.T) string {
	var b strings.Builder
	b.WriteString("The statements of runs on HyphaGraph's table. See TestDefaultStatements.\n")
	note := func(name, text string) { fmt.Fprintf(&b, "\n== %s\n%s\n", name, text) }
	var dump func(name string, v reflect.Value)
	dump = func(name string, v reflect.Value) {
		if v.Kind() == reflect.String {
			note(name, v.String())
			return
		}
		for i := range v.NumField() {
			dump(name+" "+v.Type().Field(i).Name, v.Field(i))
		}
	}
	s := settings()
	r := newRun(nil, s)
	if err := r.setClocks(noon, noon, noon); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*pass{
		r.newPass(Expired, r.columns.expires, earliest, at(-s.KeepExpired)),
		r.newPass(Revoked, r.columns.revokedAt, earliest, at(-s.KeepRevoked)),
		r.newPass(Revoked, r.columns.expires, at(-s.KeepExpired), forever),
	} {
		name := fmt.Sprintf("%s by %s", p.reason, p.key.name)
		note(name, fmt.Sprint(p.cursor.at, " to ", p.until, " with ", p.cutoffs))
		dump(name, reflect.ValueOf(p.sql))
	}
	keys := ownKeys{{
		table: pgx.Identifier{"public", "refresh_tokens"}, columns: []string{"parent"}, references: []string{"id"},
		operators: []string{"OPERATOR(pg_catalog.=)"}, readable: true,
	}}
	dump("family", reflect.ValueOf(newFamily(r.batcher, r.columns, keys, false, r.columns.args(r.clocks.cutoffs)).sql))
	for _, name := range []string{"attached", "begin", "clock", "facts", "heap", "isolate", "isolate_args", "isolate_result", "own_keys",
		"space", "sweep_met", "table_locked", "throttle", "trigger_path"} {
		note(name, statement(name))
	}
	return b.String()
}
