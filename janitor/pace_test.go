package janitor

import (
	"testing"
	"time"
)

const ms = time.Millisecond

func TestPaceFindsItsWindow(t *testing.T) {
	t.Parallel()
	for _, disk := range []struct {
		name    string
		perRow  time.Duration // what a row costs, beside 1ms for the trip
		max     int
		settles int // rows, within a fifth
	}{
		{name: "in memory", perRow: time.Microsecond, max: 5000, settles: 5000},
		{name: "slow disk", perRow: 20 * time.Microsecond, max: 5000, settles: 2450},
		{name: "very slow disk", perRow: 200 * time.Microsecond, max: 5000, settles: 245},
		{name: "a child without an index", perRow: 5 * ms, max: 5000, settles: 9},
		{name: "one at a time", perRow: 60 * ms, max: 5000, settles: 1},
		{name: "small by order", perRow: time.Microsecond, max: 10, settles: 10},
	} {
		t.Run(disk.name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			s.BatchMaxRows = disk.max
			p := newPace(s)
			for range 20 {
				p.resize(ms+time.Duration(p.rows)*disk.perRow, int64(p.rows))
				if p.rows < 1 || p.rows > disk.max {
					t.Fatalf("a window of %d rows", p.rows)
				}
			}
			// Right is what takes between two thirds of the goal and all of it.
			if p.rows > disk.settles || p.rows < disk.settles*3/5 {
				t.Errorf("settles at %d rows, want about %d", p.rows, disk.settles)
			}
		})
	}
}

func TestPaceShrinksAtOnce(t *testing.T) {
	t.Parallel()
	p := newPace(settings())
	for range 10 {
		p.resize(ms, int64(p.rows))
	}
	if p.rows != 5000 {
		t.Fatalf("%d rows after ten fast windows", p.rows)
	}
	p.resize(500*ms, int64(p.rows)) // ten times the goal
	if p.rows != 500 {
		t.Errorf("%d rows after a stall, want 500", p.rows)
	}
	p.resize(time.Hour, int64(p.rows))
	if p.rows != floorRows {
		t.Errorf("%d rows after an hour, want the floor", p.rows)
	}
}

// A table that nobody has measured costs no batch of seconds, and a fast one two round trips.
func TestPaceBeginsSmall(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		perRow  time.Duration
		window  int   // of the last run; 0 = there was none
		windows []int // the first ones
	}{
		{"fast", 2 * time.Microsecond, 0, []int{16, 128, 1024, 5000, 5000}},
		{"milliseconds a row", 3 * ms, 0, []int{16, 16, 16}},
		{"tenths of a second a row", 200 * ms, 0, []int{16, 1, 1, 1}},
		{"fast, and known", 2 * time.Microsecond, 5000, []int{5000, 5000}},
		{"slow, and known", 40 * ms, 1, []int{1, 1, 1}},
		{"known, and larger than it may be", 2 * time.Microsecond, 9000, []int{5000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			s.Window = tt.window
			p := newPace(s)
			for i, want := range tt.windows {
				if p.rows != want {
					t.Errorf("window %d: %d rows, want %d", i+1, p.rows, want)
				}
				p.resize(ms+time.Duration(p.rows)*tt.perRow, int64(p.rows))
			}
		})
	}
}

// What a commit waits for is not shortened by fewer rows: then a window keeps a hundred. Rows that are
// slow and a commit that is are told apart.
func TestPaceKnowsWhatIsSlow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		commit       time.Duration
		perRow       time.Duration
		least, most  int // rows, after some batches
		slowestBatch time.Duration
	}{
		{"a far standby", 90 * ms, 10 * time.Microsecond, 60, floorRows, 100 * ms},
		{"slow rows", 0, 40 * ms, 1, 2, 640 * ms},
		{"both", 70 * ms, 40 * ms, 1, 2, 710 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPace(settings())
			for i := range 60 {
				took := tt.commit + time.Duration(p.rows)*tt.perRow
				if took > tt.slowestBatch {
					t.Errorf("batch %d: %d rows in %s", i+1, p.rows, took)
				}
				if i > 20 && (p.rows < tt.least || p.rows > tt.most) {
					t.Errorf("batch %d: %d rows, want %d to %d", i+1, p.rows, tt.least, tt.most)
				}
				p.resize(took, int64(p.rows))
			}
		})
	}
}

