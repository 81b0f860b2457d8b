package janitor

import "github.com/jackc/pgx/v5"

// places are where rows lie in the heap: a partition, and a place in it.
type places struct {
	parts []int64
	ctids []string
}

func (p places) len() int64 { return int64(len(p.ctids)) }

func (p places) slice(from, to int) places { return places{p.parts[from:to], p.ctids[from:to]} }

// cut returns the first n places, and the others.
func (p places) cut(n int) (places, places) { return p.slice(0, n), p.slice(n, len(p.ctids)) }

func (p *places) scan(rows pgx.Rows) error {
	*p = places{}
	for rows.Next() {
		var part int64
		var ctid string
		if err := rows.Scan(&part, &ctid); err != nil {
			return err
		}
		p.parts, p.ctids = append(p.parts, part), append(p.ctids, ctid)
	}
	return rows.Err()
}

// split makes n groups of the rows, or one for each row if they are fewer.
func (p places) split(n, step int) []group {
	size := max(1, (len(p.ctids)+n-1)/n)
	var groups []group
	for from := 0; from < len(p.ctids); from += size {
		groups = append(groups, group{p.slice(from, min(from+size, len(p.ctids))), step})
	}
	return groups
}
