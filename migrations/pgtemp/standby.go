package pgtemp

import (
	"context"
	"fmt"
	"strings"
)

// Standby starts a second server that follows this one by streaming replication and answers queries. It is another
// server in all respects: it has to be stopped, and lives on when this one is.
func (s *Server) Standby(ctx context.Context, opts ...Option) (*Server, error) {
	primary := strings.Replace(s.URL("postgres"), "/postgres?", "/?", 1)
	standby, err := Start(ctx, append(opts, func(c *config) { c.primary = primary })...)
	if err != nil {
		return nil, fmt.Errorf("start a standby: %w", err)
	}
	return standby, nil
}

// Promote makes a standby a primary of its own, and returns when it is one.
func (s *Server) Promote(ctx context.Context) error {
	return s.admin(ctx, "promote the standby", "SELECT pg_promote(wait => true)")
}
