package migrations

import (
	"fmt"
	"strings"
)

// NotReadyError says that the schema is not there yet and may come without anybody's help: the API's own migration has
// still to run, or is under way. Wait and try again.
type NotReadyError struct {
	Found  string // what there is instead
	Remedy string // the command that mends it, if waiting does not
	cause  error
}

func (e *NotReadyError) Error() string {
	return "schema not ready: " + oneLine.Replace(e.Found) + ": " + e.Remedy
}

// Unwrap gives the error that ended the wait, a context's, if there was one.
func (e *NotReadyError) Unwrap() error { return e.cause }

// ContractError tells all that keeps the janitor from working with a table.
type ContractError struct {
	Table    string // quoted as SQL wants it
	Problems []Problem
}

// Problem is one thing amiss, and the statement or command that mends it.
type Problem struct{ What, Remedy string }

func (e *ContractError) Error() string {
	parts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		parts[i] = fmt.Sprintf("%s (fix: %s)", p.What, p.Remedy)
	}
	return oneLine.Replace(fmt.Sprintf("table %s is not as the janitor needs it: %s", e.Table, strings.Join(parts, "; ")))
}

// Brief is the first problem and how many more there are, without their remedies.
func (e *ContractError) Brief() string {
	brief := fmt.Sprintf("table %s is not as the janitor needs it: %s", e.Table, e.Problems[0].What)
	if more := len(e.Problems) - 1; more > 0 {
		brief += fmt.Sprintf(" (and %d more)", more)
	}
	return oneLine.Replace(brief)
}

// A name in SQL may hold a line break, a line of a log may not.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// refuse is an error that only a person can do something about.
func refuse(found, remedy string, args ...any) error {
	return fmt.Errorf("refused: "+found+": "+remedy, args...)
}
