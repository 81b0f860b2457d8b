package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// lifetime is how long a token of the demo's API lives.
const lifetime = 7 * 24 * time.Hour

// uuid is an id as PostgreSQL has it.
type uuid [16]byte

func (u uuid) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// newUUID makes a random one (RFC 9562, version 4).
func newUUID() (u uuid) {
	_, _ = rand.Read(u[:]) // it never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// token is a row of refresh_tokens.
type token struct {
	id, user uuid
	hash     string // of what the user holds
	created  time.Time
	expires  time.Time
	revoked  bool
	at       time.Time // when it was revoked; zero if it was not, or if nobody wrote that down
}

// newToken makes the token of a session that ends at expires.
func newToken(user uuid, created, expires time.Time) token {
	var secret [32]byte
	_, _ = rand.Read(secret[:])
	sum := sha256.Sum256(secret[:])
	return token{id: newUUID(), user: user, hash: hex.EncodeToString(sum[:]), created: created, expires: expires}
}
