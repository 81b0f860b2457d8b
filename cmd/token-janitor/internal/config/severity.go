package config

import "github.com/jackc/pgx/v5/pgconn"

// staysOpen is pgx's hook that says whether a connection goes on after an error. Its own reads the severity in the server's
// language: on a Russian server, FATAL is not seen, and in place of what the server said there is an unexpected EOF.
func staysOpen(_ *pgconn.PgConn, answer *pgconn.PgError) bool {
	severity := answer.SeverityUnlocalized
	if severity == "" { // a proxy of its own words, which are English
		severity = answer.Severity
	}
	return severity != "FATAL" && severity != "PANIC"
}
