package janitor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// rotations are families of tokens: rotation g of family f is named "f-g".
type rotations struct {
	families, length int
	key              string // the column that references: parent_id, the rotation before; replaced_by, the next one
	expires          string // of a row, over f and g; "" = an hour apart, and a second between families
	revoked          string // whether it is revoked long ago and expires in a week, over f and g; "" = false
}

// key adds a column that references another row of the table, with an index.
func (tab *table) key(name, clauses string) {
	tab.t.Helper()
	tab.exec(`ALTER TABLE refresh_tokens ADD ` + name + ` uuid`)
	tab.exec(`ALTER TABLE refresh_tokens ADD FOREIGN KEY (` + name + `) REFERENCES refresh_tokens (id) ` + clauses)
	tab.exec(`CREATE INDEX ON refresh_tokens (` + name + `)`)
}

// rotate inserts families.
func (tab *table) rotate(r rotations) {
	tab.t.Helper()
	if r.expires == "" {
		r.expires = fmt.Sprintf(`'%s'::timestamptz + g * interval '1 h' / %d + f * interval '1 s'`, at(-30*24*time.Hour), 1+r.length/500)
	}
	if r.revoked == "" {
		r.revoked = "false"
	}
	other, exists := "g - 1", "g > 1"
	if r.key == "replaced_by" {
		other, exists = "g + 1", fmt.Sprintf("g < %d", r.length)
	}
	tab.exec(fmt.Sprintf(`INSERT INTO refresh_tokens (id, user_id, token_hash, %s, expires_at, is_revoked, revoked_at)
		SELECT md5(f || '-' || g)::uuid, '00000000-0000-0000-0000-000000000001', f || '-' || g,
		       CASE WHEN %s THEN md5(f || '-' || %s)::uuid END,
		       CASE WHEN revoked THEN '%s' ELSE (%s)::timestamptz END, revoked, CASE WHEN revoked THEN '%s'::timestamptz END
		FROM generate_series(1, %d) AS g, generate_series(1, %d) AS f, LATERAL (SELECT (%s) AS revoked) AS r`,
		r.key, exists, other, at(week), r.expires, at(-2*week), r.length, r.families, r.revoked))
}

