package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// commands are the positional arguments there are: the words, and what they do.
var commands = [][2]string{
	{"migrate upgrade", "bring the schema to head"},
	{"migrate downgrade", "one step back: drops the table; wants --yes, or --dry-run to tell what would go"},
	{"migrate current", "print the database's revision"},
	{"migrate history", "print the revisions"},
	{"healthcheck", "ask the daemon at --listen whether it is ready (0 = yes)"},
	{"completion bash", "print a completion script; also zsh and fish"},
	{"man", "print the manual page"},
}

func listCommands() string {
	text := "\nCOMMANDS\n  (none)             daemon: run on a schedule; serve status page and metrics\n"
	for _, c := range commands {
		text += fmt.Sprintf("  %-17s  %s\n", c[0], c[1])
	}
	return text
}

// steps are the second words of the commands that want one.
var steps = map[string][]string{
	"migrate":    {"upgrade", "downgrade", "current", "history"},
	"completion": {"bash", "zsh", "fish"},
}

// command refuses positional arguments that are no command.
func command(words []string) error {
	if len(words) == 0 {
		return nil
	}
	of, wantsOne := steps[words[0]]
	long := 1
	switch {
	case wantsOne && len(words) == 1:
		return fmt.Errorf("%s wants one of %s", words[0], strings.Join(of, ", "))
	case wantsOne && !slices.Contains(of, words[1]):
		return fmt.Errorf("unknown command \"%s %s\": %[1]s wants one of %[3]s", words[0], shown(words[1]), strings.Join(of, ", "))
	case wantsOne:
		long = 2
	case words[0] != "healthcheck" && words[0] != "man":
		return fmt.Errorf("unknown command %q: want migrate, healthcheck, completion or man", shown(words[0]))
	}
	if len(words) > long {
		return fmt.Errorf("%q is one argument too many behind %s", shown(words[long]), strings.Join(words[:long], " "))
	}
	return nil
}

// turned is how a command is to be written that had a flag behind it, or "" if that cannot
// be told. It shows no value, which may be a secret.
func turned(flag string, behind, positional []string, fields map[string]reflect.Value) string {
	field, known := fields[flag]
	words := slices.Clone(positional)
	if len(words) == 1 && len(behind) == 1 { // migrate --yes downgrade
		words = append(words, behind[0])
	}
	if !known || command(words) != nil {
		return ""
	}
	if field.Kind() != reflect.Bool {
		flag += "=..."
	}
	return ": token-janitor --" + flag + " " + strings.Join(words, " ")
}

// printout is the text of a command that does nothing but print, "" for any other.
func printout(words []string, settings []Setting, version string) string {
	switch {
	case len(words) == 0:
	case words[0] == "man":
		return man(settings, version)
	case words[0] == "completion":
		return completion(words[1], settings)
	}
	return ""
}
