package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations/migrationstest"
	"github.com/hyphagraph/token-janitor/migrations/pgtemp"
)

// TestConnectsAsTheAPIDoes with each form of a URL, and in the session is what the URL says.
func TestConnectsAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	server, path := ownServer(t), program(t)
	sockets, err := os.MkdirTemp("/tmp", "sockets") // a short path, where the server's user may write
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	if err := os.Chmod(sockets, 0o777); err != nil { // #nosec G302 -- as above
		t.Fatal(err)
	}
	const password = `a/b%c?d#e:f g`
	if _, err := dial(t, server.URL("postgres")).Exec(t.Context(), "CREATE ROLE ada LOGIN SUPERUSER PASSWORD '"+password+"'"); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context(), map[string]string{
		"postgresql.auto.conf": "unix_socket_directories = '" + sockets + "'\n",
		"pg_hba.conf":          "local all all trust\nhost all ada 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
	}); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	p := u.Port()
	at := "127.0.0.1:" + p
	for _, c := range []struct{ name, url, application, path string }{
		{"escaped blanks", "postgres://postgres@" + at + "/postgres?options=-c%20search_path%3Dpublic&application_name=my%20api", "my api", "public"},
		{"a plus is a plus to libpq", "postgres://postgres@" + at + "/postgres?application_name=a+b%2Bc", "a+b+c", ""},
		{"a plus is a blank to SQLAlchemy", "postgresql+psycopg2://postgres@" + at + "/postgres?application_name=a+b%2Bc", "a b+c", ""},
		{"options of SQLAlchemy", "postgresql+psycopg2://postgres@" + at + "/postgres?options=-c+search_path=public", "", "public"},
		{"a run-time parameter", "postgres://postgres@" + at + "/postgres?search_path=public&statement_timeout=9s", "", "public"},
		{"the same in keywords", "host=127.0.0.1 port=" + p + " user=postgres dbname=postgres application_name='my \\'api\\'' search_path=public", "my 'api'", "public"},
		{"raw password", "postgresql+asyncpg://ada:" + password + "@" + at + "/postgres", "", ""},
		{"raw password, escaped", "postgresql+psycopg://ada:a%2Fb%25c%3Fd%23e%3Af%20g@" + at + "/postgres", "", ""},
		{"raw password that libpq reads", "postgres://ada:a%2Fb%25c?d#e:f%20g@" + at + "/postgres", "", ""},
		{"several hosts", "postgresql+psycopg2://postgres@/postgres?host=127.0.0.1:1&host=" + at, "", ""},
		{"several hosts of asyncpg", "postgresql+asyncpg://postgres@/postgres?host=127.0.0.1:1&host=" + at, "", ""},
		{"several hosts of libpq", "postgres://postgres@127.0.0.1:1," + at + "/postgres", "", ""},
		{"a host with its port", "postgresql+psycopg://postgres@/postgres?host=" + at, "", ""},
		{"socket", "postgres://postgres@/postgres?host=" + sockets + "&port=" + p, "", ""},
		{"socket in the place of a host", "postgres://postgres@" + url.QueryEscape(sockets) + ":" + p + "/postgres", "", ""},
		{"file of a socket", "postgresql+asyncpg://postgres@/postgres?host=" + sockets + "/.s.PGSQL." + p, "", ""},
		{"unix_sock", "postgresql+pg8000://postgres@/postgres?unix_sock=" + sockets + "/.s.PGSQL." + p, "", ""},
		{"arguments of drivers", "postgresql+asyncpg://postgres@" + at + "/postgres?prepared_statement_cache_size=0&async_fallback=true&command_timeout=9&timeout=3&ssl=prefer&server_settings=%7B%22search_path%22:%22public%22%7D", "", "public"},
		{"hostaddr", "postgres://postgres@no-such-host.invalid:" + p + "/postgres?hostaddr=127.0.0.1", "", ""},
		{"hostaddr alone", "hostaddr=127.0.0.1 port=" + p + " user=postgres dbname=postgres", "", ""},
		{"hostaddr in place of a socket", "postgres://postgres@/postgres?host=/nowhere&hostaddr=127.0.0.1&port=" + p, "", ""},
		{"two hostaddr", "postgres://postgres@a.invalid:1,b.invalid:" + p + "/postgres?hostaddr=127.0.0.1,127.0.0.1", "", ""},
		{"what libpq's client keeps for itself", "postgres://postgres@" + at + "/postgres?keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9000" +
			"&gssencmode=prefer&krbsrvname=postgres&gsslib=gssapi&gssdelegation=0&fallback_application_name=fell%20back&load_balance_hosts=random&sslcompression=0&sslsni=1" +
			"&sslcertmode=allow&channel_binding=prefer&client_encoding=auto&replication=false&target_session_attrs=any&ssl_min_protocol_version=TLSv1.2&max_protocol_version=3.0" +
			"&sslkeylogfile=&requirepeer=&sslcrl=", "fell back", ""},
		{"no keepalives, in keywords", "host=127.0.0.1 port=" + p + " user=postgres dbname=postgres keepalives=0 gssencmode=disable fallback_application_name=x application_name=y", "y", ""},
		{"line break, blanks, quotes", " \"postgres://postgres@" + at + "/postgres\"\r\n", "", ""},
		{"byte order mark", "\ufeffpostgres://postgres@" + at + "/postgres\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			where, err := configure(t, "--database-url="+c.url).Database.ConnConfig()
			if err != nil {
				t.Fatal(err)
			}
			conn, err := pgx.ConnectConfig(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			var application, path2 string
			if err := conn.QueryRow(t.Context(), "SELECT current_setting('application_name'), current_setting('search_path')").Scan(&application, &path2); err != nil {
				t.Fatal(err)
			}
			if want := c.application; application != want && (want != "" || application != "token-janitor") {
				t.Errorf("application_name is %q, want %q", application, want)
			}
			if c.path != "" && path2 != c.path {
				t.Errorf("search_path is %q, want %q", path2, c.path)
			}
			for _, arg := range []string{"--once", "--database-url-file=" + file(t, c.url)} {
				variable := "DATABASE_URL=" + c.url
				if arg != "--once" {
					variable = "DATABASE_URL=postgres://nobody@127.0.0.1:1/none"
				}
				stdout, stderr, code := output(t, path, variable, arg, "--once=true")
				if code != exitDone {
					t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
				}
			}
		})
	}
	for variable, want := range map[string]string{
		"PGHOSTADDR=127.0.0.1": "", "PGGSSENCMODE=prefer": "", "PGLOADBALANCEHOSTS=random": "", "PGSSLMINPROTOCOLVERSION=TLSv1.2": "", "PGCHANNELBINDING=prefer": "",
		"PGCLIENTENCODING=LATIN1": "", "PGKRBSRVNAME=x": "", "PGGSSLIB=gssapi": "", "PGSSLCOMPRESSION=1": "", "PGREQUIRESSL=0": "",
		"PGGSSENCMODE=require":        "gssencmode (of PGGSSENCMODE)=require is not supported",
		"PGREQUIREPEER=postgres":      "requirepeer (of PGREQUIREPEER) is not supported",
		"PGSSLCRL=/x":                 "sslcrl (of PGSSLCRL) is not supported",
		"PGSSLCRLDIR=/x":              "sslcrldir (of PGSSLCRLDIR) is not supported",
		"PGHOSTADDR=db":               "hostaddr (of PGHOSTADDR) is not an IP address",
		"PGSSLMAXPROTOCOLVERSION=SSL": "ssl_max_protocol_version (of PGSSLMAXPROTOCOLVERSION) is not one of",
	} {
		stdout, stderr, code := output(t, path, variable, "--once", "--database-url=postgres://postgres@"+at+"/postgres")
		if want == "" && code != exitDone || want != "" && (code != exitUsage || !strings.Contains(stderr, want)) {
			t.Errorf("%s: exit code %d, want %q in\n%s%s", variable, code, want, stdout, stderr)
		}
	}
	if stdout, stderr, code := output(t, path, "PGSERVICEFILE="+file(t, fmt.Sprintf("# ours\n[other]\nhost=nowhere\n[api]\nhost=127.0.0.1\nport=%s\nuser=postgres\ndbname=postgres\nkeepalives=0\ngssencmode=disable\n", p)),
		"--once", "--database-url=service=api"); code != exitDone {
		t.Errorf("service: exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, stderr, code := output(t, path, "PGSERVICEFILE="+file(t, "[api]\nhost=127.0.0.1\nsslcrl=/x\n"), "--once", "--database-url=service=api"); code != exitUsage ||
		!strings.Contains(stderr, "sslcrl (of the service file) is not supported") {
		t.Errorf("service with a revocation list: exit code %d\n%s", code, stderr)
	}
}

// TestWhatDoesNotPassIsToldAtOnce and not waited for, as a server would be that starts.
func TestWhatDoesNotPassIsToldAtOnce(t *testing.T) {
	t.Parallel()
	path, database := program(t), migrationstest.Head(t)
	home := t.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".postgresql"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, ".postgresql", "root.crl"), "")
	for _, c := range []struct {
		variable, url string
		code          int
		want          string
	}{
		{"A=", pgtemp.Bouncer(t, database, "transaction") + "&statement_timeout=9s", exitFailed, "statement_timeout"},
		{"A=", database + "&no_such_setting=1", exitFailed, "no_such_setting"},
		{"HOME=" + home, "postgres://u@127.0.0.1:1/app?sslmode=verify-full", exitUsage, "root.crl, which libpq would heed, is not supported"},
	} {
		if !strings.Contains(c.url, "?") {
			c.url = strings.Replace(c.url, "&", "?", 1)
		}
		stdout, stderr, code := output(t, path, c.variable, "--once", "--database-url="+c.url)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "waiting") {
			t.Errorf("%s: exit code %d, want %d and %q at once in\n%s%s", c.want, code, c.code, c.want, stdout, stderr)
		}
	}
}
