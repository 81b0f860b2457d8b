package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

func none(string) string { return "" }

func TestCleanDatabaseURL(t *testing.T) {
	t.Parallel()
	const want = "postgres://u:p@db/app"
	var little, big strings.Builder
	for _, unit := range utf16.Encode([]rune("\ufeff" + want + "\r\n")) {
		little.Write([]byte{byte(unit), byte(unit >> 8)})
		big.Write([]byte{byte(unit >> 8), byte(unit)})
	}
	for _, raw := range []string{
		want, want + "\n", want + "\r\n", " \t" + want + " ", `"` + want + `"`, "'" + want + "'\n", "\" " + want + " \"", "\ufeff" + want, "\u200b" + want + "\u00a0",
		"\ufeff'" + want + "'\r\n", little.String(), big.String(),
	} {
		if got, err := CleanDatabaseURL(raw); got != want || err != nil {
			t.Errorf("%q: got %q, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"": "", " \n": "", `""`: "", "''\n": "", `password=a\ `: `password=a\ `, "password='a b'": "password='a b'", "password=x'": "password=x'",
	} {
		if got, err := CleanDatabaseURL(raw); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", raw, got, err, want)
		}
	}
	for raw, want := range map[string]string{
		want + "\x00": "zero byte", `"` + want: "begins with a quote", "'" + want + `"`: "begins with a quote", "\xff\xfep": "UTF-16",
		"p\x00o\x00s\x00t\x00": "zero byte",
	} {
		if _, err := CleanDatabaseURL(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", raw, err, want)
		}
	}
}

func TestDatabaseURLIsRefused(t *testing.T) {
	t.Parallel()
	const secret = "SEKRET"
	for text, want := range map[string]string{
		"postgres://u:SEKRET@db/app\npostgres://u:p@db/app":  "more than one line",
		"postgres://u:SEKRET\t@db/app":                       "control character",
		"postgres://u:SEKRET@db/app'":                        "ends with a quote",
		"DATABASE_URL=postgres://u:SEKRET@db/app":            "begins with NAME=",
		"export DATABASE_URL='postgres://u:SEKRET@db/app'":   "begins with NAME=",
		"postgres://u@db/app?sslmod=SEKRET":                  "unknown parameter sslmod: did you mean sslmode?",
		"postgres://u@db/app?ssl_mode=SEKRET":                "did you mean sslmode?",
		"postgres://u@db/app?SSLMODE=SEKRET":                 "did you mean sslmode?",
		"postgres://u@db/app?hots=SEKRET":                    "did you mean host?",
		"postgres://u@db/app?target_sesion_attr=SEKRET":      "did you mean target_session_attrs?",
		"host=db keepalive_idle=SEKRET":                      "did you mean keepalives_idle?",
		"host=db passwrod=SEKRET":                            "did you mean password?",
		"postgres://u@db/app?SEK%20RET=1":                    "letters, digits and _",
		"postgres://u@db/app?SEKRET":                         "has no =",
		"postgres://u@db/app?requirepeer=SEKRET":             "requirepeer is not supported",
		"host=db sslcrl=SEKRET":                              "sslcrl is not supported",
		"host=db sslcrldir=SEKRET":                           "sslcrldir is not supported",
		"host=db gssencmode=require":                         "gssencmode=require is not supported",
		"host=db gssencmode=SEKRET":                          "gssencmode is not one of",
		"host=db replication=database":                       "replication=database is not supported",
		"host=db load_balance_hosts=SEKRET":                  "load_balance_hosts is not one of",
		"host=db sslnegotiation=SEKRET":                      "sslnegotiation is not one of",
		"host=db sslnegotiation=direct":                      "wants an sslmode",
		"host=db scram_client_key=SEKRET":                    "give a password",
		"host=db oauth_client_secret=SEKRET":                 "give a password",
		"host=db keepalives_count=SEKRET":                    "keepalives_count is not a whole number",
		"host=db hostaddr=SEKRET":                            "hostaddr is not an IP address",
		"host=a,b hostaddr=127.0.0.1":                        "different lengths",
		"host=a,b port=1,2,3":                                "different lengths",
		"host=a port=70000":                                  "from 1 to 65535",
		"host=db ssl_min_protocol_version=SEKRET":            "not one of TLSv1",
		"host=db ssl_max_protocol_version=TLSv1.1":           "is below",
		"service=SEKRET":                                     "not in the service file",
		"service=SEKRET servicefile=/no/such":                "cannot be read",
		"postgresql+pg8000://u@/app?unix_sock=/SEKRET":       "unix_sock is not",
		"postgresql+asyncpg://u@/app?server_settings=SEKRET": "server_settings is not",
		"postgresql+pg8000://u@db/app?ssl_context=SEKRET":    "ssl_context is not supported",
		"postgresql+asyncpg://u:p@SEKRET@db/app":             "has an @",
	} {
		_, err := ParseDatabaseURL(text, none)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), secret) || !strings.HasPrefix(err.Error(), "the database URL ")) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestNothingPrintsThePassword in whatever way a value is printed or encoded.
func TestNothingPrintsThePassword(t *testing.T) {
	t.Parallel()
	d, err := ParseDatabaseURL("postgres://ada:SEKRET@db:5433/app?sslpassword=SEKRET", none)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.DSN(d.Hosts[0]), "password='SEKRET'") {
		t.Error("the driver does not get the password")
	}
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(d), fmt.Sprintf("%+v", d), fmt.Sprintf("%#v", d), fmt.Sprintf("%v", &d), string(encoded)} {
		if strings.Contains(text, "SEKRET") || !strings.Contains(text, "host=db port=5433 user=ada dbname=app") {
			t.Errorf("prints as %s", text)
		}
	}
}

// TestPrecedence is libpq's: what is given, the service, the environment.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	env := map[string]string{"PGHOST": "env", "PGUSER": "env", "PGDATABASE": "env", "PGAPPNAME": "env", "PGREQUIRESSL": "1"}
	getenv := func(name string) string { return env[name] }
	d, err := ParseDatabaseURL("postgres://ada@/app", getenv)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.String(); got != "host=env port= user=ada dbname=app" || d.Settings["application_name"] != "env" || d.driver["sslmode"] != "require" {
		t.Errorf("got %s, %v, %s", got, d.Settings, d.driver["sslmode"])
	}
}

// FuzzKeywordValues: what quoteValue writes is read as it was.
func FuzzKeywordValues(f *testing.F) {
	for _, value := range []string{"", "a", "a b", `\`, `'`, `\'`, "a\nb", "=", "é"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := keywordValues("a=" + quoteValue(value) + " b='c'")
		if err != nil || got["a"] != value || got["b"] != "c" {
			t.Errorf("%q is read as %q, %v", value, got, err)
		}
	})
}
