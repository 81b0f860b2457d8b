package janitor

import "time"

// tally is what a pass has counted beside the rows that it deleted.
type tally struct {
	left    Left
	refusal string        // what the server said of the first row of left.Refused
	oldest  time.Duration // how long the oldest row that was left has been due, once that was looked up
	counted int64         // due rows that a dry run counted
}

// add adds what a step counted.
func (t *tally) add(more tally) {
	t.left.Locked += more.left.Locked
	t.left.Referenced += more.left.Referenced
	t.left.Refused += more.left.Refused
	t.left.Slow += more.left.Slow
	if t.refusal == "" {
		t.refusal = more.refusal
	}
	t.counted += more.counted
}
