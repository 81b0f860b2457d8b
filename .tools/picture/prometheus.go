package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// source is a Prometheus and the time that is drawn of it.
type source struct {
	address    string
	job        string
	from, to   time.Time
	step, rate time.Duration // rate is Grafana's $__rate_interval
}

// sample is a value at a time, in seconds since 1970 as Prometheus counts.
type sample struct{ at, value float64 }

// series is one answer to a query, the samples in the order of time.
type series struct {
	name    string
	labels  map[string]string
	samples []sample
}

// last is the series' value at the end.
func (s series) last() float64 { return s.samples[len(s.samples)-1].value }

// over asks for the values of all targets of a panel over the time that is drawn.
func (s source) over(ctx context.Context, p panel, step time.Duration) ([]series, error) {
	return s.ask(ctx, p, "query_range", url.Values{
		"start": {stamp(s.from)}, "end": {stamp(s.to)}, "step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

// at asks for the values of all targets of a panel at its end.
func (s source) at(ctx context.Context, p panel) ([]series, error) {
	return s.ask(ctx, p, "query", url.Values{"time": {stamp(s.to)}})
}

func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func (s source) ask(ctx context.Context, p panel, how string, values url.Values) ([]series, error) {
	variables := strings.NewReplacer("$job", s.job, "$instance", ".*",
		"$__rate_interval", s.rate.String(), "$__range", s.to.Sub(s.from).String())
	var all []series
	for _, target := range p.Targets {
		values.Set("query", variables.Replace(target.Expr))
		var answer struct {
			Error string
			Data  struct {
				Result []struct {
					Metric map[string]string
					Value  [2]any
					Values [][2]any
				}
			}
		}
		if err := get(ctx, s.address+"/api/v1/"+how+"?"+values.Encode(), &answer); err != nil {
			return nil, fmt.Errorf("ask for %q: %w", p.Title, err)
		}
		if answer.Error != "" {
			return nil, fmt.Errorf("ask for %q: %s", p.Title, answer.Error)
		}
		for _, r := range answer.Data.Result {
			one := series{name: named(target.LegendFormat, r.Metric), labels: r.Metric}
			if how == "query" {
				r.Values = append(r.Values, r.Value)
			}
			for _, v := range r.Values {
				at, _ := v[0].(float64)
				text, _ := v[1].(string)
				value, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return nil, fmt.Errorf("read the answer for %q: %w", p.Title, err)
				}
				one.samples = append(one.samples, sample{at, value})
			}
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b series) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func get(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}
