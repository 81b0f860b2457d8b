package deploy_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	grafana "github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// board is what of the dashboard the tests look at.
type board struct {
	UID           string
	SchemaVersion int
	Panels        []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		FieldConfig              struct {
			Defaults struct {
				Unit       string
				Thresholds struct{ Steps []any }
			}
		}
		Datasource struct{ UID string }
		Targets    []struct{ RefID, Expr string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Expr string } }
}

func dashboard(t *testing.T) board {
	t.Helper()
	var b board
	if err := json.Unmarshal([]byte(read(t, "grafana/dashboard.json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// queries are all PromQL there is in the dashboard.
func (b board) queries() string {
	var all strings.Builder
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all.WriteString(target.Expr + "\n")
		}
	}
	for _, v := range b.Templating.List {
		all.WriteString(v.Definition + "\n")
	}
	for _, a := range b.Annotations.List {
		all.WriteString(a.Expr + "\n")
	}
	return all.String()
}

// Grafana passes over what it does not know, so a misspelt option would only not work.
func TestGrafanaKnowsEveryFieldOfTheDashboard(t *testing.T) {
	t.Parallel()
	plugins.RegisterDefaultPlugins()
	//lint:ignore SA1019 its successor is another format, which Grafana 10 and 11 cannot read
	var d grafana.Dashboard
	// It returns an error that lists nothing where there is nothing to list.
	if err := d.UnmarshalJSONStrict([]byte(read(t, "grafana/dashboard.json"))); err != nil && err.Error() != "" {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

func TestDashboardIsComplete(t *testing.T) {
	t.Parallel()
	b := dashboard(t)
	if b.UID == "" || b.SchemaVersion < 41 { // 41 is Grafana 12's; an older one reads it as well
		t.Errorf("uid %q, schemaVersion %d", b.UID, b.SchemaVersion)
	}
	if b.Panels[0].Type != "row" || b.Panels[0].Title != "State" {
		t.Errorf("it begins with %q", b.Panels[0].Title)
	}
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range b.Panels {
		if other, taken := ids[p.ID]; taken || p.ID == 0 {
			t.Errorf("%q and %q have the id %d", other, p.Title, p.ID)
		}
		ids[p.ID] = p.Title
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%q is beyond the right edge", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if cells[cell] != "" {
					t.Fatalf("%q lies over %q", p.Title, cells[cell])
				}
				cells[cell] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("panel %d, %q, lacks title, description, query or the variable data source", p.ID, p.Title)
		}
		if p.FieldConfig.Defaults.Unit == "" && p.Type != "table" || len(p.FieldConfig.Defaults.Thresholds.Steps) == 0 {
			t.Errorf("%q has no unit or no thresholds", p.Title)
		}
		if p.FieldConfig.Defaults.Unit == "cps" { // "20 K c/s" says nothing to anybody
			t.Errorf("%q is in c/s", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] {
				t.Errorf("%q has two queries %s", p.Title, target.RefID)
			}
			refs[target.RefID] = true
		}
	}
	var variables []string
	for _, v := range b.Templating.List {
		variables = append(variables, v.Name)
	}
	if got := strings.Join(variables, " "); got != "datasource job instance" {
		t.Errorf("the variables are %s", got)
	}
}

// TestDashboardImportsAsItStands: an export of Grafana's for sharing asks for its inputs first, and other tools cannot
// answer; ours has a variable for its data source, and no panel names another.
func TestDashboardImportsAsItStands(t *testing.T) {
	t.Parallel()
	text := read(t, "grafana/dashboard.json")
	for _, leftover := range []string{"__inputs", "__requires", "__elements", "${DS_"} {
		if strings.Contains(text, leftover) {
			t.Errorf("it has %s", leftover)
		}
	}
	var whole struct{ ID any }
	if err := json.Unmarshal([]byte(text), &whole); err != nil || whole.ID != nil {
		t.Errorf("it has the id of one Grafana, %v, %v", whole.ID, err)
	}
	for _, m := range regexp.MustCompile(`"uid": "([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if m[1] != "${datasource}" && m[1] != "token-janitor" && m[1] != "-- Grafana --" {
			t.Errorf("it names the data source %s", m[1])
		}
	}
}

func TestDashboardLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	runbook, text := read(t, "../.github/RUNBOOK.md"), read(t, "grafana/dashboard.json")
	sections := strings.ToLower(runbook)
	links := regexp.MustCompile(regexp.QuoteMeta(runbookURL)+`#?([a-z]*)"`).FindAllStringSubmatch(text, -1)
	if len(links) < 5 {
		t.Errorf("%d links to the runbook", len(links))
	}
	for _, link := range links {
		if link[1] != "" && !strings.Contains(sections, "\n## "+link[1]+"\n") {
			t.Errorf("the runbook has no section %s", link[1])
		}
	}
	if !strings.Contains(text, `"url": "http://${__value.text}/"`) {
		t.Error("no instance links to its status page")
	}
}
