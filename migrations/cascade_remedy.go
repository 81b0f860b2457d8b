package migrations

import (
	"fmt"
	"slices"
	"strings"
)

// chainRemedy breaks a chain at the first of its foreign keys that can be made again with an action that harms no token.
func chainRemedy(chain []link) string {
	last := len(chain) - 1
	// One that sets columns already is followed because of that, unless it is the last.
	breaks := func(i int) bool { return !chain[i].onUpdate && (chain[i].key.OnDelete == "c" || i == last) }
	for _, dropping := range []bool{false, true} {
		for i, l := range chain {
			columns := l.key.nullable(dropping)
			if !breaks(i) || len(columns) == 0 || len(columns) < len(l.key.Columns) && !l.key.HasSetNullList {
				continue
			}
			var drops []string
			for _, column := range common(columns, l.key.NotNull) {
				drops = append(drops, fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", l.key.Of, column))
			}
			if l.key.OnDelete == "n" && slices.Equal(columns, l.key.Nulled) {
				return strings.Join(drops, "; ")
			}
			return strings.Join(append(drops, l.key.remake(onDelete("n")+l.key.list(columns), onUpdate(l.key.OnUpdate))), "; ")
		}
	}
	for i, l := range chain {
		switch {
		case l.onUpdate:
			return l.key.remake(onDelete(l.key.OnDelete)+l.key.list(l.key.Nulled), onUpdate("a"))
		case breaks(i):
			return l.key.remake(onDelete("a"), onUpdate(l.key.OnUpdate)) + " /* a token stays for as long as a row refers to it */"
		}
	}
	return "" // not reached: the last one is either
}

// nullable returns the columns that can be set to NULL without harm to the row; with dropping, if their NOT NULL goes.
func (k *foreignKey) nullable(dropping bool) []string {
	var columns []string
	for _, column := range k.Columns {
		switch {
		case slices.Contains(k.OfPrimary, column), !dropping && slices.Contains(k.NotNull, column):
		case k.InFamily && slices.Contains(k.OfRules, column), len(k.Columns) > 1 && slices.Contains(k.OfOthers, column):
		default:
			columns = append(columns, column)
		}
	}
	return columns
}

// list restricts SET NULL, or SET DEFAULT, to columns, where these are not all.
func (k *foreignKey) list(columns []string) string {
	if len(columns) == len(k.Columns) {
		return ""
	}
	return " (" + strings.Join(columns, ", ") + ")"
}

// remake is the statement that makes the key again with other actions. The rows are read under a lock that lets others
// write where the server can do that.
func (k *foreignKey) remake(onDelete, onUpdate string) string {
	definition := fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s, ADD CONSTRAINT %[2]s FOREIGN KEY (%s) REFERENCES %s (%s)%s%s%s%s", k.Of, k.Name,
		strings.Join(k.Columns, ", "), k.To, strings.Join(k.Referenced, ", "), k.Matching, prefixed(onUpdate), prefixed(onDelete), k.Deferring)
	if k.Partitioned {
		return definition
	}
	definition += " NOT VALID"
	if k.Validated {
		definition += fmt.Sprintf("; ALTER TABLE %s VALIDATE CONSTRAINT %s", k.Of, k.Name)
	}
	return definition
}

func prefixed(clause string) string {
	if clause == "" {
		return ""
	}
	return " " + clause
}

// onDelete and onUpdate spell an action as pg_constraint has it; NO ACTION is what none says.
func onDelete(action string) string { return spell("ON DELETE", action) }
func onUpdate(action string) string { return spell("ON UPDATE", action) }

func spell(event, action string) string {
	switch action {
	case "c":
		return event + " CASCADE"
	case "n":
		return event + " SET NULL"
	case "d":
		return event + " SET DEFAULT"
	case "r":
		return event + " RESTRICT"
	}
	return ""
}
