package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// commands are the positional arguments there are.
var commands = []entry{
	{"migrate upgrade", "bring the schema to head"},
	{"migrate downgrade", "take it one step back: drops the table; wants --yes, or --dry-run to tell what would be lost"},
	{"migrate current", "print the database's revision"},
	{"migrate history", "print the revisions"},
	{"healthcheck", "ask the daemon at --listen whether it is ready; exit code 0 = yes"},
	{"completion bash", "print a completion script; also zsh and fish"},
	{"man", "print the manual page"},
	{"help", "print this, as --help does"},
	{"version", "print the version, as --version does"},
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
	case !slices.Contains(firsts(), words[0]):
		return fmt.Errorf("unknown command %q: want %s", shown(words[0]), strings.Join(firsts(), ", "))
	}
	if len(words) > long {
		return fmt.Errorf("%q is one argument too many after %s", shown(words[long]), strings.Join(words[:long], " "))
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
