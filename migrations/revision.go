// Package migrations brings a database to the revision that token-janitor relies on, beside Alembic and in Alembic's own
// terms: the same table, the same version table, whoever comes first.
package migrations

import (
	"bufio"
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Head is the revision that this package owns, the last one it knows.
const Head = "004_add_refresh_tokens"

// parent is the API's revision that Head revises, the only one of the API's that this package knows.
const parent = "003_add_users"

// base is the table that Head makes; no other can be made by it.
const base = "refresh_tokens"

//go:embed versions/004_add_refresh_tokens.upgrade.sql
var headUp string

//go:embed versions/004_add_refresh_tokens.downgrade.sql
var headDown string

// Revision is one step of a chain of migrations.
type Revision struct {
	ID      string // at most 32 characters, as alembic_version holds no more
	Revises string // the revision before it
	Title   string // one line
	Created time.Time
	Up      string // SQL, runnable in psql, that leads from Revises to ID, the version row included
	Down    string // SQL that leads back
}

// History returns the revisions this package owns, oldest first. The last one is [Head].
func History() []Revision {
	r, err := parse(headUp)
	if err != nil {
		panic("migrations: embedded revision: " + err.Error()) // no input can bring this about
	}
	r.Down = headDown
	return []Revision{r}
}

// identifier is what Alembic accepts as the name of a revision (no "@", "-", "+", ":") and alembic_version can hold.
var identifier = regexp.MustCompile(`^[0-9A-Za-z_.]{1,32}$`)

const dateLayout = "2006-01-02 15:04:05"

// parse reads a revision whose leading comment has the lines of an Alembic revision's docstring.
func parse(sql string) (Revision, error) {
	r := Revision{Up: sql}
	fields := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(sql))
	for lines.Scan() {
		text, comment := strings.CutPrefix(lines.Text(), "--")
		if !comment {
			break
		}
		text = strings.TrimSpace(text)
		if r.Title == "" {
			r.Title = text
			continue
		}
		if key, value, ok := strings.Cut(text, ": "); ok {
			if _, twice := fields[key]; !twice {
				fields[key] = strings.TrimSpace(value)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return Revision{}, fmt.Errorf("read revision: %w", err)
	}
	if r.Title == "" {
		return Revision{}, fmt.Errorf("revision begins with no title in a comment")
	}
	for key, to := range map[string]*string{"Revision ID": &r.ID, "Revises": &r.Revises} {
		if *to = fields[key]; !identifier.MatchString(*to) {
			return Revision{}, fmt.Errorf("revision %q: %q is not the name of a revision: letters, digits, dots and underscores, at most 32", r.Title, key+": "+*to)
		}
	}
	if r.ID == r.Revises {
		return Revision{}, fmt.Errorf("revision %s revises itself", r.ID)
	}
	var err error
	if r.Created, err = time.Parse(dateLayout, fields["Create Date"]); err != nil {
		return Revision{}, fmt.Errorf("revision %s: create date: %w", r.ID, err)
	}
	return r, nil
}
