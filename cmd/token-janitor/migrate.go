package main

import (
	"context"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
	"github.com/hyphagraph/token-janitor/migrations"
)

// names are the tables to work with, and the columns.
func (s *service) names() migrations.Names {
	names := migrations.Names{Table: string(s.Table), VersionTable: string(s.VersionTable), Columns: migrations.Columns{
		Expires: s.Columns.Expires, Revoked: s.Columns.Revoked, RevokedAt: s.Columns.RevokedAt, Epoch: string(s.Epoch),
	}}
	if s.TimestampZone != nil {
		names.Columns.TimestampZone = s.TimestampZone.String()
	}
	return names
}

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
		state, err = s.bootOnce(ctx, migrations.Stamp, nil)
		switch {
		case err != nil:
		case state.Upgraded: // told as it happened
		case state.Revision == "":
			s.log.Info("nothing to do: the table is as the janitor needs it, and the database has no revision")
		case state.Ahead:
			s.log.Info("nothing to do: the API's own migrations are ahead", "revision", state.Revision)
		default:
			s.log.Info("nothing to do", "revision", state.Revision)
		}
	case "downgrade":
		ctx, stop := context.WithTimeout(ctx, s.ConnectTimeout)
		defer stop()
		err = s.connected(ctx, s.downgrade(ctx))
	}
	if err != nil {
		s.log.Error("migrate "+step, "error", err)
		return exitFailed
	}
	return exitDone
}

// current prints the rows of the version table.
func (s *service) current(ctx context.Context) func(*pgx.Conn) error {
	return func(conn *pgx.Conn) error {
		revisions, err := migrations.Current(ctx, conn, s.names())
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
			if _, err := fmt.Println(text.OneLine(r)); err != nil {
				return err
			}
		}
		return nil
	}
}

// downgrade drops the table of tokens with --yes. Without it, it says what would go.
func (s *service) downgrade(ctx context.Context) func(*pgx.Conn) error {
	return func(conn *pgx.Conn) error {
		if s.Yes {
			state, err := migrations.Downgrade(ctx, conn, s.names())
			if err == nil {
				s.log.Info("downgraded: the table of refresh tokens is dropped", "revision", state.Revision, "table", text.OneLine(state.Table.Sanitize()))
			}
			return err
		}
		loss, err := migrations.WouldLose(ctx, conn, s.names())
		if err != nil {
			return err
		}
		what := fmt.Sprintf("drop table %s with %s live tokens of %s: every user would have to log in again",
			text.OneLine(loss.Table.Sanitize()), counted(loss.Live), counted(loss.Total))
		if s.DryRun {
			_, err := fmt.Printf("Dry run: migrate downgrade would %s.\n", what)
			return err
		}
		return fmt.Errorf("refused: it would %s: to do it, run token-janitor --yes migrate downgrade", what)
	}
}

// counted is a number of tokens that were counted up to a cap.
func counted(n int64) string {
	return text.AtLeast(n, n == migrations.LossCap)
}
