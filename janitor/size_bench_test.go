package janitor

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

var benchSizes = flag.String("sizes", "2000,8000,32000", "rows of the tables whose cost is compared, the smallest first")

// quadratic is the size from which LIMIT batches are left out: each walks over the dead
// entries of all before it, and ten times the rows take a hundred times as long.
const quadratic = 2_000_000

// BenchmarkSize is the cost of a deleted row by the size of the backlog, and, of a fixed
// backlog, by the number of live rows beside it: over the cost of one DELETE's row at the
// smallest size, and over the way's own there, which is 1 throughout if the cost is flat.
func BenchmarkSize(b *testing.B) {
	server := benchServer(b)
	var sizes []int
	for size := range strings.SplitSeq(*benchSizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		sizes = append(sizes, n)
	}
	compared := []way{wayOf("one DELETE"), wayOf("token-janitor lifetime known"), wayOf("LIMIT 1000 by id")}
	for _, of := range []string{"backlog", "live"} {
		tabs := make([]*table, len(sizes))
		for i, size := range sizes {
			tabs[i] = headIn(b, server, fmt.Sprintf("%s_%d", of, size))
			if of == "backlog" {
				tabs[i].keep(content{due: size, live: sizes[0]})
			} else {
				tabs[i].keep(content{due: sizes[0], live: size})
			}
		}
		type key struct {
			way  string
			size int
		}
		cost := map[key][]float64{}
		longest := map[key][]float64{}
		for range *benchRounds {
			for i, size := range sizes {
				for _, w := range compared {
					if w.quadratic && of == "backlog" && size >= quadratic {
						continue
					}
					did := tabs[i].drain(w, false)
					k := key{w.name, size}
					cost[k] = append(cost[k], 1/did.rate())
					longest[k] = append(longest[k], did.longest.Seconds()*1000)
				}
			}
		}
		for _, tab := range tabs {
			tab.drop()
		}
		over := func(a, b key) float64 {
			var ratios []float64
			for i, c := range cost[a] {
				ratios = append(ratios, c/cost[b][i])
			}
			return middle(ratios)
		}
		for _, w := range compared {
			for _, size := range sizes {
				k := key{w.name, size}
				if cost[k] == nil {
					continue
				}
				tell(b, fmt.Sprintf("of=%s/way=%s/rows=%d", of, w.name, size), map[string]float64{
					"cost/DELETE":   over(k, key{"one DELETE", sizes[0]}),
					"cost/smallest": over(k, key{w.name, sizes[0]}),
					"longest-ms":    middle(longest[k]),
				})
			}
		}
	}
}
