package migrations

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/foreign_keys.sql
var foreignKeysSQL string

// foreignKey is one whose action fires in this session: what foreign_keys.sql tells. Its names are quoted as SQL wants
// them.
type foreignKey struct {
	Name, Of, To     string
	RelOID           uint32   // of the table that refers
	InFamily         bool     // that is the table of tokens, or a partition of the same table
	Deletes, Updates []uint32 // tables whose DELETE, or UPDATE, fires it
	OnDelete         string   // as pg_constraint has them: c = CASCADE, n = SET NULL, d = SET DEFAULT
	OnUpdate         string
	Columns          []string
	Referenced       []string
	Generated        []string // those of Referenced that are, once for each column that they are made of: MadeOf
	MadeOf           []string
	Nulled           []string // those of Columns that ON DELETE SET NULL, or SET DEFAULT, sets

	// Of Columns, those that
	NotNull, HasDefault []string
	OfRules             []string // decide what is due
	OfPrimary           []string // are of the primary key
	OfOthers            []string // say whose row it is

	Matching, Deferring    string
	Validated, Partitioned bool
	HasSetNullList         bool // the server knows ON DELETE SET NULL (column, ...)
}

// nul is what no name in PostgreSQL holds.
const nul = "\x00"

// effect is what becomes of rows of a table when a token is deleted: they go, or columns of theirs are set.
type effect struct {
	table   uint32
	columns string // that are set, joined by nul; "" = the rows are deleted
	value   string // NULL, default, or generated
}

// link is one foreign key at work, by a DELETE or an UPDATE of the row that it refers to.
type link struct {
	key      *foreignKey
	onUpdate bool
	effect   effect
}

// cascades holds the foreign keys of a database, by what each does in turn when a token is deleted.
type cascades struct {
	keys  []foreignKey
	start effect
	links map[effect][]link
	far   map[effect]int // links from there to the nearest harm; absent = there is none
}

// foreignKeys are those of the database whose action fires in this session.
func foreignKeys(ctx context.Context, tx pgx.Tx, table uint32, cols Columns) (keys []foreignKey, err error) {
	rows, err := tx.Query(ctx, foreignKeysSQL, pgx.QueryExecModeExec, table, cols.read())
	if err == nil {
		keys, err = pgx.CollectRows(rows, pgx.RowToStructByName[foreignKey])
	}
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	return keys, nil
}

// newCascades finds what these keys do in turn when a row of the table is deleted.
func newCascades(table uint32, keys []foreignKey) *cascades {
	c := &cascades{keys: keys, start: effect{table: table}, links: map[effect][]link{}, far: map[effect]int{}}
	c.spread()
	c.measure()
	return c
}

// spread finds all that a DELETE of a token leads to.
func (c *cascades) spread() {
	for queue := []effect{c.start}; len(queue) > 0; queue = queue[1:] {
		from := queue[0]
		if _, known := c.links[from]; known {
			continue
		}
		c.links[from] = nil
		for i := range c.keys {
			if l, fires := c.keys[i].after(from); fires {
				c.links[from] = append(c.links[from], l)
				if l.harm() == "" { // nothing can be worse after it
					queue = append(queue, l.effect)
				}
			}
		}
	}
}

// measure fills far, from the harm backwards.
func (c *cascades) measure() {
	for changed := true; changed; {
		changed = false
		for from, links := range c.links {
			for _, l := range links {
				far, leads := c.far[l.effect]
				if l.harm() != "" {
					far, leads = 0, true
				}
				if known, is := c.far[from]; leads && (!is || far+1 < known) {
					c.far[from], changed = far+1, true
				}
			}
		}
	}
}

// after says what the key does when from has happened to rows that it refers to.
func (k *foreignKey) after(from effect) (link, bool) {
	l := link{key: k, effect: effect{table: k.RelOID}}
	action, columns := k.OnDelete, k.Nulled
	if from.columns == "" {
		if !slices.Contains(k.Deletes, from.table) {
			return l, false
		}
	} else {
		if !slices.Contains(k.Updates, from.table) {
			return l, false
		}
		l.onUpdate, action, columns = true, k.OnUpdate, k.Columns
		set, value := strings.Split(from.columns, nul), from.value
		var followed []string
		for i, column := range k.Referenced {
			switch {
			case slices.Contains(set, column):
				followed = append(followed, k.Columns[i])
			case k.isGenerated(column, set):
				followed, value = append(followed, k.Columns[i]), "generated"
			}
		}
		if len(followed) == 0 {
			return l, false
		}
		if action == "c" {
			l.effect.columns, l.effect.value = strings.Join(followed, nul), value
			return l, true
		}
	}
	switch action {
	case "c":
		return l, true
	case "n":
		l.effect.columns, l.effect.value = strings.Join(columns, nul), "NULL"
		return l, true
	case "d":
		l.effect.columns, l.effect.value = strings.Join(columns, nul), "NULL"
		if common(columns, k.HasDefault) != nil {
			l.effect.value = "default"
		}
		return l, true
	}
	return l, false
}

