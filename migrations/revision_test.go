package migrations_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations"
)

func TestHistory(t *testing.T) {
	t.Parallel()
	history := migrations.History()
	if len(history) != 1 {
		t.Fatalf("%d revisions, want one", len(history))
	}
	r := history[0]
	if r.ID != migrations.Head || r.Revises != "003_add_users" || r.Title != "add refresh tokens" ||
		!r.Created.Equal(time.Date(2024, 12, 27, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", r)
	}
	down, err := migrations.Parse(r.Down)
	if err != nil || down.ID != r.ID || down.Revises != r.Revises {
		t.Errorf("the way down is headed %+v, %v", down, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const good = "-- title\n-- Revision ID: b\n-- Revises: a\n-- Create Date: 2024-12-27 00:00:00\nSELECT 1;\n"
	if _, err := migrations.Parse(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, old, new, word string }{
		{"no header", "--", "", "no title"},
		{"no id", "-- Revision ID: b\n", "", "Revision ID"},
		{"an id that Alembic would take for a step", ": b", ": b+1", "b+1"},
		{"an id longer than alembic_version holds", ": b", ": " + strings.Repeat("b", 33), "32"},
		{"nothing revised", ": a", ": ", "Revises"},
		{"itself revised", ": a", ": b", "itself"},
		{"no date", "2024-12-27", "lately", "create date"},
		{"a line without end", "title", strings.Repeat("x", 1<<17), "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := migrations.Parse(strings.ReplaceAll(good, c.old, c.new))
			if err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("got %v, want %q in it", err, c.word)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, r := range migrations.History() {
		f.Add(r.Up)
		f.Add(r.Down)
	}
	f.Add("-- t\r\n-- Revision ID: b\r\n--Revises: a\r\n-- Create Date: 2024-12-27 00:00:00\r\n")
	f.Add("--\n--\x00\n-- Revision ID: ")
	id := regexp.MustCompile(`^\w[\w.]*$|^\.[\w.]*$`)
	f.Fuzz(func(t *testing.T, sql string) {
		r, err := migrations.Parse(sql)
		if err != nil {
			return
		}
		for _, s := range []string{r.ID, r.Revises} {
			if !id.MatchString(s) || len(s) > 32 {
				t.Errorf("accepted %q", s)
			}
		}
		if r.ID == r.Revises || r.Title == "" || strings.ContainsAny(r.Title, "\n") || r.Created.IsZero() || r.Up != sql {
			t.Errorf("accepted %+v", r)
		}
	})
}
