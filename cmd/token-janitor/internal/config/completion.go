package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// completion is a script that has a shell complete flags, their values and commands.
func completion(shell string, settings []Setting) string {
	switch shell {
	case "zsh":
		return zsh(settings)
	case "fish":
		return fish(settings)
	}
	return bash(settings)
}

// value is what a shell may offer for a flag's value.
func (s Setting) value() (words []string, file, none bool) {
	return choices[strings.TrimPrefix(s.Flag, "--")], strings.HasSuffix(s.Flag, "-file"), s.kind.Kind() == reflect.Bool
}

// firsts are the first words of commands.
func firsts() []string {
	var words []string
	for _, c := range commands {
		first, _, _ := strings.Cut(c.name, " ")
		words = append(words, first)
	}
	return slices.Compact(words)
}

func bash(settings []Setting) string {
	var b strings.Builder
	b.WriteString(`# bash completion of token-janitor: source <(token-janitor completion bash)
_token_janitor() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	case $prev in
`)
	for _, first := range slices.Sorted(maps.Keys(steps)) {
		fmt.Fprintf(&b, "\t%s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", first, strings.Join(steps[first], " "))
	}
	flags := strings.Join(firsts(), " ")
	for _, s := range settings {
		flags += " " + s.Flag
		words, file, none := s.value()
		switch {
		case len(words) > 0:
			fmt.Fprintf(&b, "\t%s) COMPREPLY=($(compgen -W %q -- \"$cur\")); return ;;\n", s.Flag, strings.Join(words, " "))
		case file:
			fmt.Fprintf(&b, "\t%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", s.Flag)
		case !none:
			fmt.Fprintf(&b, "\t%s) COMPREPLY=(); return ;;\n", s.Flag)
		}
	}
	fmt.Fprintf(&b, "\tesac\n\tCOMPREPLY=($(compgen -W %q -- \"$cur\"))\n}\ncomplete -F _token_janitor token-janitor", flags+" --help --version")
	return b.String()
}

func zsh(settings []Setting) string {
	quote := strings.NewReplacer("'", "'\\''", ":", `\:`, "[", `\[`, "]", `\]`)
	var b strings.Builder
	b.WriteString("#compdef token-janitor\n# zsh completion of token-janitor: source <(token-janitor completion zsh)\n_token_janitor() {\n\t_arguments \\\n")
	for _, s := range settings {
		value := ":value:"
		switch words, file, none := s.value(); {
		case len(words) > 0:
			value = ":value:(" + strings.Join(words, " ") + ")"
		case file:
			value = ":file:_files"
		case none:
			value = ""
		}
		fmt.Fprintf(&b, "\t\t'%s[%s]%s' \\\n", s.Flag, quote.Replace(s.Meaning), value)
	}
	fmt.Fprintf(&b, "\t\t'--help[show help]' '--version[show the version]' \\\n\t\t'1:command:(%s)' \\\n", strings.Join(firsts(), " "))
	b.WriteString("\t\t'2:step:{ case $words[CURRENT-1] in")
	for _, first := range slices.Sorted(maps.Keys(steps)) {
		fmt.Fprintf(&b, " %s) compadd %s ;;", first, strings.Join(steps[first], " "))
	}
	b.WriteString(" esac }'\n}\ncompdef _token_janitor token-janitor")
	return b.String()
}

func fish(settings []Setting) string {
	quote := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	var b strings.Builder
	b.WriteString("# fish completion of token-janitor: token-janitor completion fish | source\ncomplete -c token-janitor -f\n")
	for _, s := range settings {
		value := " -x"
		switch words, file, none := s.value(); {
		case len(words) > 0:
			value = " -x -a '" + strings.Join(words, " ") + "'"
		case file:
			value = " -r -F"
		case none:
			value = ""
		}
		fmt.Fprintf(&b, "complete -c token-janitor -l %s%s -d '%s'\n", strings.TrimPrefix(s.Flag, "--"), value, quote.Replace(s.Meaning))
	}
	b.WriteString("complete -c token-janitor -l help -d 'show help'\ncomplete -c token-janitor -l version -d 'show the version'\n")
	fmt.Fprintf(&b, "complete -c token-janitor -n __fish_use_subcommand -a '%s'", strings.Join(firsts(), " "))
	for _, first := range slices.Sorted(maps.Keys(steps)) {
		fmt.Fprintf(&b, "\ncomplete -c token-janitor -n '__fish_seen_subcommand_from %s' -a '%s'", first, strings.Join(steps[first], " "))
	}
	return b.String()
}
