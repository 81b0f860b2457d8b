package config

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// python is Debian's, which has its packages; another on PATH need not.
const python = "/usr/bin/python3"

// sqlalchemy asks the real one.
type sqlalchemy struct {
	in  io.WriteCloser
	out *bufio.Scanner
}

func startSQLAlchemy(t *testing.T) *sqlalchemy {
	t.Helper()
	for _, module := range []string{"sqlalchemy", "asyncpg", "psycopg2"} {
		if err := exec.CommandContext(t.Context(), python, "-c", "import "+module).Run(); err != nil {
			text := fmt.Sprintf("%s has no %s (apt install python3-%s): %v", python, module, module, err)
			if os.Getenv("TOKEN_JANITOR_TEST_REQUIRE") == "1" {
				t.Fatal(text)
			}
			t.Skip(text)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "testdata/read_urls.py")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &sqlalchemy{in, bufio.NewScanner(out)}
}

// reads is what the dialect hands to the driver; nil = it refuses the URL.
func (s *sqlalchemy) reads(t rapid.TB, url string) map[string]any {
	line, err := json.Marshal(url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if !s.out.Scan() {
		t.Fatalf("no answer: %v", s.out.Err())
	}
	var answer map[string]any
	if err := json.Unmarshal(s.out.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// draws are the parts of a URL, with what is special to one reader or another.
var (
	loose   = rapid.StringOfN(rapid.RuneFrom([]rune("aZ9%25+ /?#@:&=[],;'\"\\.ßé€-~")), 0, 12, -1)
	escaped = rapid.SampledFrom([]string{"%2F", "%25", "%40", "%3A", "%20", "%C3%9F", "%e2%82%ac", "%zz", "%", "%2", "+", " ", "a", "B", "1"})
	escapes = rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(escaped, 0, 6).Draw(t, "escapes"), "") })
	word    = rapid.OneOf(loose, escapes, rapid.StringMatching(`[a-z]{1,6}`))
	host    = rapid.SampledFrom([]string{"", "db", "db.internal", "127.0.0.1", "[::1]", "[fe80::1%eth0]", "a,b", "%2Frun", "a b"})
	port    = rapid.SampledFrom([]string{"", ":5432", ":6432"})
	name    = rapid.SampledFrom([]string{"application_name", "options", "sslmode", "search_path", "timeout", "user", "password", "connect_timeout"})
)

func drawURL(t *rapid.T) (url string, several bool) {
	url = rapid.SampledFrom([]string{"postgresql+psycopg2", "postgresql+asyncpg"}).Draw(t, "scheme") + "://"
	if rapid.Bool().Draw(t, "has user") {
		url += word.Draw(t, "user")
		if rapid.Bool().Draw(t, "has password") {
			url += ":" + word.Draw(t, "password")
		}
		url += "@"
	}
	url += host.Draw(t, "host") + port.Draw(t, "port")
	if rapid.Bool().Draw(t, "has database") {
		url += "/" + rapid.OneOf(rapid.StringMatching(`[a-z]{1,6}`), escapes).Draw(t, "database")
	}
	pairs := rapid.SliceOfNDistinct(name, 0, 4, rapid.ID).Draw(t, "names")
	for i, n := range pairs {
		pairs[i] = n + "=" + word.Draw(t, n)
	}
	if n := rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "hosts"); n > 0 {
		several = n > 1
		for range n {
			pairs = append(pairs, "host="+rapid.SampledFrom([]string{"h1", "h2", "10.0.0.1", "/run/postgresql"}).Draw(t, "host=")+
				rapid.SampledFrom([]string{"", ":5433"}).Draw(t, "port="))
		}
	}
	if len(pairs) > 0 {
		url += "?" + strings.Join(rapid.Permutation(pairs).Draw(t, "order"), "&")
	}
	return url, several
}

// TestSQLAlchemyReadsTheSame over generated URLs: user, password, hosts with ports,
// database and each parameter of the query.
func TestSQLAlchemyReadsTheSame(t *testing.T) {
	t.Parallel()
	genuine := startSQLAlchemy(t)
	compared, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		url, several := drawURL(t)
		want := genuine.reads(t, url)
		scheme, rest, _ := strings.Cut(url, "://")
		got, err := sqlalchemyURL(rest)
		switch {
		case want == nil: // a port that is no number, or several kinds of lists: we may know better
			return
		case err != nil: // it reads on where no host's name can be
			if strings.Count(url, "@") < 2 && !strings.Contains(fmt.Sprint(want["database"]), "@") && !errors.Is(err, errIPv6) {
				t.Fatalf("%s: %v, and SQLAlchemy reads %v", url, err, want)
			}
			refused++
			return
		}
		if several && scheme == "postgresql+asyncpg" {
			return // SQLAlchemy 1.4 hands on a list that asyncpg does not take
		}
		compared++
		if name, ok := want["database"]; ok {
			delete(want, "database")
			if _, ok := want["dbname"]; !ok {
				want["dbname"] = name
			}
		}
		if n, err := strconv.Atoi(got["port"]); err == nil {
			got["port"] = strconv.Itoa(n) // 05432 and +5432, as Python's int
		}
		// An @ in the query can make a part of the user of it, hosts and all.
		if hosts := fmt.Sprint(want["host"]); several && strings.Contains(hosts, ",") && !strings.Contains(hosts, "&") {
			c := connection{values: got}
			hosts, err := c.hosts()
			if err != nil {
				t.Fatal(url, err)
			}
			var names, ports []string
			for _, h := range hosts {
				names, ports = append(names, h.Name), append(ports, h.Port)
			}
			got["host"], got["port"] = strings.Join(names, ","), strings.Join(ports, ",")
			maps.DeleteFunc(got, func(_, value string) bool { return value == "" })
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%s\n  we: %q\nthey: %q", url, got, want)
		}
	})
	if compared < 20 {
		t.Errorf("only %d URLs compared, %d refused", compared, refused)
	}
}
