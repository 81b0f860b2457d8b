//go:build unix

package pgtemp

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestSpeak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ locale, severity, message string }{
		{"de_DE.UTF-8", "FEHLER", "Division durch Null"},
		{"ru_RU.UTF-8", "ОШИБКА", "деление на ноль"},
	} {
		t.Run(c.locale, func(t *testing.T) {
			t.Parallel()
			url := Empty(t)
			Speak(t, url, c.locale)
			_, err := connect(t, url).Exec(t.Context(), "SELECT 1/0")
			var answer *pgconn.PgError
			if !errors.As(err, &answer) || answer.Severity != c.severity || answer.Message != c.message ||
				answer.SeverityUnlocalized != "ERROR" || answer.Code != "22012" {
				t.Errorf("the server says %#v", answer)
			}
		})
	}
}

// With the variable the whole server speaks so, also to those who have no session yet.
func TestLanguageVariable(t *testing.T) {
	Speak(t, Empty(t), "ru_RU.UTF-8") // skips where there is none
	t.Setenv(languageVariable, "ru_RU.UTF-8")
	s := start(t)
	locale, word, err := severity(t.Context(), s.URL("postgres"))
	if err != nil || locale != "ru_RU.UTF-8" || word != "ОШИБКА" {
		t.Errorf("the server speaks %q, its word for ERROR is %q (%v)", locale, word, err)
	}
	_, err = pgx.Connect(t.Context(), s.URL("no_such_database"))
	var answer *pgconn.PgError
	if !errors.As(err, &answer) || answer.Severity == "FATAL" || answer.SeverityUnlocalized != "FATAL" || answer.Code != "3D000" {
		t.Errorf("the server says %#v", answer)
	}
}

func TestLanguageThatIsNotThere(t *testing.T) {
	parent := openDir(t)
	for _, c := range []struct{ locale, want string }{
		{"tlh_QO.UTF-8", "no locale tlh_QO.UTF-8 (localedef -i tlh_QO -f UTF-8 tlh_QO.UTF-8)"},
		{"C", "no translation for C"},
	} {
		t.Setenv(languageVariable, c.locale)
		s, err := Start(context.Background(), In(parent))
		if err == nil {
			s.Stop()
		}
		if !errors.Is(err, errNoLanguage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want it to say %q", c.locale, err, c.want)
		}
	}
	checkEmpty(t, parent)
}

// A CI run under the variable is worth nothing if its servers speak English after all.
func TestSharedServerSpeaksAsAsked(t *testing.T) {
	t.Parallel()
	locale, word, err := severity(t.Context(), Empty(t))
	if err != nil {
		t.Fatal(err)
	}
	if asked := os.Getenv(languageVariable); (asked == "") != (word == "ERROR") || asked != "" && locale != asked {
		t.Errorf("%s=%s: lc_messages is %s and the word for ERROR %s", languageVariable, asked, locale, word)
	}
}