// isGenerated reports whether a column that the key refers to is computed from one of these.
func (k *foreignKey) isGenerated(column string, from []string) bool {
	for i, generated := range k.Generated {
		if generated == column && slices.Contains(from, k.MadeOf[i]) {
			return true
		}
	}
	return false
}

// harm says what the link does to other tokens that must not be done, "" if nothing.
func (l link) harm() string {
	k := l.key
	if !k.InFamily {
		return ""
	}
	if l.effect.columns == "" {
		return "deletes other tokens"
	}
	set := strings.Split(l.effect.columns, nul)
	switch {
	case l.effect.value == "default":
		return fmt.Sprintf("sets %s of other tokens to what it is by default", strings.Join(set, ", "))
	case l.effect.value == "generated":
		return fmt.Sprintf("sets %s of other tokens to what another column comes to", strings.Join(set, ", "))
	case common(set, k.OfRules) != nil:
		return fmt.Sprintf("sets %s of other tokens to NULL, which the rules read", strings.Join(common(set, k.OfRules), ", "))
	case common(set, k.NotNull) != nil:
		return fmt.Sprintf("sets %s of other tokens to NULL, which it may not be, and fails", strings.Join(common(set, k.NotNull), ", "))
	case len(k.Columns) > 1 && common(set, k.OfOthers) != nil:
		return fmt.Sprintf("sets %s of other tokens to NULL, which says whose they are", strings.Join(common(set, k.OfOthers), ", "))
	}
	return ""
}

// touched returns what happens to which tables, the one of the tokens included, when a token is deleted.
func (c *cascades) touched() (tables []int64, updates []bool) {
	for from, links := range c.links {
		tables, updates = append(tables, int64(from.table)), append(updates, from.columns != "")
		for _, l := range links {
			tables, updates = append(tables, int64(l.effect.table)), append(updates, l.effect.columns != "")
		}
	}
	return tables, updates
}

// deleted returns the tables whose rows go when a token is deleted, its own included.
func (c *cascades) deleted() (tables []int64) {
	for effect := range c.links {
		if effect.columns == "" {
			tables = append(tables, int64(effect.table))
		}
	}
	return tables
}

// problems tells each chain of foreign keys by which the DELETE of one token harms others.
func (c *cascades) problems() []Problem {
	// Far more than anybody has: it is for keys between dozens of tables that all refer to each other, where the number
	// of chains has no end. Nearest first, so the first of them is found in any case.
	steps := 10_000
	var list []Problem
	var follow func(from effect, chain []link)
	follow = func(from effect, chain []link) {
		if steps--; steps < 0 || slices.ContainsFunc(chain[:max(0, len(chain)-1)], func(l link) bool { return l.effect == from }) {
			return
		}
		links := slices.Clone(c.links[from])
		distance := func(l link) int {
			if l.harm() != "" {
				return 0
			}
			return c.far[l.effect]
		}
		slices.SortStableFunc(links, func(a, b link) int { return distance(a) - distance(b) })
		for _, l := range links {
			longer := append(slices.Clip(chain), l)
			if l.harm() != "" {
				list = append(list, Problem{What: chainWhat(longer), Remedy: chainRemedy(longer)})
			} else if _, leads := c.far[l.effect]; leads {
				follow(l.effect, longer)
			}
		}
	}
	follow(c.start, nil)
	return list
}

func chainWhat(chain []link) string {
	keys := make([]string, len(chain))
	for i, l := range chain {
		does := onDelete(l.key.OnDelete)
		if l.onUpdate {
			does = onUpdate(l.key.OnUpdate)
		}
		keys[i] = fmt.Sprintf("foreign key %s of %s (%s)", l.key.Name, l.key.Of, does)
	}
	return fmt.Sprintf("deleting a token %s, by %s", chain[len(chain)-1].harm(), strings.Join(keys, ", then "))
}

// common returns what both lists hold, in the order of the first.
func common(a, b []string) (both []string) {
	for _, s := range a {
		if slices.Contains(b, s) {
			both = append(both, s)
		}
	}
	return both
}
