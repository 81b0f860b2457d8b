package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house is the module's path; a package is named by what follows it.
const house = "github.com/hyphagraph/token-janitor/"

// rooms are all the packages there are, and which of the others each may import.
var rooms = map[string][]string{
	"janitor":           {},
	"metrics":           {"janitor"},
	"migrations":        {},
	"migrations/pgtemp": {},
	"cmd/token-janitor": {"janitor", "metrics", "migrations", configRoom, scheduleRoom, statusRoom, textRoom},
	"cmd/demo":          {"janitor", "migrations", "migrations/pgtemp", migrationstestRoom},

	configRoom:         {"janitor", "metrics", scheduleRoom, textRoom},
	scheduleRoom:       {textRoom},
	statusRoom:         {"janitor", "migrations", scheduleRoom, textRoom},
	textRoom:           {},
	migrationstestRoom: {"migrations", "migrations/pgtemp"},
}

// The rooms within a room.
const (
	configRoom         = "cmd/token-janitor/internal/config"
	scheduleRoom       = "cmd/token-janitor/internal/schedule"
	statusRoom         = "cmd/token-janitor/internal/status"
	textRoom           = "cmd/token-janitor/internal/text"
	migrationstestRoom = "migrations/migrationstest"
)

// doors says through which files each third-party module comes in. A module that
// is not here needs a reason in the commit that adds it.
var doors = map[string][]string{
	"github.com/jackc/pgx/v5": {
		"janitor/*.go", "migrations/*.go", "migrations/pgtemp/*.go", migrationstestRoom + "/*.go", "cmd/token-janitor/*.go", configRoom + "/*.go", "cmd/demo/*.go"},
	"github.com/prometheus/client_golang":        {"metrics/*.go"},
	"github.com/prometheus/exporter-toolkit":     {"cmd/token-janitor/http.go", configRoom + "/check.go"},
	"github.com/ardanlabs/conf/v3":               {configRoom + "/*.go"},
	"github.com/robfig/cron/v3":                  {scheduleRoom + "/*.go"},
	"golang.org/x/term":                          {"cmd/token-janitor/*.go"},
	"github.com/schollz/progressbar/v3":          {"cmd/token-janitor/progress_bar.go"},
	"github.com/fergusstrange/embedded-postgres": {"migrations/pgtemp/*.go"},
}

// hidden are the modules that one room hides from all others.
var hidden = []string{"github.com/ardanlabs/conf/v3", "github.com/robfig/cron/v3"}

// libraries never log, exit, read env or flags, or keep package variables.
var libraries = []string{"janitor", "metrics", "migrations"}

// top is all that may lie at the top of the repository.
var top = []string{
	"cmd", "janitor", "metrics", "migrations", "deploy", ".ci", ".github", ".tools",
	"Dockerfile", "README.md", "LICENSE", "go.mod", "go.sum", ".gitignore",
}

// source is one file that ends up in a program, so no test.
type source struct {
	room string // janitor
	name string // janitor/run.go
	ast  *ast.File
	text []byte
	set  *token.FileSet
}

// imports are the paths of all that the file imports.
func (s source) imports(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, spec := range s.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if spec.Name != nil && (p == "os" || p == "log") {
			t.Errorf("%s imports %s as %s, which hides its uses from this test", s.name, p, spec.Name.Name)
		}
		paths = append(paths, p)
	}
	return paths
}

// where is the place of a node, for messages.
func (s source) where(n ast.Node) string {
	return s.name + ":" + strconv.Itoa(s.set.Position(n.Pos()).Line)
}

// sources asks go list for the packages and parses their files, those for other
// systems as well.
func sources(t *testing.T) []source {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,CgoFiles,IgnoredGoFiles", "./...")
	list.Dir = filepath.Join("..", "..")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []source
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                   string
			GoFiles, CgoFiles, IgnoredGoFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		room := strings.TrimPrefix(p.ImportPath, house)
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatalf("parse %s/%s: %v", room, name, err)
			}
			all = append(all, source{room, room + "/" + name, parsed, text, set})
		}
	}
}

