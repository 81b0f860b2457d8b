package status

import (
	"fmt"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
)

// The chart's own units; the page stretches it.
const (
	slot      = 10  // a run's width
	barWidth  = 7   // the rest is air
	fullChart = 100 // height
	leastBar  = 2   // what is not nothing is seen
)

// column is a run in the chart.
type column struct {
	X, Middle        float64
	Expired, Revoked struct{ Y, Height float64 } // revoked stands on expired
	Failed           bool
	Title            string
}

// columns is the chart of the last runs, the latest on the right.
type columns struct {
	Width, BarWidth, Height int
	Most                    int64
	Columns                 []column
}

func chart(runs []ended) columns {
	c := columns{Width: remembered * slot, BarWidth: barWidth, Height: fullChart}
	for _, r := range runs {
		c.Most = max(c.Most, r.Deleted.Total())
	}
	height := func(n int64) float64 {
		if n == 0 {
			return 0
		}
		return max(leastBar, (fullChart-leastBar)*float64(n)/float64(c.Most))
	}
	for i, r := range runs {
		col := column{X: float64((remembered-1-i)*slot) + (slot-barWidth)/2.0, Failed: r.Outcome == janitor.Failed}
		col.Middle = col.X + barWidth/2.0
		col.Expired.Height, col.Revoked.Height = height(r.Deleted.Expired), height(r.Deleted.Revoked)
		col.Expired.Y = fullChart - col.Expired.Height
		col.Revoked.Y = max(0, col.Expired.Y-col.Revoked.Height)
		col.Title = fmt.Sprintf("%s: %s, %s", r.Began.Format("15:04:05"), r.Outcome, text.Plural(r.Deleted.Total(), "token"))
		c.Columns = append(c.Columns, col)
	}
	return c
}
