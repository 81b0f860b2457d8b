package main

import (
	"testing"
	"time"
)

func TestPastSessionIsOneThatTheAPIMakes(t *testing.T) {
	t.Parallel()
	now, user := time.Now(), newUUID()
	for range 1000 {
		tokens := pastSession(user, now)
		for i, k := range tokens {
			last := i == len(tokens)-1
			switch {
			case k.user != user, !k.expires.Equal(tokens[0].expires):
				t.Fatalf("token %d has another user or end than the first", i)
			case k.created.After(now), k.created.After(k.expires), k.expires.Sub(k.created) > lifetime:
				t.Fatalf("token %d was made at %s and expires at %s; it is %s", i, k.created, k.expires, now)
			case !k.revoked && !last, !k.revoked && !k.at.IsZero():
				t.Fatalf("token %d of %d: revoked %t, at %s", i, len(tokens), k.revoked, k.at)
			case !last && !k.at.IsZero() && !k.at.Equal(tokens[i+1].created):
				t.Fatalf("token %d was revoked at %s, and its successor made at %s", i, k.at, tokens[i+1].created)
			}
		}
	}
}
