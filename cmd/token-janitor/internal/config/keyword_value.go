package config

import (
	"errors"
	"strings"
)

// blanks are what libpq takes for white space.
const blanks = " \t\n\r\v\f"

// errForm says what a database URL may look like.
var errForm = errors.New("want postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE, or host=HOST user=USER dbname=DATABASE")

// keywordValues reads libpq's form host=db user=ada password='with a blank'.
func keywordValues(text string) (map[string]string, error) {
	given := map[string]string{}
	for text = strings.TrimLeft(text, blanks); text != ""; text = strings.TrimLeft(text, blanks) {
		name, rest, ok := strings.Cut(text, "=")
		name = strings.TrimRight(name, blanks)
		if !ok || name == "" || strings.ContainsAny(name, blanks) {
			return nil, errForm
		}
		value, rest, err := keywordValue(strings.TrimLeft(rest, blanks))
		if err != nil {
			return nil, err
		}
		given[name] = value
		text = rest
	}
	return given, nil
}

// keywordValue reads a value, in quotes or up to a blank; a backslash takes the next
// character as it is.
func keywordValue(text string) (value, rest string, err error) {
	ends, quoted := blanks, strings.HasPrefix(text, "'")
	if quoted {
		ends, text = "'", text[1:]
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case strings.IndexByte(ends, text[i]) >= 0:
			return b.String(), text[i+1:], nil
		case text[i] == '\\':
			if i++; i == len(text) {
				continue
			}
		}
		b.WriteByte(text[i])
	}
	if quoted {
		return "", "", errors.New("a value in it begins with a quote that does not end")
	}
	return b.String(), "", nil
}

// quoteValue writes a value so that keywordValue reads it.
func quoteValue(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
