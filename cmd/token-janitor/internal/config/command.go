package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
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

// command refuses positional arguments that are no command, and hints at the one that was meant, or the flag.
func command(words []string, fields map[string]reflect.Value) error {
	if len(words) == 0 {
		return nil
	}
	of, wantsOne := steps[words[0]]
	long := 1
	switch {
	case wantsOne && len(words) == 1:
		return fmt.Errorf("%s wants one of %s", words[0], strings.Join(of, ", "))
	case wantsOne && !slices.Contains(of, words[1]):
		return fmt.Errorf("unknown command \"%s %s\"%s: %[1]s wants one of %[4]s", words[0], shown(words[1]), text.Suggest(words[1], setOf(of), words[0]+" "), strings.Join(of, ", "))
	case wantsOne:
		long = 2
	case !slices.Contains(firsts(), words[0]):
		hint := ""
		if len(words[0]) > len(help) { // shorter ones resemble anything
			hint = text.Suggest(words[0], setOf(firsts()), "")
		}
		if _, isFlag := fields[words[0]]; isFlag {
			hint = " (did you mean --" + words[0] + "?)"
		}
		return fmt.Errorf("unknown command %q%s: want %s", shown(words[0]), hint, strings.Join(firsts(), ", "))
	case words[0] == help && (len(words) == 1 || slices.Contains(firsts(), words[1])):
		return nil // the one text tells of every command
	}
	if len(words) > long {
		return fmt.Errorf("%q is one argument too many after %s", shown(words[long]), strings.Join(words[:long], " "))
	}
	return nil
}

func setOf(words []string) map[string]bool {
	set := map[string]bool{}
	for _, word := range words {
		set[word] = true
	}
	return set
}

// turned is how a command is to be written that had a flag behind it, or "" if that cannot
// be told. It shows no value, which may be a secret.
func turned(flag string, behind, positional []string, fields map[string]reflect.Value) string {
	field, known := fields[flag]
	words := slices.Clone(positional)
	if len(words) == 1 && len(behind) == 1 { // migrate --yes downgrade
		words = append(words, behind[0])
	}
	if command(words, fields) != nil {
		words = positional // what is behind is the flag's value
	}
	if !known || command(words, fields) != nil {
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