// Families all of which is due go in one run, whatever kind of key binds them.
func TestFamiliesGo(t *testing.T) {
	t.Parallel()
	long := rotations{families: 30, length: 20, key: "parent_id"}
	with := func(change func(*rotations)) rotations {
		r := long
		change(&r)
		return r
	}
	replaced := with(func(r *rotations) { r.key = "replaced_by" })
	tied := with(func(r *rotations) { r.expires = "'" + at(-week) + "'" })
	byKey := func(clauses string) func(*table) { return func(tab *table) { tab.key("parent_id", clauses) } }
	for _, variant := range []struct {
		name  string
		setUp func(*table)
		rows  rotations
		after func(*table) // nil = nothing
	}{
		{"no action", byKey(""), long, nil},
		{"restrict", byKey("ON DELETE RESTRICT"), long, nil},
		{"deferrable", byKey("DEFERRABLE"), long, nil},
		{"deferred", byKey("DEFERRABLE INITIALLY DEFERRED"), long, nil},
		{"newest first", byKey(""), with(func(r *rotations) {
			r.expires = "'" + at(-2*time.Hour) + "'::timestamptz - g * interval '1 h' + f * interval '1 s'"
		}), nil},
		{"in no order", byKey("ON DELETE RESTRICT"), with(func(r *rotations) {
			r.expires = "'" + at(-2*time.Hour) + "'::timestamptz - (f * 20 + g) * 7919 % 600 * interval '1 h'"
		}), nil},
		{"replaced_by", func(tab *table) { tab.key("replaced_by", "") }, replaced, nil},
		{"replaced_by, newest first", func(tab *table) { tab.key("replaced_by", "DEFERRABLE INITIALLY DEFERRED") }, with(func(r *rotations) {
			r.key, r.expires = "replaced_by", "'"+at(-2*time.Hour)+"'::timestamptz - g * interval '1 h' + f * interval '1 s'"
		}), nil},
		{"of one expiry", byKey(""), tied, nil},
		{"of one expiry, by blocks", func(tab *table) { tab.key("parent_id", ""); tab.tune = func(r *run) { r.tuning.fewTied = 0 } }, tied, nil},
		{"swept", func(tab *table) { tab.key("parent_id", ""); tab.tune = sweepAll }, long, nil},
		{"each second one revoked", byKey(""), with(func(r *rotations) { r.revoked = "g % 2 = 0" }), nil},
		{"each second one revoked, swept", func(tab *table) { tab.key("parent_id", ""); tab.tune = sweepAll }, with(func(r *rotations) { r.revoked = "g % 2 = 0" }), nil},
		{"each second one revoked, with its index", func(tab *table) {
			tab.key("parent_id", "")
			tab.exec(`CREATE INDEX ON refresh_tokens (revoked_at)`)
		}, with(func(r *rotations) { r.revoked = "g % 2 = 1" }), nil},
		{"the older half revoked", byKey(""), with(func(r *rotations) { r.revoked = "g <= 10" }), nil},
		{"partitioned", func(tab *table) {
			tab.partition()
			tab.exec(`ALTER TABLE refresh_tokens ADD PRIMARY KEY (id)`)
			tab.key("parent_id", "")
		}, long, nil},
		{"partitioned, swept", func(tab *table) {
			tab.partition()
			tab.exec(`ALTER TABLE refresh_tokens ADD PRIMARY KEY (id)`)
			tab.key("parent_id", "ON DELETE RESTRICT")
			tab.tune = sweepAll
		}, long, nil},
		{"in a ring", byKey(""), long, func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET parent_id = md5(split_part(token_hash, '-', 1) || '-20')::uuid WHERE parent_id IS NULL AND token_hash <> 'live'`)
		}},
		{"in rings of both rules", byKey(""), with(func(r *rotations) { r.revoked = "g % 2 = 0" }), func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET parent_id = md5(split_part(token_hash, '-', 1) || '-20')::uuid WHERE parent_id IS NULL AND token_hash <> 'live'`)
		}},
		{"each its own parent", byKey("ON DELETE RESTRICT"), long, func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET parent_id = id WHERE parent_id IS NULL AND token_hash <> 'live'`)
		}},
		{"two keys", func(tab *table) { tab.key("parent_id", ""); tab.key("family_id", "DEFERRABLE") }, long, func(tab *table) {
			tab.exec(`UPDATE refresh_tokens SET family_id = md5(split_part(token_hash, '-', 1) || '-1')::uuid WHERE token_hash <> 'live'`)
		}},
		{"keys either way", func(tab *table) { tab.key("parent_id", ""); tab.key("replaced_by", "") }, long, func(tab *table) {
			tab.exec(`UPDATE refresh_tokens AS t SET replaced_by = c.id FROM refresh_tokens AS c WHERE c.parent_id = t.id`)
		}},
		{"by the hash", func(tab *table) { tab.key("parent_id", "") }, long, func(tab *table) {
			tab.exec(`ALTER TABLE refresh_tokens ADD parent_hash varchar`)
			tab.exec(`UPDATE refresh_tokens AS t SET parent_hash = p.token_hash FROM refresh_tokens AS p WHERE t.parent_id = p.id`)
			tab.exec(`ALTER TABLE refresh_tokens DROP COLUMN parent_id, ADD FOREIGN KEY (parent_hash) REFERENCES refresh_tokens (token_hash)`)
			tab.exec(`CREATE INDEX ON refresh_tokens (parent_hash)`)
		}},
		{"composite", func(tab *table) { tab.key("parent_id", "") }, long, func(tab *table) {
			tab.exec(`ALTER TABLE refresh_tokens DROP CONSTRAINT refresh_tokens_parent_id_fkey, ADD UNIQUE (user_id, id), ADD FOREIGN KEY (user_id, parent_id) REFERENCES refresh_tokens (user_id, id)`)
		}},
		{"without an index on the key", byKey(""), long, func(tab *table) { tab.exec(`DROP INDEX refresh_tokens_parent_id_idx`) }},
		{"with a trigger before", byKey(""), long, func(tab *table) { tab.refuse("BEFORE DELETE ON refresh_tokens", "P0001") }},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			variant.setUp(tab)
			tab.insert(token{name: "live", expires: at(week)})
			tab.rotate(variant.rows)
			if variant.after != nil {
				variant.after(tab)
			}
			tab.exec(`ANALYZE refresh_tokens`)
			s.DryRun = true
			would := tab.run(s).Would
			s.DryRun, s.BatchMaxRows, s.BatchGoal = false, 100, time.Minute
			var told Counts
			s.OnBatch = func(b Batch) { *told.of(b.Reason) += b.Rows }
			res := tab.run(s)
			if res.Outcome != Drained || res.Left.Total() != 0 || res.Deleted != would || res.Deleted.Total() != 600 {
				t.Errorf("run: %+v; the dry run found %+v", res, would)
			}
			if told != res.Deleted {
				t.Errorf("OnBatch heard of %+v of %+v", told, res.Deleted)
			}
			if res.Overdue[Expired].Rows != 0 || res.Overdue[Revoked].Rows != 0 {
				t.Errorf("overdue: %+v", res.Overdue)
			}
			if n := res.Batches[Expired] + res.Batches[Revoked]; n > 60 {
				t.Errorf("%d batches", n)
			}
			tab.survive("live")
		})
	}
}

// Keys between two partitions, one of which holds what the other references.
func TestFamiliesBetweenPartitions(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct{ name, from, onto string }{
		{"one onto another", "part0", "part1"}, {"one onto itself", "part1", "part1"}, {"one onto the table", "part2", "refresh_tokens"},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.partition()
			tab.exec(`ALTER TABLE refresh_tokens ADD PRIMARY KEY (id), ADD parent_id uuid`)
			tab.exec(`ALTER TABLE ` + variant.from + ` ADD FOREIGN KEY (parent_id) REFERENCES ` + variant.onto + ` (id)`)
			tab.exec(`CREATE INDEX ON refresh_tokens (parent_id)`)
			tab.fill(500, "'"+at(-2*time.Hour)+"'::timestamptz - i * interval '1 s'", "false", "NULL")
			tab.insert(token{name: "live", expires: at(week)})
			// The older is referenced by the next newer one of the referencing table.
			tab.exec(`UPDATE ` + variant.from + ` AS t SET parent_id = (SELECT id FROM ` + variant.onto + ` AS p WHERE p.expires_at < t.expires_at ORDER BY p.expires_at DESC LIMIT 1)
				WHERE token_hash <> 'live'`)
			s.BatchMaxRows = 20
			if res := tab.run(s); res.Outcome != Drained || res.Deleted.Expired != 500 {
				t.Errorf("run: %+v", res)
			}
			tab.survive("live")
		})
	}
}

// What a live token references stays, with all before it, and is told as referenced; other families go.
func TestLiveTokenKeepsItsFamily(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name  string
		key   string
		tune  func(*run)
		setUp func(*table)
	}{
		{"no action", "", nil, nil},
		{"restrict", "ON DELETE RESTRICT", nil, nil},
		{"deferred", "DEFERRABLE INITIALLY DEFERRED", nil, nil},
		{"swept", "", sweepAll, nil},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.tune = variant.tune
			tab.key("parent_id", variant.key)
			tab.rotate(rotations{families: 30, length: 20, key: "parent_id"})
			tab.exec(`UPDATE refresh_tokens SET expires_at = '` + at(week) + `' WHERE token_hash IN ('3-20', '10-5', '30-1')`)
			// 10-5 keeps 10-1 to 10-4; what comes after it goes.
			want := []string{"30-1"}
			for g := range 20 {
				want = append(want, fmt.Sprintf("3-%d", g+1))
			}
			for g := range 5 {
				want = append(want, fmt.Sprintf("10-%d", g+1))
			}
			s.BatchMaxRows = 100
			for _, deleted := range []int64{600 - 26, 0} {
				res := tab.run(s)
				if res.Outcome != Partial || res.StopReason != StopLeft || res.Left != (Left{Referenced: 19 + 4}) || res.Deleted != (Counts{Expired: deleted}) {
					t.Errorf("run: %+v", res)
				}
				if got := res.Overdue[Expired]; got.Rows != 23 {
					t.Errorf("overdue: %+v", got)
				}
				tab.survive(want...)
			}
		})
	}
}

// A row in the middle of a chain that is locked, referenced elsewhere, or held by a trigger keeps what is
// before it, which is told as referenced; what comes after it goes, and other families.
func TestHeldRowKeepsItsFamily(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name string
		hold func(*table)
		left Left
	}{
		{"locked", func(tab *table) { tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = '7-300' FOR UPDATE`) }, Left{Locked: 1, Referenced: 299}},
		{"locked, without the right to pass over it", func(tab *table) {
			tab.hold(`SELECT FROM refresh_tokens WHERE token_hash = '7-300' FOR UPDATE`)
			tab.fewerRights("parent_id, id")
		}, Left{Locked: 1, Referenced: 299}},
		{"referenced elsewhere", func(tab *table) {
			tab.exec(`CREATE TABLE audit (token uuid REFERENCES refresh_tokens)`)
			tab.exec(`INSERT INTO audit SELECT id FROM refresh_tokens WHERE token_hash = '7-300'`)
		}, Left{Referenced: 300}},
		{"refused", func(tab *table) { tab.refuseOnly("7-300", `RAISE 'litigation hold'`) }, Left{Refused: 1, Referenced: 299}},
		{"kept without a word", func(tab *table) { tab.refuseOnly("7-300", `RETURN NULL`) }, Left{Refused: 1, Referenced: 299}},
	} {
		t.Run(variant.name, func(t *testing.T) {
			t.Parallel()
			tab, s := newTable(t), settings()
			tab.key("parent_id", "")
			tab.rotate(rotations{families: 10, length: 500, key: "parent_id"})
			variant.hold(tab)
			s.LockTimeout, s.BatchMaxRows, s.BatchGoal = 10*time.Millisecond, 1000, time.Second
			res := tab.run(s)
			if res.Outcome != Partial || res.StopReason != StopLeft || res.Left != variant.left || res.Deleted.Expired != 5000-300 {
				t.Errorf("run: %+v", res)
			}
			if res.Overdue[Expired].Rows != 300 || res.Batches[Expired] > 200 {
				t.Errorf("%d batches, overdue %+v", res.Batches[Expired], res.Overdue)
			}
			var want []string
			for g := range 300 {
				want = append(want, fmt.Sprintf("7-%d", g+1))
			}
			tab.survive(want...)
			t.Logf("%d batches, %s, the longest %s", res.Batches[Expired], res.Duration.Round(time.Millisecond), res.LongestBatch.Round(time.Millisecond))
		})
	}
}

