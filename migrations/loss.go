package migrations

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

//go:embed sql/loss.sql
var lossSQL string

// LossCap is how far the tokens of a [Loss] are counted.
const LossCap = 1_000_000

// Loss is what a downgrade would drop.
type Loss struct {
	Table       pgx.Identifier
	Live, Total int64 // LossCap means at least so many; live are those that neither expired nor are revoked
}

// WouldLose says what [Downgrade] would drop, and refuses where it would refuse. It changes nothing.
func WouldLose(ctx context.Context, conn *pgx.Conn, names Names) (Loss, error) {
	var loss Loss
	err := inTransaction(ctx, conn, reading, func(tx pgx.Tx, path []string) error {
		f, err := lookIn(ctx, tx, path, names)
		if err != nil {
			return err
		}
		if err := f.downgradable(); err != nil {
			return err
		}
		loss.Table = f.tokens()
		if err := tx.QueryRow(ctx, f.render(lossSQL), pgx.QueryExecModeExec, int64(LossCap)).Scan(&loss.Live, &loss.Total); err != nil {
			return fmt.Errorf("count the tokens of %s: %w", loss.Table.Sanitize(), err)
		}
		return nil
	})
	return loss, err
}
