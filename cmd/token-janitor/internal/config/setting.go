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

	kind reflect.Type
}

var defaultInTag = regexp.MustCompile(`default:([^,]*)`)

// InForce are all settings, in the order of Flags.
func (f *Flags) InForce() []Setting {
	var list []Setting
	v := reflect.ValueOf(f).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag := field.Tag.Get("conf")
		if tag == "" {
			continue
		}
		_, meaning, _ := strings.Cut(tag, "help:")
		s := Setting{Flag: "--" + kebab(field.Name), Value: fmt.Sprint(v.Field(i).Interface()), Meaning: meaning, kind: field.Type}
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