func TestImportsGoOneWayAndEachModuleHasOneDoor(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		allowed, ok := rooms[s.room]
		if !ok {
			t.Errorf("%s: the house has no room %s", s.name, s.room)
			continue
		}
		for _, imported := range s.imports(t) {
			first, _, _ := strings.Cut(imported, "/")
			if ours, ok := strings.CutPrefix(imported, house); ok {
				if !slices.Contains(allowed, ours) {
					t.Errorf("%s imports %s: %s may import %q of ours", s.name, ours, s.room, allowed)
				}
			} else if strings.Contains(first, ".") && !comesIn(imported, s.name) {
				t.Errorf("%s imports %s, which has no door there", s.name, imported)
			}
		}
	}
}

func TestOneRoomHidesAModule(t *testing.T) {
	t.Parallel()
	for _, module := range hidden {
		importers := map[string]bool{}
		for _, s := range sources(t) {
			for _, imported := range s.imports(t) {
				if imported == module || strings.HasPrefix(imported, module+"/") {
					importers[s.room] = true
				}
			}
		}
		if len(importers) != 1 {
			t.Errorf("%s is imported by %q, want one room", module, slices.Sorted(maps.Keys(importers)))
		}
	}
}

// comesIn reports whether the file is a door of the module that the path is in.
func comesIn(imported, file string) bool {
	for module, files := range doors {
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		for _, pattern := range files {
			if ok, err := path.Match(pattern, file); ok && err == nil {
				return true
			}
		}
	}
	return false
}

func TestLibrariesLeaveTheProcessAlone(t *testing.T) {
	t.Parallel()
	forbidden := []string{"Exit", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Args", "Stdout", "Stderr", "Stdin"}
	for _, s := range sources(t) {
		if !slices.Contains(libraries, s.room) {
			continue
		}
		for _, imported := range s.imports(t) {
			if imported == "flag" || imported == "log" || strings.HasPrefix(imported, "log/") {
				t.Errorf("%s imports %s: a library neither logs nor reads flags", s.name, imported)
			}
		}
		for _, name := range forbidden {
			for _, use := range uses(s, "os", name) {
				t.Errorf("%s: os.%s belongs to the program, not to a library", use, name)
			}
		}
	}
}

func TestLibrariesKeepNoVariables(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !slices.Contains(libraries, s.room) {
			continue
		}
		for _, d := range s.ast.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok || decl.Tok != token.VAR {
				continue
			}
			for _, sp := range decl.Specs {
				spec := sp.(*ast.ValueSpec)
				if !embeds(decl.Doc) && !embeds(spec.Doc) && !fixed(spec) {
					t.Errorf("%s: %s is a package variable that may change", s.where(spec), spec.Names[0].Name)
				}
			}
		}
	}
}

// embeds reports whether a comment is a go:embed directive.
func embeds(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

// fixed reports whether a variable is a constant in all but the language's sense:
// a sentinel error, a compiled pattern, or a table of literals. Nothing is fixed
// that starts empty or that a function of ours computes. A blank name holds nothing.
func fixed(spec *ast.ValueSpec) bool {
	if spec.Names[0].Name == "_" {
		return true
	}
	if len(spec.Values) == 0 {
		return false
	}
	for _, v := range spec.Values {
		switch v := v.(type) {
		case *ast.CallExpr:
			if !selects(v.Fun, "errors", "New") && !selects(v.Fun, "regexp", "MustCompile") &&
				!selects(v.Fun, "strings", "NewReplacer") && !selects(v.Fun, "sync", "OnceValue") {
				return false
			}
		case *ast.CompositeLit:
			if calls(v) || len(v.Elts) == 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// calls reports whether anything is called within an expression.
func calls(e ast.Expr) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		_, call := n.(*ast.CallExpr)
		found = found || call
		return !found
	})
	return found
}

func TestOneExit(t *testing.T) {
	t.Parallel()
	var exits []string
	for _, s := range sources(t) {
		if s.room != "cmd/token-janitor" && !strings.HasPrefix(s.room, "cmd/token-janitor/") {
			continue
		}
		exits = append(exits, uses(s, "os", "Exit")...)
		for _, name := range []string{"Fatal", "Fatalf", "Fatalln"} {
			for _, use := range uses(s, "log", name) {
				t.Errorf("%s: log.%s is an exit as well", use, name)
			}
		}
		if lines := bytes.Count(s.text, []byte("\n")); s.name == "cmd/token-janitor/main.go" && lines >= 60 {
			t.Errorf("%s has %d lines, want fewer than 60: it only wires", s.name, lines)
		}
	}
	if len(exits) != 1 || !strings.HasPrefix(exits[0], "cmd/token-janitor/main.go:") {
		t.Errorf("os.Exit at %q, want it once, in main.go", exits)
	}
}

// uses is where a file selects pkg.name.
func uses(s source, pkg, name string) []string {
	var found []string
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && selects(e, pkg, name) {
			found = append(found, s.where(n))
		}
		return true
	})
	return found
}

