package config

import (
	"regexp"
	"strings"
)

// sqlalchemyScheme is the scheme with a driver of Python behind it: postgresql+asyncpg://...
var sqlalchemyScheme = regexp.MustCompile(`^(?i:postgres(?:ql)?)\+\w+://`)

// sqlalchemyParts is SQLAlchemy's own pattern, of sqlalchemy.engine.url, for what follows
// the scheme. It is no RFC 3986: a password may hold anything but an @.
var sqlalchemyParts = regexp.MustCompile(`^(?:([^:/]*)(?::([^@]*))?@)?` +
	`(?:(?:\[([^/?]+)\]|([^/:?]+))?(?::([^/?]*))?)?` +
	`(?:/([^?]*))?(?:\?(.*))?`)

// sqlalchemyURL reads what follows the scheme as SQLAlchemy does: escapes count in user,
// password and query only, one that is none stands for itself, and in the query a plus is
// a blank.
func sqlalchemyURL(text string) (map[string]string, error) {
	m := sqlalchemyParts.FindStringSubmatch(text)
	if len(m[0]) != len(text) { // SQLAlchemy leaves the rest away without a word
		return nil, errIPv6
	}
	user, password, host, port, database, query := m[1], m[2], m[3]+m[4], strings.TrimSpace(m[5]), m[6], m[7]
	if strings.Contains(host+port+database, "@") {
		return nil, errAt
	}
	given := map[string]string{}
	for name, value := range map[string]string{"user": unquote(user), "password": unquote(password), "host": host, "port": port, "dbname": database} {
		if value != "" {
			given[name] = value
		}
	}
	var several []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, value = unquote(strings.ReplaceAll(name, "+", " ")), unquote(strings.ReplaceAll(value, "+", " "))
		switch name {
		case "database":
			name = "dbname"
		case "host":
			if value != "" {
				several = append(several, value)
				value = strings.Join(several, ",")
			}
		}
		if value != "" { // parse_qsl drops a blank one
			given[name] = value
		}
	}
	return given, nil
}

// unquote is Python's urllib.parse.unquote.
func unquote(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]) {
			b.WriteByte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
			continue
		}
		b.WriteByte(text[i])
	}
	return string([]rune(b.String())) // what is no UTF-8 becomes U+FFFD
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