// refuseOnly makes a trigger that does not let one row go.
func (tab *table) refuseOnly(name, how string) {
	tab.t.Helper()
	tab.exec(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF OLD.token_hash = '` + name + `' THEN ` + how + `; END IF; RETURN OLD; END $$`)
	tab.exec(`CREATE TRIGGER refuse BEFORE DELETE ON refresh_tokens FOR EACH ROW EXECUTE FUNCTION refuse()`)
}

// fewerRights makes the connection one of a role that may delete, and read no more columns than it has to
// and these.
func (tab *table) fewerRights(columns string) {
	tab.t.Helper()
	tab.lessRights()
	role := ""
	if err := tab.QueryRow(tab.t.Context(), `SELECT quote_ident(current_user)`).Scan(&role); err != nil {
		tab.t.Fatal(err)
	}
	tab.exec(`RESET ROLE`)
	tab.exec(`DELETE FROM refresh_tokens WHERE token_hash !~ '^[0-9]+-[0-9]+$'`)
	tab.exec(`GRANT SELECT (` + columns + `) ON refresh_tokens TO ` + role)
	tab.exec(`SET ROLE ` + role)
}

// A role that may not read the key's columns deletes what it can, as if the keys were another table's.
func TestFamiliesUnseen(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.key("parent_id", "")
	tab.rotate(rotations{families: 10, length: 5, key: "parent_id"})
	tab.lessRights()
	s.BatchMaxRows = 20
	res := tab.run(s)
	if res.Outcome != Partial && res.Outcome != Drained || res.Deleted.Expired+res.Left.Referenced != 250 {
		t.Errorf("run: %+v", res)
	}
}

// However long a chain is, its batches are as many as its rows need, and no longer than others.
func TestLongChains(t *testing.T) {
	t.Parallel()
	for _, variant := range []struct {
		name string
		rows rotations
		live string // a token that keeps what is before it
		kept int64
	}{
		{"3,000", rotations{families: 1, length: 3000, key: "parent_id"}, "", 0},
		{"20,000", rotations{families: 1, length: 20_000, key: "parent_id"}, "", 0},
		{"20,000 of one expiry", rotations{families: 1, length: 20_000, key: "parent_id", expires: "'" + at(-week) + "'"}, "", 0},
		{"30,000", rotations{families: 1, length: 30_000, key: "parent_id", expires: "'" + at(-week) + "'::timestamptz + g * interval '1 s'"}, "", 0},
		{"30,000 with a live end", rotations{families: 1, length: 30_000, key: "parent_id", expires: "'" + at(-week) + "'::timestamptz + g * interval '1 s'"}, "1-30000", 29_999},
		{"20,000 replaced", rotations{families: 1, length: 20_000, key: "replaced_by"}, "", 0},
		{"200 of 50", rotations{families: 200, length: 50, key: "parent_id"}, "", 0},
		{"1,000 of 20", rotations{families: 1000, length: 20, key: "parent_id"}, "", 0},
		{"15,000 by both keys", rotations{families: 1, length: 15_000, key: "parent_id"}, "", 0},
		{"15,000 by both keys with a live end", rotations{families: 1, length: 15_000, key: "parent_id"}, "1-15000", 14_999},
		{"a star of 30,000", rotations{families: 1, length: 30_000, key: "parent_id"}, "", 0},
	} {
		t.Run(variant.name, func(t *testing.T) {
			if variant.rows.families*variant.rows.length > 10_000 {
				pgtemp.Large(t)
			}
			tab := newTable(t)
			tab.key(variant.rows.key, "")
			tab.rotate(variant.rows)
			if strings.HasPrefix(variant.name, "a star") {
				tab.exec(`UPDATE refresh_tokens SET parent_id = md5('1-1')::uuid WHERE token_hash <> '1-1'`)
			}
			if strings.Contains(variant.name, "both keys") {
				tab.key("replaced_by", "")
				tab.exec(`UPDATE refresh_tokens AS t SET replaced_by = n.id FROM refresh_tokens AS n WHERE n.parent_id = t.id`)
			}
			if variant.live != "" {
				tab.exec(`UPDATE refresh_tokens SET expires_at = '`+at(week)+`' WHERE token_hash = $1`, variant.live)
			}
			tab.exec(`VACUUM ANALYZE refresh_tokens`)
			total := tab.count("true")
			res := tab.run(settings())
			t.Logf("%d rows in %s: %d batches, the longest %s", res.Deleted.Expired, res.Duration.Round(time.Millisecond),
				res.Batches[Expired], res.LongestBatch.Round(time.Millisecond))
			if res.Left != (Left{Referenced: variant.kept}) || (res.Outcome == Drained) != (variant.kept == 0) {
				t.Errorf("run: %+v", res)
			}
			if left := tab.count("true"); res.Deleted.Expired != total-left || variant.live == "" && left != 0 || variant.live != "" && left != variant.kept+1 {
				t.Errorf("%d of %d rows left: %+v", left, total, res)
			}
			if n := res.Batches[Expired]; n > 50+total/floorRows {
				t.Errorf("%d batches", n)
			}
		})
	}
}

// A budget holds to the row, within a family as well, and each run takes up where the last one ended.
func TestBudgetWithinAFamily(t *testing.T) {
	t.Parallel()
	tab, s := newTable(t), settings()
	tab.key("parent_id", "")
	tab.rotate(rotations{families: 1, length: 100, key: "parent_id"})
	s.MaxRows = 33
	for _, left := range []int64{67, 34, 1} {
		if res := tab.run(s); res.Deleted.Expired != 33 || res.StopReason != StopMaxRows || tab.count("true") != left {
			t.Errorf("run: %+v, %d rows left", res, tab.count("true"))
		}
	}
	tab.survive("1-1")
	if res := tab.run(s); res.Outcome != Drained {
		t.Errorf("last run: %+v", res)
	}
	tab.survive()
}
