package main

import (
	"net"
	"net/url"
	"strings"
	"testing"
)

// TestTLS holds the way to the server to what its URL says: a certificate that does not fit is refused in one line, and
// never is a try without TLS made in its place.
func TestTLS(t *testing.T) {
	t.Parallel()
	server, path := ownServer(t), program(t)
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key := ours.leaf(t, "db.internal", net.IPv4(127, 0, 0, 1))
	_, err := dial(t, server.URL("postgres")).Exec(t.Context(), `
		CREATE ROLE ada LOGIN SUPERUSER; CREATE ROLE bob LOGIN SUPERUSER; CREATE ROLE scram LOGIN SUPERUSER PASSWORD '`+secret+`'`)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context(), map[string]string{
		"server.crt": cert, "server.key": key, "root.crt": ours.pem,
		"postgresql.auto.conf": "ssl = on\nssl_ca_file = 'root.crt'\nlog_connections = on\npassword_encryption = 'scram-sha-256'\n",
		"pg_hba.conf": `host    all postgres 127.0.0.1/32 trust
			hostssl all ada      127.0.0.1/32 trust
			hostssl all bob      127.0.0.1/32 cert
			hostssl all scram    127.0.0.1/32 scram-sha-256
		`,
	}); err != nil {
		t.Fatal(err)
	}
	bobsCert, bobsKey := ours.leaf(t, "bob")
	evesCert, evesKey := ours.leaf(t, "eve")
	falseCert, falseKey := theirs.leaf(t, "bob")
	client := func(cert, key string) string { return "&sslcert=" + file(t, cert) + "&sslkey=" + file(t, key) }
	root := "sslmode=verify-full&sslrootcert=" + file(t, ours.pem)
	for _, c := range []struct {
		name, user, host, query string
		want                    string // of the error; "" = it works
	}{
		{"verify-full", "ada", "127.0.0.1", root, ""},
		{"verify-full as SQLAlchemy has it", "ada", "127.0.0.1", strings.Replace(root, "sslmode", "ssl", 1), ""},
		{"verify-ca", "ada", "127.0.0.1", strings.Replace(root, "full", "ca", 1), ""},
		{"require", "ada", "127.0.0.1", "sslmode=require", ""},
		{"prefer", "ada", "127.0.0.1", "sslmode=prefer", ""},
		{"without TLS", "ada", "127.0.0.1", "sslmode=disable", "no encryption"},
		{"another's authority", "ada", "127.0.0.1", "sslmode=verify-full&sslrootcert=" + file(t, theirs.pem), "unknown authority"},
		{"another's authority, for SQLAlchemy", "ada", "127.0.0.1", "ssl=verify-full&sslrootcert=" + file(t, theirs.pem), "unknown authority"},
		{"another's authority, verify-ca", "ada", "127.0.0.1", "sslmode=verify-ca&sslrootcert=" + file(t, theirs.pem), "unknown authority"},
		{"require with an authority means verify-ca", "ada", "127.0.0.1", "sslmode=require&sslrootcert=" + file(t, theirs.pem), "unknown authority"},
		{"another authority, whom anybody may come to without TLS", "postgres", "127.0.0.1", "sslmode=verify-full&sslrootcert=" + file(t, theirs.pem), "unknown authority"},
		{"no authority that we know", "postgres", "127.0.0.1", "sslmode=verify-full", "unknown authority"},
		{"another's name", "postgres", "localhost", root, "not localhost"},
		{"another's name is nothing to verify-ca", "postgres", "localhost", strings.Replace(root, "full", "ca", 1), ""},
		{"client certificate", "bob", "127.0.0.1", root + client(bobsCert, bobsKey), ""},
		{"client certificate that is not there", "bob", "127.0.0.1", root, "client certificate"},
		{"client certificate of another user", "bob", "127.0.0.1", root + client(evesCert, evesKey), "certificate authentication failed"},
		{"client certificate of another's authority", "bob", "127.0.0.1", root + client(falseCert, falseKey), "client certificate"},
		{"client key of another certificate", "bob", "127.0.0.1", root + client(bobsCert, evesKey), "sslcert and sslkey cannot be read"},
		{"password", "scram:" + secret, "127.0.0.1", root, ""},
		{"wrong password", "scram:" + secret + "x", "127.0.0.1", root, "SQLSTATE 28P01"},
		{"no password", "scram", "127.0.0.1", root, "password"},
		{"hostaddr, and the certificate bears the name", "ada", "db.internal", root + "&hostaddr=127.0.0.1", ""},
		{"hostaddr, and the certificate bears another", "ada", "other.internal", root + "&hostaddr=127.0.0.1", "not other.internal"},
		{"TLS 1.2 and no other", "ada", "127.0.0.1", root + "&ssl_min_protocol_version=TLSv1.2&ssl_max_protocol_version=TLSv1.2", ""},
		{"TLS 1.3 at least", "ada", "127.0.0.1", root + "&ssl_min_protocol_version=TLSv1.3", ""},
		{"bounds that cross", "ada", "127.0.0.1", root + "&ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2", "is below ssl_min_protocol_version"},
		{"a revocation list", "ada", "127.0.0.1", root + "&sslcrl=x", "sslcrl is not supported"},
		{"channel binding", "scram:" + secret, "127.0.0.1", root + "&channel_binding=require", ""},
		{"channel binding that the server does not do", "ada", "127.0.0.1", root + "&channel_binding=require", "channel binding"},
		{"require_auth", "scram:" + secret, "127.0.0.1", root + "&require_auth=scram-sha-256", ""},
		{"require_auth that the server does not ask for", "ada", "127.0.0.1", root + "&require_auth=scram-sha-256", "require_auth"},
		{"gssencmode=require", "ada", "127.0.0.1", root + "&gssencmode=require", "gssencmode=require is not supported"},
		{"password, without TLS", "scram:" + secret, "127.0.0.1", "sslmode=disable", "no encryption"},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := url.Parse(server.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			where := "postgresql+asyncpg://" + c.user + "@" + c.host + ":" + u.Port() + "/postgres?" + c.query
			stdout, stderr, code := output(t, path, "DATABASE_URL="+where, "--once", "--output=json", "--log-level=debug")
			switch {
			case strings.Contains(stdout+stderr, secret):
				t.Errorf("the password is told:\n%s%s", stdout, stderr)
			case c.want == "" && code != exitDone, c.want != "" && (code != exitFailed && code != exitUsage || !strings.Contains(stderr, c.want)):
				t.Errorf("exit code %d, want %q in\n%s%s", code, c.want, stdout, stderr)
			}
			// One line, so nothing was tried again: what is wrong does not pass.
			if strings.Count(stderr, "\n") != 1 {
				t.Errorf("more than a line:\n%s", stderr)
			}
		})
	}
}
