// Package config reads what token-janitor is told: values that are parsed once.
package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// Database says where the database is and how to connect to it. Its password is for
// DSN alone: nothing that prints or encodes a Database shows it.
type Database struct {
	Hosts       []Host            // at least one; they are tried in this order
	Settings    map[string]string // run-time parameters that the server gets
	KeepAlive   net.KeepAliveConfig
	UserTimeout time.Duration // TCP_USER_TIMEOUT; 0 = the system's
	Shuffle     bool          // try hosts and addresses in random order
	MinTLS      uint16        // a version of crypto/tls; 0 = the default
	MaxTLS      uint16

	driver map[string]string // libpq's parameters that pgx takes, the password among them
}

// Host is one server.
type Host struct {
	Name    string // a name, an address or the directory of a Unix socket; "" = the default
	Address string // the address to connect to in place of Name, which its certificate still has to bear
	Port    string // "" = the default
}

// DSN is what pgx takes, in libpq's form of keywords and values, for one of the hosts.
// It holds the password.
func (d Database) DSN(h Host) string {
	all := maps.Clone(d.driver)
	all["host"], all["port"] = h.Name, h.Port
	if h.Address != "" && (h.Name == "" || isPath(h.Name)) {
		all["host"] = h.Address
	}
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, name+"="+quoteValue(all[name]))
	}
	return strings.Join(pairs, " ")
}

// String names hosts, user and database.
func (d Database) String() string {
	var names, ports []string
	for _, h := range d.Hosts {
		names, ports = append(names, h.Name), append(ports, h.Port)
	}
	return fmt.Sprintf("host=%s port=%s user=%s dbname=%s", strings.Join(names, ","), strings.Join(ports, ","), d.driver["user"], d.driver["dbname"])
}

// GoString is String, for %#v would show the password.
func (d Database) GoString() string { return d.String() }

// MarshalText is String, for a log or JSON. It never fails.
func (d Database) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
