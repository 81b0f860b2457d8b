package janitor

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// transition is one way from a reader to the next. The event is what the step found.
type transition struct {
	from string
	what event
	to   string
}

func (tr transition) String() string { return fmt.Sprintf("%s, %s: %s", tr.from, tr.what, tr.to) }

// end is what comes after the last reader of a pass.
const end = "end"

// mapped are the transitions that TestModel has to take: the map in the package comment.
var mapped = []transition{
	{"windows", windowCleared, "windows"},
	{"windows", rowsDense, "sweep"},
	{"windows", keyFillsAll, "tie"},
	{"windows", keysEnd, end},
	{"windows", keysEnd, "tie"},
	{"tie", tieListed, "afterTie"},
	{"tie", tieTooLarge, "blocks"},
	{"afterTie", nextKey, "windows"},
	{"afterTie", keysEnd, end},
	{"afterTie", keysEnd, "tie"},
	{"blocks", blocksCleared, "blocks"},
	{"blocks", blocksCleared, "afterTie"},
	{"blocks", blocksCleared, "sweep"},
	{"sweep", blocksCleared, "sweep"},
	{"sweep", otherRuleMet, "blocks"},
	{"sweep", blocksCleared, "countByBlock"},
	{"blocks", blocksCleared, "countByBlock"},
	{"countByBlock", rewritten, "windows"},
	{"windows", keysEnd, "countByIndex"},
	{"afterTie", keysEnd, "countByIndex"},
	{"afterTie", keysEnd, "countByBlock"},
	{"tie", rowsVanished, "tie"},
	{"countByIndex", counted, end},
	{"countByIndex", counted, "windows"},
	{"countByBlock", countedBlocks, "countByBlock"},
	{"countByBlock", counted, end},
	{"countByBlock", counted, "windows"},
}

// mappedElsewhere are those that other tests take: they need a million dead entries, say.
var mappedElsewhere = []transition{
	{"windows", deadEntries, "sweep"},
	{"tie", deadEntries, "sweep"},
	{"afterTie", deadEntries, "sweep"},
	{"sweep", blocksCleared, end}, // where nobody else writes, and of a dry run over dead entries
	{"blocks", blocksCleared, end},
	{"windows", rowsVanished, "windows"},
	{"blocks", rowsVanished, "blocks"},
	{"sweep", rowsVanished, "sweep"},
	{"windows", keysEnd, "countByBlock"},
	{"windows", keysEnd, "again"}, // rows were referenced, and others have gone since
	{"afterTie", keysEnd, "again"},
	{"sweep", blocksCleared, "again"},
	{"blocks", blocksCleared, "again"},
	{"again", triedAgain, "again"},
	{"again", triedAgain, end},
	{"again", triedAgain, "countByIndex"},
	{"again", triedAgain, "countByBlock"},
	{"again", rowsVanished, "again"},
	{"again", rowsVanished, "countByIndex"},
	{"again", rowsVanished, "countByBlock"},
	{"sweep", rewritten, "windows"}, // a partition is gone
	{"blocks", rewritten, "windows"},
}

// recorder notes the transitions that runs take.
type recorder struct {
	mu    sync.Mutex
	taken map[transition]int
}

// watch returns the observer of one run. It fails the test at a transition that no map has.
func (rec *recorder) watch(t testing.TB) func(from reader, what event, to reader) {
	known := map[transition]bool{}
	for _, all := range [][]transition{mapped, mappedElsewhere} {
		for _, tr := range all {
			known[tr] = true
		}
	}
	take := func(tr transition) {
		if !known[tr] {
			t.Errorf("a transition that the map does not have: %s", tr)
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		if rec.taken == nil {
			rec.taken = map[transition]int{}
		}
		rec.taken[tr]++
	}
	return func(from reader, what event, to reader) {
		take(transition{nameOf(from), what, nameOf(to)})
	}
}

// missing are those of some transitions that were not taken.
func (rec *recorder) missing(want []transition) (missing []transition) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for _, tr := range want {
		if rec.taken[tr] == 0 {
			missing = append(missing, tr)
		}
	}
	return missing
}

// require fails the test unless each of these was taken.
func (rec *recorder) require(t testing.TB, want ...transition) {
	t.Helper()
	for _, tr := range rec.missing(want) {
		t.Errorf("never taken: %s", tr)
	}
}

func nameOf(r reader) string {
	if r == nil {
		return end
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", r), "janitor.")
}

// The package comment is the map: it has a line for each event of each reader.
func TestPackageCommentIsTheMap(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("janitor.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range mapped {
		line := `(?m)^//\s+` + tr.from + `\s+` + regexp.QuoteMeta(string(tr.what))
		if !regexp.MustCompile(line).Match(text) {
			t.Errorf("the package comment has no line for: %s", tr)
		}
	}
}