// Load and rate are kept within a tenth, also by timers that oversleep, and no second
// holds more than its share.
func TestPaceIsHonest(t *testing.T) {
	t.Parallel()
	for _, want := range []struct {
		name string
		load float64
		rate int
		over time.Duration // by which every rest oversleeps
	}{
		{name: "half load", load: 0.5},
		{name: "half load, sleepy timers", load: 0.5, over: ms},
		{name: "a tenth", load: 0.1, over: 3 * ms},
		{name: "all", load: 1},
		{name: "20,000 rows/s", load: 1, rate: 20000, over: ms},
		{name: "500 rows/s", load: 0.5, rate: 500, over: 2 * ms},
		{name: "7 rows/s", load: 0.5, rate: 7},
	} {
		t.Run(want.name, func(t *testing.T) {
			t.Parallel()
			s := settings()
			s.Load, s.MaxRate = want.load, want.rate
			p := newPace(s)
			var now, work time.Duration
			var rows int64
			for i := 0; now < time.Minute; i++ {
				took := time.Duration(3+i%5) * ms
				n := int64(p.rows)
				rest := p.after(now, took, n)
				p.resize(took, n)
				work, rows, now = work+took, rows+n, now+took
				if rest.For > 0 {
					slept := rest.For + want.over
					p.rested(slept)
					now += slept
				}
				if want.rate > 0 && n > int64(max(1, want.rate/ratePerWindow)) {
					t.Fatalf("a burst of %d rows", n)
				}
			}
			load, rate := float64(work)/float64(now), float64(rows)/now.Seconds()
			if want.rate > 0 {
				if rate > float64(want.rate)*1.01 || rate < float64(want.rate)*0.9 {
					t.Errorf("%.0f rows/s, want %d", rate, want.rate)
				}
			} else if load > want.load*1.01 || load < want.load*0.9 {
				t.Errorf("load %.2f, want %.2f", load, want.load)
			}
		})
	}
}

// Windows of which little goes lead to none that would delete very much at once.
func TestPaceGrowsByWhatGoes(t *testing.T) {
	t.Parallel()
	s := settings()
	s.BatchMaxRows = 100_000
	p := newPace(s)
	for range 20 {
		p.resize(ms, 0)
	}
	if p.rows != firstRows {
		t.Errorf("windows of %d rows, and none ever went", p.rows)
	}
	if p.resize(2*ms, 2); p.rows != 50 { // a millisecond a row, by what is known
		t.Errorf("windows of %d rows after one of which 2 went in 2 ms, want 50", p.rows)
	}
	p.resize(s.BatchGoal, int64(p.rows))
	for range 20 {
		p.resize(ms, 0)
	}
	if p.rows != sparseRows {
		t.Errorf("windows of %d rows after many of which nothing went, want %d", p.rows, sparseRows)
	}
	for range 20 {
		p.resize(ms, int64(p.rows))
	}
	if p.rows != s.BatchMaxRows {
		t.Errorf("windows of %d rows after many that went whole, want %d", p.rows, s.BatchMaxRows)
	}
	p.resize(ms, 0)
	if p.rows != s.BatchMaxRows {
		t.Errorf("windows of %d rows after one of which nothing went: it took no longer", p.rows)
	}
}

func TestDryRunKnowsNoRate(t *testing.T) {
	t.Parallel()
	s := settings()
	s.MaxRate, s.DryRun = 10, true
	p := newPace(s)
	if rest := p.after(0, ms, 1000); rest.For != 0 {
		t.Errorf("a rest of %s", rest.For)
	}
	if p.rows != scanRows {
		t.Errorf("windows of %d rows, want %d: they only read", p.rows, scanRows)
	}
}

func TestPaceMakesNoUpForLostTime(t *testing.T) {
	t.Parallel()
	s := settings()
	s.MaxRate = 1000
	p := newPace(s)
	p.after(0, ms, 100)
	// An hour of silence, then a batch: the next is due a tenth of a second after.
	if got, want := p.after(time.Hour, ms, 100), (Rest{ForRate, 99 * ms}); got != want {
		t.Errorf("rest %+v, want %+v", got, want)
	}
}

func TestPaceRestsAtAnyLoad(t *testing.T) {
	t.Parallel()
	for _, load := range []float64{1e-6, 1e-12, 1e-300} {
		s := settings()
		s.Load, s.MaxRate = load, 0
		p := newPace(s)
		for range 3 {
			if rest := p.after(0, ms, 1); rest.For < time.Second {
				t.Errorf("load %g: rests %s", load, rest.For)
			}
		}
	}
}
