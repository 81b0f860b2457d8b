package config

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// connection is all that is known of one, by libpq's names, and where each value is from.
type connection struct {
	values  map[string]string
	sources map[string]string // PGHOST, or the service; none = the URL
}

// complete adds what the URL does not say: first from the service, then from the environment.
func complete(given map[string]string, getenv func(string) string) (connection, error) {
	c := connection{map[string]string{}, map[string]string{}}
	for name, p := range parameters {
		if p.variable == "" {
			continue
		}
		if value := getenv(p.variable); value != "" {
			c.values[name], c.sources[name] = value, p.variable
		}
	}
	if _, ok := c.values["sslmode"]; !ok && strings.HasPrefix(getenv("PGREQUIRESSL"), "1") { // as old as it is, libpq heeds it
		c.values["sslmode"], c.sources["sslmode"] = "require", "PGREQUIRESSL"
	}
	file := c.values["servicefile"]
	if f, ok := given["servicefile"]; ok {
		file = f
	}
	name := c.values["service"]
	if s, ok := given["service"]; ok {
		name = s
	}
	if name != "" {
		settings, path, err := service(name, file, getenv)
		if err != nil {
			return c, err
		}
		for key, value := range settings {
			c.values[key], c.sources[key] = value, "the service file"
		}
		c.values["service"], c.values["servicefile"] = name, path
	}
	for key, value := range given {
		if key != "service" && key != "servicefile" {
			c.values[key] = value
			delete(c.sources, key)
		}
	}
	return c, nil
}

// from is the name of a parameter and where it was found.
func (c connection) from(name string) string {
	if source := c.sources[name]; source != "" {
		return name + " (of " + source + ")"
	}
	return name
}

// database sorts the parameters by who is to heed them.
func (c connection) database() (d Database, err error) {
	d.driver, d.Settings = map[string]string{}, map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.values)) {
		value := c.values[name]
		if strings.ContainsRune(value, 0) {
			return d, errors.New("the database URL holds a zero byte")
		}
		p, known := parameters[name]
		switch {
		case !known:
			if err := checkName(name); err != nil {
				return d, err
			}
			d.Settings[name] = value
		case p.handling == toServer:
			d.Settings[name] = value
		case p.handling == toDriver:
			d.driver[name] = value
		case p.handling == refused && value != "":
			return d, fmt.Errorf("%s is not supported%s", c.from(name), whyRefused(name))
		}
	}
	if d.Settings["application_name"] == "" {
		delete(d.Settings, "application_name")
		if name := c.values["fallback_application_name"]; name != "" {
			d.Settings["application_name"] = name
		}
	}
	if seconds, err := strconv.Atoi(d.driver["connect_timeout"]); err == nil && seconds < 0 {
		d.driver["connect_timeout"] = "0" // as in libpq
	}
	if d.Hosts, err = c.hosts(); err != nil {
		return d, err
	}
	return d, cmp.Or(c.words(), c.network(&d), c.versions(&d))
}

// whyRefused is what to do about a parameter that we cannot heed.
func whyRefused(name string) string {
	switch {
	case strings.HasPrefix(name, "scram_"), strings.HasPrefix(name, "oauth_"):
		return ": give a password or a client certificate"
	case name == "ssl_context":
		return ": give sslmode and sslrootcert"
	}
	return ", and without it the connection would be less safe than asked for"
}

// words checks the parameters that take one of a few words.
func (c connection) words() error {
	for _, p := range []struct {
		name    string
		allowed []string
		refused []string
	}{
		{"load_balance_hosts", []string{"disable", "random"}, nil},
		{"gssencmode", []string{"disable", "prefer", "allow"}, []string{"require"}}, // we have none, which prefer allows
		{"replication", []string{"false", "off", "no", "0"}, []string{"true", "on", "yes", "1", "database"}},
		{"sslnegotiation", []string{"postgres", "direct"}, nil},
	} {
		value := c.values[p.name]
		switch {
		case value == "" || slices.Contains(p.allowed, value):
		case slices.Contains(p.refused, value):
			return fmt.Errorf("%s=%s is not supported", c.from(p.name), value)
		default:
			return fmt.Errorf("%s is not one of %s", c.from(p.name), strings.Join(p.allowed, ", "))
		}
	}
	if mode := c.values["sslmode"]; c.values["sslnegotiation"] == "direct" && slices.Contains([]string{"", "disable", "allow", "prefer"}, mode) &&
		c.values["sslrootcert"] != "system" {
		return fmt.Errorf("%s=direct wants an sslmode of require, verify-ca or verify-full", c.from("sslnegotiation"))
	}
	return nil
}

