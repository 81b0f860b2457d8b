package pgtemp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// languageVariable names a locale, such as de_DE.UTF-8. Every server that [Start] starts then writes its messages in
// that language, and does not start if it cannot.
const languageVariable = "TOKEN_JANITOR_TEST_LC_MESSAGES"

var errNoLanguage = errors.New("the server has no messages in that language")

// Speak has the server write its messages in the language of locale, such as de_DE.UTF-8, in all sessions of a
// database that begin from now on. The test is skipped, as by [Require], if the machine lacks the locale or
// the server the translation, which Debian's packages bring and the programs that [Start] fetches do not.
func Speak(t testing.TB, database, locale string) {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	if err == nil {
		err = speak(t.Context(), database, locale, "ALTER DATABASE "+name(config.Database)+" SET lc_messages = ")
	}
	switch {
	case errors.Is(err, errNoLanguage) && !Required():
		t.Skip(err)
	case err != nil:
		t.Fatalf("pgtemp: %v", err)
	}
}

// speak does the same for the whole server.
func (s *Server) speak(ctx context.Context, locale string) error {
	return speak(ctx, s.URL("postgres"), locale, "ALTER SYSTEM SET lc_messages = ")
}

// speak returns when the sessions that begin have the language that a statement sets.
func speak(ctx context.Context, database, locale, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return fmt.Errorf("set lc_messages: %w", err)
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement+"'"+strings.ReplaceAll(locale, "'", "''")+"'")
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Code == "22023" { // invalid parameter value
		source, _, _ := strings.Cut(locale, ".")
		return fmt.Errorf("%w: this machine has no locale %s (localedef -i %s -f UTF-8 %[2]s)", errNoLanguage, locale, source)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	}
	if err != nil {
		return fmt.Errorf("set lc_messages: %w", err)
	}
	for {
		set, word, err := severity(ctx, database)
		switch {
		case err != nil:
			return fmt.Errorf("see what language the server speaks: %w", err)
		case set == locale && word == "ERROR":
			return fmt.Errorf("%w: it has no translation for %s (apt install postgresql)", errNoLanguage, locale)
		case set == locale:
			return nil
		}
		select { // the server may not have read its configuration yet
		case <-time.After(readyInterval):
		case <-ctx.Done():
			return fmt.Errorf("wait until the server speaks %s: %w", locale, context.Cause(ctx))
		}
	}
}

// severity is a new session's lc_messages, and the word that it has for ERROR. (Spanish and Japanese have the same.)
func severity(ctx context.Context, database string) (locale, word string, err error) {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return "", "", err
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "SHOW lc_messages").Scan(&locale); err != nil {
		return "", "", err
	}
	var answer *pgconn.PgError
	if _, err := conn.Exec(ctx, "SELECT 1/0"); !errors.As(err, &answer) {
		return "", "", fmt.Errorf("1/0 is no error: %w", err)
	}
	return locale, answer.Severity, nil
}
