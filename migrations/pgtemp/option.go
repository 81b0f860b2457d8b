package pgtemp

import (
	"path/filepath"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// Option changes how [Start] starts a server.
type Option func(*config)

type setting struct{ name, value string }

type config struct {
	settings []setting
	durable  bool
	primary  string   // of a standby: how it connects
	faker    string   // the library that gives the server a clock of its own, "" = the true one
	parents  []string // folders to make the server's own in: the first that can be written to

	// What this package's own tests change.
	port      func() (int, error)
	installed func() []string
	fetch     source
}

func defaults() config {
	return config{
		port:      freePort,
		installed: installed,
		fetch:     source{version: embeddedpostgres.V18},
	}
}

// Setting adds an entry to the server's postgresql.conf. The last of one name holds. A name or value that PostgreSQL
// does not accept makes [Start] fail with what PostgreSQL says.
func Setting(name, value string) Option {
	return func(c *config) { c.settings = append(c.settings, setting{name, value}) }
}

// Durable leaves PostgreSQL's promise to keep what it has committed in force: commits wait for the disk as
// in production. For demonstrations and benchmarks.
func Durable() Option {
	return func(c *config) { c.durable = true }
}

// In puts the server's files into a folder of its own within parent, in place of the system's folder
// for temporary files. For benchmarks of a certain disk.
func In(parent string) Option {
	return func(c *config) {
		if abs, err := filepath.Abs(parent); err == nil {
			parent = abs
		}
		c.parents = []string{parent}
	}
}

// quoted escapes what the lexer of postgresql.conf treats as special within quotes.
var quoted = strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`)

// conf is the text that follows initdb's own postgresql.conf.
func (c config) conf(port int) string {
	settings := []setting{
		{"max_connections", "200"}, // parallel tests, each with a few connections
		{"unix_socket_directories", ""},
	}
	if !c.durable {
		settings = append(settings,
			setting{"fsync", "off"},
			setting{"synchronous_commit", "off"},
			setting{"full_page_writes", "off"})
	}
	settings = append(settings, c.settings...)
	settings = append(settings,
		setting{"listen_addresses", "127.0.0.1"},
		setting{"port", strconv.Itoa(port)})

	var b strings.Builder
	for _, s := range settings {
		b.WriteString(s.name + " = '" + quoted.Replace(s.value) + "'\n")
	}
	return b.String()
}
