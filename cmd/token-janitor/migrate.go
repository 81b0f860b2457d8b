package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/migrations"
)

// migrate does the migrate commands. What it prints of revisions is what alembic does.
func (s *service) migrate(ctx context.Context, step string) int {
	var err error
	switch step {
	case "history":
		for _, r := range migrations.History() {
			head := ""
			if r.ID == migrations.Head {
				head = " (head)"
			}
			if _, err = fmt.Printf("%s -> %s%s, %s\n", r.Revises, r.ID, head, r.Title); err != nil {
				break
			}
		}
	case "current":
		ctx, stop := context.WithTimeout(ctx, s.ConnectTimeout)
		defer stop()
		err = s.connected(ctx, s.current(ctx))
	case "upgrade":
		var state migrations.State
		state, err = s.bootOnce(ctx, migrations.Upgrade, nil)
		switch {
		case err != nil:
		case state.Upgraded:
			s.log.Info("upgraded", "revision", state.Revision)
		case state.Ahead:
			s.log.Info("nothing to do: the API's own migrations are ahead", "revision", state.Revision)
		default:
			s.log.Info("nothing to do", "revision", state.Revision)
		}
	case "downgrade":
		ctx, stop := context.WithTimeout(ctx, s.ConnectTimeout)
		defer stop()
		err = s.connected(ctx, func(conn *pgx.Conn) error {
			state, err := migrations.Downgrade(ctx, conn, s.Table)
			if err == nil {
				s.log.Info("downgraded: the table of refresh tokens is dropped", "revision", state.Revision)
			}
			return err
		})
	}
	if err != nil {
		s.log.Error("migrate "+step, "error", err)
		return exitFailed
	}
	return exitDone
}

// current prints the rows of alembic_version.
func (s *service) current(ctx context.Context) func(*pgx.Conn) error {
	return func(conn *pgx.Conn) error {
		revisions, err := migrations.Current(ctx, conn, s.Table)
		if err != nil {
			return err
		}
		if len(revisions) == 0 {
			fmt.Fprintln(os.Stderr, "token-janitor: the database has no revision yet")
		}
		for _, r := range revisions {
			if r == migrations.Head {
				r += " (head)"
			}
			if _, err := fmt.Println(oneLine(r)); err != nil {
				return err
			}
		}
		return nil
	}
}
