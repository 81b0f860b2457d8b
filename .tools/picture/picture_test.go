package main

import (
	"context"
	"fmt"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestInUnit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		unit string
		v    float64
		want string
	}{
		{"s", 0, "0 s"}, {"s", 0.0025, "2.5 ms"}, {"s", -3.2, "-3 s"}, {"s", 90, "2 min"}, {"s", 5400, "1.5 hours"},
		{"cps", 20_000, "20 K c/s"}, {"cps", 0.25, "0.25 c/s"},
		{"percentunit", 0.5, "50%"}, {"locale", 1234567, "1,234,567"}, {"none", -0.001, "0"},
	} {
		if got := inUnit(tt.unit, tt.v); got != tt.want {
			t.Errorf("%v in %q is %q, want %q", tt.v, tt.unit, got, tt.want)
		}
	}
}

// Each panel of the dashboard as it is, down to the row that is not drawn, comes out of a
// Prometheus that has one answer to all.
func TestDrawsTheDashboard(t *testing.T) {
	t.Parallel()
	b, err := readBoard("../../deploy/grafana/dashboard.json", "Runs")
	if err != nil {
		t.Fatal(err)
	}
	prometheus := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query := r.FormValue("query"); query == "" || strings.Contains(query, "$") {
			http.Error(w, fmt.Sprintf("%q is no query", query), http.StatusBadRequest)
			return
		}
		const metric = `"metric":{"le":"0.01","reason":"expired","instance":"a:1","cause":"load","outcome":"drained"}`
		answer := `{` + metric + `,"value":[960,"3"]}`
		if strings.HasSuffix(r.URL.Path, "query_range") {
			answer = `{` + metric + `,"values":[[400,"1"],[500,"NaN"],[600,"2"]]}`
		}
		fmt.Fprintf(w, `{"status":"success","data":{"result":[%s]}}`, answer)
	}))
	defer prometheus.Close()
	s := source{address: prometheus.URL, job: "j", from: time.Unix(60, 0), to: time.Unix(960, 0), step: 5 * time.Second, rate: 20 * time.Second}
	file := filepath.Join(t.TempDir(), "dashboard.png")
	if err := write(context.Background(), b, s, dark, file); err != nil {
		t.Fatal(err)
	}
	out, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if size, err := png.DecodeConfig(out); err != nil || size.Width < 1900 || size.Height < 1000 {
		t.Errorf("the picture is %d by %d: %v", size.Width, size.Height, err)
	}
}
