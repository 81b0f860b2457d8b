package janitor

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
)

var benchShape = flag.String("shape", "", "the shapes of BenchmarkShapes whose name has this")

// shape is a kind of table that people have, made of the usual one.
type shape struct {
	name   string
	c      content
	change []string
}

// shapes are tables on which a deletion costs more than the row itself, and what a daemon finds each day.
func shapes() []shape {
	rows := *benchRows
	partitions := min(400, max(3, rows/100)) // a few where .ci/run sees that it works
	families := usual(rows)
	rest := families.due % 20 // no live token keeps a family
	families.due, families.live = families.due-rest, families.live+rest
	// Families of 20 rotations, whose rows expire one after another.
	family := func(column, neighbour string) []string {
		return []string{
			`ALTER TABLE refresh_tokens ADD ` + column + ` uuid`,
			`WITH numbered AS (SELECT id, row_number() OVER (ORDER BY expires_at) - 1 AS n FROM refresh_tokens)
			 UPDATE refresh_tokens AS t SET ` + column + ` = o.id FROM numbered AS own JOIN numbered AS o ON o.n = own.n ` + neighbour + ` AND o.n / 20 = own.n / 20 WHERE own.id = t.id`,
			`ALTER TABLE refresh_tokens ADD FOREIGN KEY (` + column + `) REFERENCES refresh_tokens (id)`,
			`CREATE INDEX ON refresh_tokens (` + column + `)`,
		}
	}
	return []shape{
		{"a day of a daemon", content{due: max(20, rows/1000), live: rows}, nil},
		{"parent_id", families, family("parent_id", "- 1")},
		{"replaced_by", families, family("replaced_by", "+ 1")},
		{fmt.Sprintf("%d partitions", partitions), usual(rows), []string{
			`ALTER TABLE refresh_tokens RENAME TO plain`,
			`CREATE TABLE refresh_tokens (LIKE plain INCLUDING DEFAULTS) PARTITION BY HASH (id)`,
			fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%[1]d - 1 LOOP EXECUTE format('CREATE TABLE part%%s PARTITION OF refresh_tokens FOR VALUES WITH (MODULUS %[1]d, REMAINDER %%s)', i, i); END LOOP; END $$`, partitions),
			`CREATE INDEX ON refresh_tokens (expires_at)`,
			`INSERT INTO refresh_tokens SELECT * FROM plain ORDER BY expires_at`,
			`DROP TABLE plain`,
		}},
		{"a child that cascades", usual(rows), []string{
			`CREATE TABLE child (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, token uuid NOT NULL REFERENCES refresh_tokens ON DELETE CASCADE)`,
			`INSERT INTO child (token) SELECT id FROM refresh_tokens`,
			`CREATE INDEX ON child (token)`,
		}},
	}
}

// BenchmarkShapes drains each shape in turn by one DELETE and by the engine at full speed. Told is the rate over
// that of the DELETE in the same round.
func BenchmarkShapes(b *testing.B) {
	server := benchServer(b)
	for _, s := range shapes() {
		if !strings.Contains(s.name, *benchShape) {
			continue
		}
		tab := headIn(b, server, "shapes")
		tab.keep(s.c, s.change...)
		var ratios, longest, took []float64
		for range *benchRounds {
			tab.refill()
			theirs := ways[0].run(tab)
			tab.refill()
			own := ours(week)(tab)
			if own.rows != theirs.rows || own.rows != int64(s.c.due) {
				b.Fatalf("%s: %d rows deleted, one DELETE deleted %d of %d", s.name, own.rows, theirs.rows, s.c.due)
			}
			ratios = append(ratios, own.rate()/theirs.rate())
			longest = append(longest, own.longest.Seconds()*1000)
			took = append(took, float64(own.took)/float64(time.Millisecond))
		}
		tell(b, fmt.Sprintf("shape=%s", s.name), map[string]float64{"/DELETE": middle(ratios), "longest-ms": middle(longest), "run-ms": middle(took)})
	}
}