// selects reports whether an expression is pkg.name.
func selects(e ast.Expr, pkg, name string) bool {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// mostFields is how many fields a struct of the engine may have: one with more is several things. But what
// a run is told and tells has as many as there is to say, and statements has one for each text.
const mostFields = 12

var wide = []string{"Settings", "Result", "statements"}

func TestStructsOfTheEngineAreSmall(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for name, fields := range structs(s) {
			if n := fields.NumFields(); s.room == "janitor" && n > mostFields && !slices.Contains(wide, name) {
				t.Errorf("%s: %s has %d fields, at most %d allowed", s.where(fields), name, n, mostFields)
			}
		}
	}
}

// embedders are the structs of the engine that may embed a type. A struct that embeds what holds or calls it
// has all of its methods, and a reader no longer sees which way calls go. Readers may embed *scan as well.
var embedders = map[string][]string{
	"scan":     {"pass"},
	"Settings": {"run", "batcher"},
	// Values that have something more than what they embed.
	"picked": {"familyPicked"},
	"place":  {"familyRow"},
	"unit":   {"leveled"},
}

func TestNoStructEmbedsItsCaller(t *testing.T) {
	t.Parallel()
	all := sources(t)
	steps := map[string]bool{} // the readers: what has a method called step
	for _, s := range all {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "step" {
				steps[typeName(f.Recv.List[0].Type)] = true
			}
		}
	}
	for _, s := range all {
		if s.room != "janitor" {
			continue
		}
		for name, fields := range structs(s) {
			for _, f := range fields.List {
				if len(f.Names) > 0 {
					continue
				}
				embedded := typeName(f.Type)
				if !slices.Contains(embedders[embedded], name) && (embedded != "scan" || !steps[name]) {
					t.Errorf("%s: %s embeds %s", s.where(f), name, embedded)
				}
			}
		}
	}
	if len(steps) == 0 {
		t.Error("there is no reader: this test proves nothing")
	}
}

// structs are the struct types that a file declares, by name.
func structs(s source) map[string]*ast.FieldList {
	found := map[string]*ast.FieldList{}
	ast.Inspect(s.ast, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			if st, ok := spec.Type.(*ast.StructType); ok {
				found[spec.Name.Name] = st.Fields
			}
		}
		return true
	})
	return found
}

// typeName is the name of a type, or of what it points to.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// mostLines is how long a file may be.
const mostLines = 320

func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if lines := bytes.Count(s.text, []byte("\n")); lines > mostLines {
			t.Errorf("%s has %d lines, at most %d allowed", s.name, lines, mostLines)
		}
	}
}

func TestNothingElseLiesAtTheTop(t *testing.T) {
	t.Parallel()
	ls := exec.CommandContext(t.Context(), "git", "ls-files", "--cached", "--others", "--exclude-standard")
	ls.Dir = filepath.Join("..", "..")
	out, err := ls.Output()
	if err != nil {
		t.Skipf("git ls-files: %v: not a checkout, so what is ours cannot be told from what is not", err)
	}
	seen := map[string]bool{}
	for name := range strings.Lines(string(out)) {
		first, _, _ := strings.Cut(strings.TrimSpace(name), "/")
		if !seen[first] && !slices.Contains(top, first) {
			t.Errorf("%s lies at the top of the repository, where only %q may", first, top)
		}
		seen[first] = true
	}
}
