package config

import (
	"errors"
	"net/url"
	"strings"
)

var (
	errAt     = errors.New("the database URL has an @ behind its host: in a user or password write / as %2F, ? as %3F and @ as %40")
	errEscape = errors.New("a % in it begins no escape (in a password write % as %25)")
	errSpace  = errors.New("it holds a space (write %20)")
	errIPv6   = errors.New("an IPv6 address in it is not [ADDRESS]")
	errEquals = errors.New("a parameter in it has no =")
)

// libpqURI reads what follows postgres:// as libpq does: percent escapes everywhere, and
// a plus is a plus.
func libpqURI(text string) (map[string]string, error) {
	uri, given := uri{text}, map[string]string{}
	var user, password string
	// The user ends at the first @, unless a / comes before.
	if at := strings.IndexAny(uri.rest, "@/"); at >= 0 && uri.rest[at] == '@' {
		user, password, _ = strings.Cut(uri.rest[:at], ":")
		uri.rest = uri.rest[at+1:]
	}
	hosts, ports, err := uri.hosts()
	if err != nil {
		return nil, err
	}
	var database string
	if uri.skip("/") {
		database = uri.until("?")
	}
	if strings.Contains(hosts+ports+database, "@") {
		return nil, errAt
	}
	for name, raw := range map[string]string{"user": user, "password": password, "host": hosts, "port": ports, "dbname": database} {
		value, err := unescape(raw)
		if err != nil {
			return nil, err
		}
		if value != "" {
			given[name] = value
		}
	}
	if !uri.skip("?") {
		return given, nil
	}
	var several []string
	for pair := range strings.SplitSeq(uri.rest, "&") {
		name, value, ok := strings.Cut(pair, "=")
		switch {
		case pair == "":
			continue
		case strings.Contains(name, "@"):
			return nil, errAt
		case !ok:
			return nil, errEquals
		}
		if name, err = unescape(name); err != nil {
			return nil, err
		}
		if value, err = unescape(value); err != nil {
			return nil, err
		}
		if name == "host" { // libpq would take the last; who names several means them, as SQLAlchemy has it
			several = append(several, value)
			value = strings.Join(several, ",")
		}
		given[name] = value
	}
	return given, nil
}

// uri is what is left to be read of one.
type uri struct{ rest string }

func (u *uri) skip(sign string) (ok bool) {
	u.rest, ok = strings.CutPrefix(u.rest, sign)
	return ok
}

// until takes all before the first of some characters.
func (u *uri) until(ends string) string {
	end := strings.IndexAny(u.rest, ends)
	if end < 0 {
		end = len(u.rest)
	}
	taken := u.rest[:end]
	u.rest = u.rest[end:]
	return taken
}

// hosts takes HOST:PORT,HOST:PORT.
func (u *uri) hosts() (hosts, ports string, err error) {
	for {
		if u.skip("[") {
			address := u.until("]")
			if !u.skip("]") || address == "" || u.rest != "" && !strings.Contains(":/?,", u.rest[:1]) {
				return "", "", errIPv6
			}
			hosts += address
		} else {
			hosts += u.until(":/?,")
		}
		if u.skip(":") {
			ports += u.until("/?,")
		}
		if !u.skip(",") {
			return hosts, ports, nil
		}
		hosts, ports = hosts+",", ports+","
	}
}

// unescape resolves percent escapes and takes a plus as it is.
func unescape(text string) (string, error) {
	if strings.ContainsAny(text, " ") {
		return "", errSpace
	}
	plain, err := url.PathUnescape(text)
	if err != nil {
		return "", errEscape
	}
	return plain, nil
}
