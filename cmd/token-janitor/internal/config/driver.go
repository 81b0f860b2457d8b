package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// connectFor is how long one server of a URL without connect_timeout gets to answer: a
// busy one takes a second, and one that never does must be told of.
const connectFor = 10 * time.Second

// forDriver makes pgx's configuration. It asks pgx host by host, since pgx has no
// hostaddr: the certificate has to bear the host's name, while we connect to its address.
func forDriver(database Database) (*pgx.ConnConfig, error) {
	hosts := slices.Clone(database.Hosts)
	if database.Shuffle {
		rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] }) // #nosec G404 -- to spread load, no secret
	}
	var config *pgx.ConnConfig
	var ways []*pgconn.FallbackConfig
	for _, host := range hosts {
		one, err := pgx.ParseConfig(database.DSN(host))
		if err != nil {
			return nil, fmt.Errorf("the database URL cannot be read: %s", blame(err))
		}
		for _, way := range append([]*pgconn.FallbackConfig{{Host: one.Host, Port: one.Port, TLSConfig: one.TLSConfig}}, one.Fallbacks...) {
			if host.Address != "" {
				way.Host = host.Address
			}
			if err := secure(way, database); err != nil {
				return nil, err
			}
			ways = append(ways, way)
		}
		if config == nil {
			config = one
		}
	}
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = ways[0].Host, ways[0].Port, ways[0].TLSConfig, ways[1:]
	config.RuntimeParams = maps.Clone(database.Settings)
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectFor
	}
	config.DialFunc = dialer(database, config.ConnectTimeout).DialContext
	if lookup := config.LookupFunc; database.Shuffle {
		config.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
			addresses, err := lookup(ctx, host)
			rand.Shuffle(len(addresses), func(i, j int) { addresses[i], addresses[j] = addresses[j], addresses[i] }) // #nosec G404 -- as above
			return addresses, err
		}
	}
	return config, nil
}

// secure bounds the version of TLS, and refuses to leave out the revocation list that
// libpq would look into without being told.
func secure(way *pgconn.FallbackConfig, database Database) error {
	if way.TLSConfig == nil {
		return nil
	}
	way.TLSConfig.MinVersion, way.TLSConfig.MaxVersion = database.MinTLS, database.MaxTLS
	if way.TLSConfig.InsecureSkipVerify && way.TLSConfig.VerifyPeerCertificate == nil { // pgx's verify-ca has the latter
		return nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil // none, so no list in it
	}
	list := filepath.Join(home, ".postgresql", "root.crl")
	if _, err := os.Stat(list); err == nil {
		return errors.New("the database URL asks to verify the server, and " + list +
			", which libpq would heed, is not supported: take it away, or set HOME to another directory")
	}
	return nil
}

// tcpUserTimeout is Linux's TCP_USER_TIMEOUT; package syscall has no name for it.
const tcpUserTimeout = 18

func dialer(database Database, timeout time.Duration) *net.Dialer {
	d := &net.Dialer{Timeout: timeout, KeepAliveConfig: database.KeepAlive}
	if !database.KeepAlive.Enable {
		d.KeepAlive = -1
	}
	if database.UserTimeout > 0 && runtime.GOOS == "linux" {
		d.Control = func(network, _ string, raw syscall.RawConn) (err error) {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			if e := raw.Control(func(fd uintptr) {
				err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(database.UserTimeout.Milliseconds())) // #nosec G115 -- a file descriptor
			}); e != nil {
				return e
			}
			return err
		}
	}
	return d
}

// blame says what is wrong with a parameter in words of our own: those of pgx quote the
// whole text, and may quote the password.
func blame(err error) string {
	text := err.Error()
	text = text[strings.LastIndex(text, "`: ")+1:] // behind the quotation, which has names of parameters in it
	for _, known := range []struct{ sign, words string }{
		{"sslmode is invalid", "sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full"},
		{"target_session_attrs", "target_session_attrs is not one that libpq knows"},
		{"unable to read CA file", "the file of sslrootcert cannot be read"},
		{"unable to add CA", "the file of sslrootcert holds no certificate"},
		{"unable to load cert", "the files of sslcert and sslkey cannot be read"},
		{"unable to read cert", "the file of sslcert cannot be read"},
		{"unable to read sslkey", "the file of sslkey cannot be read"},
		{"failed to decode sslkey", "the file of sslkey is not in PEM form"},
		{"unable to find sslpassword", "the key of sslkey is encrypted: give sslpassword"},
		{"unable to decrypt key", "sslpassword does not open the key of sslkey"},
		{"both \"sslcert\" and \"sslkey\"", "sslcert and sslkey go together"},
		{"invalid connect_timeout", "connect_timeout is not a number of seconds"},
		{"invalid sslcertmode", "sslcertmode is not one of disable, allow, require"},
		{"channel_binding", "channel_binding is not one of disable, prefer, require"},
		{"invalid require_auth", "require_auth is not a list of methods that libpq knows"},
		{"min_protocol_version cannot be greater", "min_protocol_version is above max_protocol_version"},
		{"min_protocol_version", "min_protocol_version is not one of 3.0, 3.2, latest"},
		{"max_protocol_version", "max_protocol_version is not one of 3.0, 3.2, latest"},
	} {
		if strings.Contains(text, known.sign) {
			return known.words
		}
	}
	return "a value in it is not one that its parameter takes"
}
