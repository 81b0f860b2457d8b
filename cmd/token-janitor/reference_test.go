package main

import (
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/config"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/status"
	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/janitor"
	"github.com/hyphagraph/token-janitor/metrics"
)

// update makes anew what is made of the code.
var update = flag.Bool("update", false, "make the tables of REFERENCE.md that are made of the code")

const reference = "../../.github/REFERENCE.md"

// TestReferenceFlags: the tables of flags are those of --help, in its groups.
func TestReferenceFlags(t *testing.T) {
	t.Parallel()
	const begin, end = "-run TestReference -update -->\n", "<!-- end -->"
	page := readPage(t, reference)
	before, rest, found := strings.Cut(page, begin)
	told, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no place for the flags, between %q and %q", reference, begin, end)
	}
	var want strings.Builder
	group := ""
	for _, s := range new(config.Flags).InForce() {
		if s.Group != group {
			group = s.Group
			fmt.Fprintf(&want, "\n### %s\n\n| flag | default | meaning |\n|---|---|---|\n", text.Capitalize(group))
		}
		fallback := ""
		if s.Default != "" {
			fallback = "`" + s.Default + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | %s |\n", s.Flag, fallback, s.Meaning)
	}
	want.WriteString("\n")
	if told == want.String() {
		return
	}
	if !*update {
		t.Fatalf("%s has not the flags of --help: go test ./cmd/token-janitor -run TestReference -update\n%s", reference, want.String())
	}
	if err := os.WriteFile(reference, []byte(before+begin+want.String()+end+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReferenceMetrics: every metric, with its labels and type, is in the reference, and nothing that is not.
func TestReferenceMetrics(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t, reference), "\n## Metrics\n")
	var told, exported []string
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 5 && strings.HasPrefix(cells[1], " `") {
			told = append(told, strings.TrimSpace(cells[1])+strings.TrimSpace(cells[2]))
		}
	}
	answer := httptest.NewRecorder()
	metrics.New(metrics.Build{}).Handler().ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	exposition := answer.Body.String()
	for _, m := range regexp.MustCompile(`(?m)^# TYPE token_janitor_(\S+) (\S+)`).FindAllStringSubmatch(exposition, -1) {
		name := m[1]
		if labels := regexp.MustCompile(`(?m)^token_janitor_` + name + `\{(.*)\}`).FindStringSubmatch(exposition); labels != nil {
			var names []string
			for _, l := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(labels[1], -1) {
				names = append(names, l[1])
			}
			if name == "build_info" {
				names = []string{"version", "goversion", "revision"} // the reader's order, not the alphabet's
			}
			name += "{" + strings.Join(names, ",") + "}"
		}
		exported = append(exported, "`"+name+"`"+m[2])
	}
	slices.Sort(told)
	slices.Sort(exported)
	if len(exported) == 0 || !slices.Equal(told, exported) {
		t.Errorf("metrics in %s:\n%s\nthere are:\n%s", reference, strings.Join(told, "\n"), strings.Join(exported, "\n"))
	}
}

// TestReferenceStatus: every field of /status.json is there, and none that is not.
func TestReferenceStatus(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readPage(t, reference), "`/status.json` holds the following")
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			told[m[1]] = true
		}
	}
	var walk func(path string, of reflect.Type)
	walk = func(path string, of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			if of.Kind() == reflect.Slice {
				path += "[]"
			}
			of = of.Elem()
		}
		if of.Kind() == reflect.Struct && of != reflect.TypeFor[time.Time]() {
			for i := range of.NumField() {
				if of.Field(i).Anonymous {
					walk(path, of.Field(i).Type)
				} else if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "" {
					walk(strings.TrimPrefix(path+"."+name, "."), of.Field(i).Type)
				}
			}
			delete(told, path)
			return
		}
		if !told[path] {
			t.Errorf("%s says nothing of %s in /status.json", reference, path)
		}
		delete(told, path)
	}
	walk("", reflect.TypeFor[status.Status]())
	for path := range told {
		t.Errorf("%s tells of %s, which is not in /status.json", reference, path)
	}
}

// TestReferenceWords: every word that a run may say of itself is there.
func TestReferenceWords(t *testing.T) {
	t.Parallel()
	page := readPage(t, reference)
	for _, outcome := range janitor.Outcomes {
		if !strings.Contains(page, "`"+string(outcome)+"`") {
			t.Errorf("%s does not know the outcome %s", reference, outcome)
		}
	}
	for _, reason := range janitor.StopReasons {
		if !strings.Contains(page, "`"+string(reason)+"`") {
			t.Errorf("%s does not know the stop reason %s", reference, reason)
		}
	}
	for _, cause := range janitor.Causes {
		if !strings.Contains(page, "`"+string(cause)+"`") {
			t.Errorf("%s does not know the cause %s", reference, cause)
		}
	}
}

// documents are the pages that link to each other.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../../.github/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return append(pages, "../../README.md")
}

func readPage(t *testing.T, path string) string {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

var (
	fenced   = regexp.MustCompile("(?ms)^```.*?^```$")
	linked   = regexp.MustCompile(`\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	dropped  = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
)

// anchors are where a link may lead within a page, as GitHub names them.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, h := range headings.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
		found[strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")] = true
	}
	return found
}

// TestLinks: every relative link of the documents leads to a file, and to a heading of it; and every document
// but the first page is found from there.
func TestLinks(t *testing.T) {
	t.Parallel()
	first := readPage(t, "../../README.md")
	for _, document := range documents(t) {
		page := readPage(t, document)
		links := 0
		for _, m := range linked.FindAllStringSubmatch(fenced.ReplaceAllString(page, ""), -1) {
			link := m[1] + m[2]
			if strings.Contains(link, "://") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(link, "#")
			target := document
			if file != "" {
				target = filepath.Join(filepath.Dir(document), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", document, link, err)
				continue
			}
			if anchor != "" && !anchors(readPage(t, target))[anchor] {
				t.Errorf("%s links to %s, which has no such heading", document, link)
			}
		}
		name := filepath.Base(document)
		if name != "README.md" && !strings.Contains(first, "(.github/"+name+")") {
			t.Errorf("the README does not lead to %s", name)
		}
		if name == "README.md" && links < 10 {
			t.Errorf("found %d links in the README only", links)
		}
	}
}

// TestFirstPage: the README is a page, not a book.
func TestFirstPage(t *testing.T) {
	t.Parallel()
	if n := strings.Count(readPage(t, "../../README.md"), "\n"); n > 150 {
		t.Errorf("%d lines, want at most 150: the rest has pages of its own", n)
	}
}

// TestPromises: the tests that hold the promises exist.
func TestPromises(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, pattern := range []string{"../../*/*_test.go", "../../*/*/*_test.go", "../../.tools/*/*_test.go", "internal/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			code.WriteString(readPage(t, file))
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z]+)").FindAllStringSubmatch(readPage(t, "../../.github/PROMISES.md"), -1)
	if len(named) < 50 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if !regexp.MustCompile(`func ` + m[1] + `\(`).MatchString(code.String()) {
			t.Errorf("there is no test %s", m[1])
		}
	}
}
