package pgtemp

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// account is the user that the server runs as; nil is the user of this process.
type account struct {
	name     string
	uid, gid uint32
}

// as completes a sentence of the form "run X as user Y".
func (a *account) as() string {
	if a == nil {
		return ""
	}
	return " as user " + a.name
}

// unprivileged returns nil unless this process runs as root, which PostgreSQL refuses to: then an account of this
// machine to run it as.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			if a := parseAccount(u.Username, u.Uid, u.Gid); a != nil {
				return a, nil
			}
		}
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, fmt.Errorf("find a user other than root to run PostgreSQL as: %w", err)
	}
	if a := firstOrdinary(string(passwd)); a != nil {
		return a, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root and /etc/passwd has no other user: add one (useradd postgres), or run as an ordinary user")
}

// firstOrdinary returns the first entry of a passwd file that is not root's, or nil.
func firstOrdinary(passwd string) *account {
	for line := range strings.Lines(passwd) {
		f := strings.Split(line, ":")
		if len(f) < 4 {
			continue
		}
		if a := parseAccount(f[0], f[2], f[3]); a != nil {
			return a
		}
	}
	return nil
}

// parseAccount returns nil for root and for ids that are no 32-bit numbers, such as macOS's -2 for nobody.
func parseAccount(name, uid, gid string) *account {
	u, err := strconv.ParseUint(uid, 10, 32)
	if err != nil || u == 0 {
		return nil
	}
	g, err := strconv.ParseUint(gid, 10, 32)
	if err != nil {
		return nil
	}
	return &account{name: name, uid: uint32(u), gid: uint32(g)}
}
