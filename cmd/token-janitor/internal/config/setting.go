package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// Setting is a flag and what is in force for it.
type Setting struct {
	Flag    string
	Value   string // of a secret, only that there is one
	Default string
	Meaning string
	Group   string // what it is for

	kind reflect.Type
}

var defaultInTag = regexp.MustCompile(`default:([^,]*)`)

// InForce are all settings, in the order of Flags.
func (f *Flags) InForce() []Setting {
	var list []Setting
	of := ""
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Type == reflect.TypeFor[group]() {
			of = field.Tag.Get("group")
		}
		tag := field.Tag.Get("conf")
		if tag == "" {
			continue
		}
		_, meaning, _ := strings.Cut(tag, "help:")
		s := Setting{Flag: "--" + kebab(field.Name), Value: fmt.Sprint(v.Field(i).Interface()), Meaning: meaning, Group: of, kind: field.Type}
		if m := defaultInTag.FindStringSubmatch(tag); m != nil {
			s.Default = m[1]
		}
		if d, ok := v.Field(i).Interface().(time.Duration); ok {
			s.Value = text.ShortDuration(d)
		}
		if strings.HasPrefix(tag, "mask") && s.Value != "" {
			s.Value = "given, not shown"
		}
		list = append(list, s)
	}
	return list
}

// Variable is the setting's environment variable.
func (s Setting) Variable() string { return variable(strings.TrimPrefix(s.Flag, "--")) }

// placeholder stands for the flag's value in usage texts; "" for a flag that needs none.
func (s Setting) placeholder() string {
	switch s.kind {
	case reflect.TypeFor[bool]():
		return ""
	case reflect.TypeFor[time.Duration]():
		return "DURATION"
	case reflect.TypeFor[text.ByteSize]():
		return "SIZE"
	case reflect.TypeFor[string]():
		if words := choices[strings.TrimPrefix(s.Flag, "--")]; len(words) == 2 {
			return strings.Join(words, "|")
		}
		if s.Flag == "--listen" {
			return "ADDRESS"
		}
		return strings.ToUpper(s.Flag[strings.LastIndex(s.Flag, "-")+1:]) // --database-url URL
	}
	return "N"
}

// grouped calls begin at the first setting of each group, and each for every setting.
func grouped(settings []Setting, begin func(group string), each func(Setting)) {
	of := ""
	for _, s := range settings {
		if s.Group != of {
			of = s.Group
			begin(of)
		}
		each(s)
	}
}
