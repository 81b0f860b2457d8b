package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// settable are the fields by flag name.
func (f *Flags) settable() map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.Tag.Get("conf") != "" {
			fields[kebab(f.Name)] = v.Field(i)
		}
	}
	return fields
}

var humps = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

func kebab(name string) string {
	return strings.ToLower(humps.ReplaceAllString(name, "$1$3-$2$4"))
}

// setDefaults gives each field what its tag says.
func (f *Flags) setDefaults() error {
	fields := f.settable()
	for _, s := range f.InForce() {
		if s.Default == "" {
			continue
		}
		name := strings.TrimPrefix(s.Flag, "--")
		value, err := convert(fields[name], s.Default)
		if err != nil {
			return fmt.Errorf("the default of --%s: %w", name, err)
		}
		fields[name].Set(value)
	}
	return nil
}

// given is a value that was given for a flag, by the flag or its variable.
type given struct {
	name  string
	value reflect.Value
}

// The flags that have no field, and are all that is wanted then.
const (
	help    = "help"
	version = "version"
)

// arguments are what the command line says.
type arguments struct {
	flags      []given
	positional []string
	wanted     string // help, version, or "" for neither
}

// readArgs reads the command line. Flags go first.
func readArgs(args []string, fields map[string]reflect.Value) (read arguments, err error) {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if len(arg) < 2 || arg[0] != '-' {
			read.positional = append(read.positional, arg)
			continue
		}
		name, written, set := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		switch name {
		case help, "h":
			return arguments{wanted: help}, nil
		case version, "v":
			return arguments{wanted: version}, nil
		}
		if len(read.positional) > 0 {
			return arguments{}, fmt.Errorf("flag %q comes after %q: flags go first%s", option(arg), shown(read.positional[0]), turned(name, args, read.positional, fields))
		}
		field, known := fields[name]
		switch {
		case !known:
			return arguments{}, fmt.Errorf("unknown flag %q%s; --help lists them", option(arg), text.Suggest(name, fields, "--"))
		case set:
		case field.Kind() == reflect.Bool:
			written = "true"
			if len(args) > 0 && (args[0] == "true" || args[0] == "false") {
				written, args = args[0], args[1:]
			}
		case len(args) == 0:
			return arguments{}, fmt.Errorf("flag --%s wants a value", name)
		default:
			written, args = args[0], args[1:]
		}
		value, err := convert(field, written)
		if err != nil {
			return arguments{}, fmt.Errorf("--%s: %w", name, err)
		}
		read.flags = append(read.flags, given{name, value})
	}
	if err := command(read.positional, fields); err != nil {
		return arguments{}, err
	}
	if len(read.positional) > 0 && (read.positional[0] == help || read.positional[0] == version) {
		return arguments{wanted: read.positional[0]}, nil
	}
	return read, nil
}

// option is a flag as an error may show it: its value may be a secret that only the
// misspelt name kept from being known as one.
func option(arg string) string {
	name, _, _ := strings.Cut(arg, "=")
	return shown(name)
}

// shown is an argument as an error may show it: where a command is due a database's URL
// may stand.
func shown(arg string) string {
	if strings.ContainsAny(arg, "@=") || strings.Contains(arg, "://") {
		return "..."
	}
	return text.Clip(arg)
}

// readEnviron reads our variables. It refuses those that we do not know, and lets an empty
// one count as not set, since compose files pass such on.
func readEnviron(environ []string, fields map[string]reflect.Value) (read []given, err error) {
	known := map[string]string{}
	for name := range fields {
		known[strings.TrimPrefix(variable(name), prefix+"_")] = name
	}
	for _, pair := range environ {
		name, written, _ := strings.Cut(pair, "=")
		rest, ours := strings.CutPrefix(name, prefix+"_")
		flag, ok := known[rest]
		switch {
		case !ours:
		case strings.HasPrefix(name, prefix+"_TEST_"): // the tests' own
		case strings.HasPrefix(name, prefix+"_SERVICE_"), strings.HasPrefix(name, prefix+"_PORT"):
			// Kubernetes sets these in every pod beside a Service named token-janitor.
		case !ok:
			return nil, fmt.Errorf("unknown variable %s%s; --help lists them", text.Clip(name), text.Suggest(rest, known, prefix+"_"))
		case written == "":
		default:
			value, err := convert(fields[flag], written)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			read = append(read, given{flag, value})
		}
	}
	return read, nil
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return prefix + "_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// convert reads a value for a field.
func convert(field reflect.Value, written string) (reflect.Value, error) {
	var value any
	var err error
	allowed := ""
	switch field.Interface().(type) {
	case time.Duration:
		value, err = text.ParseDuration(written)
		allowed = "a duration such as 90s, 15m, 24h or 7d"
	case text.ByteSize:
		var size text.ByteSize
		err = size.UnmarshalText([]byte(written))
		value, allowed = size, "a size with its unit, such as 512MB or 2GB"
	case int, int64:
		value, err = strconv.ParseInt(written, 0, field.Type().Bits())
		allowed = "a whole number"
	case float64:
		value, err = strconv.ParseFloat(written, 64)
		allowed = "a number"
	case bool:
		value, err = strconv.ParseBool(written)
		allowed = "true or false"
	default:
		value = written
	}
	if err != nil {
		return reflect.Value{}, fmt.Errorf("%q is not %s", text.Clip(written), allowed)
	}
	return reflect.ValueOf(value).Convert(field.Type()), nil
}
