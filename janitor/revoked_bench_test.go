package janitor

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkRevoked is the cost of a row that the revoked pass deletes over that of one
// that the expired pass does, with as many live rows beside it or ten times as many: with
// an index on revoked_at, as SCHEMA.md advises, and without. One DELETE of the same rows
// tells what of it is the table's: those revoked lie among the live ones, on more pages.
func BenchmarkRevoked(b *testing.B) {
	server := benchServer(b)
	due := *benchRows / 2
	deleteRevoked := untilNone(true, fmt.Sprintf(`DELETE FROM refresh_tokens WHERE is_revoked AND revoked_at < '%s' AND expires_at >= $1::timestamptz`, at(-week)))
	// Else the walk by expires_at ends before the last of these.
	const lifetime = 2*week + time.Hour
	passes := []struct {
		name, index string
		revoked     bool
		run         func(*table) work
	}{
		// Each row that goes pays for each index, so all tables have as many.
		{"expired", `(user_id, revoked_at)`, false, ours(week)},
		{"revoked with index", `(revoked_at) WHERE is_revoked`, true, ours(lifetime)},
		{"one DELETE with index", `(revoked_at) WHERE is_revoked`, true, deleteRevoked},
		{"revoked without", `(user_id, revoked_at)`, true, ours(lifetime)},
	}
	for _, times := range []int{1, 10} {
		tabs := make([]*table, len(passes))
		for i, p := range passes {
			tabs[i] = headIn(b, server, fmt.Sprintf("pass_%d", i))
			tabs[i].exec(`CREATE INDEX ON refresh_tokens ` + p.index)
			tabs[i].keep(content{due: due, live: due * times, revoked: p.revoked})
		}
		cost, longest := make([][]float64, len(passes)), make([][]float64, len(passes))
		for range *benchRounds {
			var expired float64
			for i, p := range passes {
				tabs[i].refill()
				did := p.run(tabs[i])
				if did.rows != int64(due) {
					b.Fatalf("%s: %d rows deleted of %d", p.name, did.rows, due)
				}
				if i == 0 {
					expired = did.rate()
				}
				cost[i] = append(cost[i], expired/did.rate())
				longest[i] = append(longest[i], did.longest.Seconds()*1000)
			}
		}
		for i, p := range passes {
			tell(b, fmt.Sprintf("live=%dx/pass=%s", times, p.name), map[string]float64{"cost/expired": middle(cost[i]), "longest-ms": middle(longest[i])})
		}
	}
}