// network reads how TCP watches over the connection.
func (c connection) network(d *Database) error {
	d.Shuffle = c.values["load_balance_hosts"] == "random"
	numbers := map[string]int{"keepalives": 1}
	for _, name := range []string{"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"} {
		if c.values[name] == "" {
			continue
		}
		n, err := strconv.ParseInt(strings.Trim(c.values[name], blanks), 10, 32)
		if err != nil {
			return fmt.Errorf("%s is not a whole number", c.from(name))
		}
		numbers[name] = max(int(n), 0)
	}
	d.KeepAlive.Enable = numbers["keepalives"] != 0
	d.KeepAlive.Idle = time.Duration(numbers["keepalives_idle"]) * time.Second
	d.KeepAlive.Interval = time.Duration(numbers["keepalives_interval"]) * time.Second
	d.KeepAlive.Count = numbers["keepalives_count"]
	d.UserTimeout = time.Duration(numbers["tcp_user_timeout"]) * time.Millisecond
	return nil
}

// versions reads the bounds of TLS.
func (c connection) versions(d *Database) error {
	known := map[string]uint16{"": 0, "tlsv1": tls.VersionTLS10, "tlsv1.1": tls.VersionTLS11, "tlsv1.2": tls.VersionTLS12, "tlsv1.3": tls.VersionTLS13}
	for name, version := range map[string]*uint16{"ssl_min_protocol_version": &d.MinTLS, "ssl_max_protocol_version": &d.MaxTLS} {
		v, ok := known[strings.ToLower(c.values[name])]
		if !ok {
			return fmt.Errorf("%s is not one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", c.from(name))
		}
		*version = v
	}
	if least := max(d.MinTLS, tls.VersionTLS10); d.MaxTLS != 0 && (least > d.MaxTLS || d.MinTLS == 0 && d.MaxTLS < tls.VersionTLS12) {
		return fmt.Errorf("%s is below ssl_min_protocol_version", c.from("ssl_max_protocol_version"))
	}
	return nil
}

// hosts pairs names, addresses and ports, as libpq does. A name may bring its port, as
// SQLAlchemy has it.
func (c connection) hosts() ([]Host, error) {
	names, addresses := strings.Split(c.values["host"], ","), strings.Split(c.values["hostaddr"], ",")
	if c.values["host"] == "" {
		names = make([]string, len(addresses))
	}
	if c.values["hostaddr"] == "" {
		addresses = make([]string, len(names))
	}
	if len(names) != len(addresses) {
		return nil, fmt.Errorf("%s and hostaddr are lists of different lengths", c.from("host"))
	}
	ports := strings.Split(c.values["port"], ",")
	if len(ports) == 1 { // it is that of all
		ports = slices.Repeat(ports, len(names))
	}
	if len(ports) != len(names) {
		return nil, fmt.Errorf("%s and port are lists of different lengths", c.from("host"))
	}
	var hosts []Host
	for i, given := range names {
		name, port := splitPort(given)
		if port == "" {
			port = strings.Trim(ports[i], blanks)
		}
		if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
			return nil, errors.New("the port is not a number from 1 to 65535 (in a password write / as %2F)")
		}
		if address := addresses[i]; address != "" {
			if _, err := netip.ParseAddr(address); err != nil {
				return nil, fmt.Errorf("%s is not an IP address", c.from("hostaddr"))
			}
		}
		hosts = append(hosts, Host{name, addresses[i], port})
	}
	return hosts, nil
}

// splitPort takes the port from NAME:PORT, [ADDRESS]:PORT and the file of a socket. An
// IPv6 address without brackets has none.
func splitPort(text string) (name, port string) {
	if m := socketFile.FindStringSubmatch(text); m != nil {
		return m[1], m[2]
	}
	if m := socketPort.FindStringSubmatch(text); m != nil {
		return m[1], m[2]
	}
	if isPath(text) {
		return text, ""
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if address, rest, ok := strings.Cut(inner, "]"); ok && (rest == "" || rest[0] == ':') {
			return address, strings.TrimPrefix(rest, ":")
		}
	}
	if strings.Count(text, ":") == 1 {
		name, port, _ = strings.Cut(text, ":")
		return name, port
	}
	return text, ""
}

// isPath says whether a host is the directory of a Unix socket.
func isPath(host string) bool { return strings.HasPrefix(host, "/") }
