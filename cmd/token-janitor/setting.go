package main

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/hyphagraph/token-janitor/cmd/token-janitor/internal/text"
)

// setting is a flag and what is in force for it.
type setting struct {
	Flag    string `json:"flag"`
	Value   string `json:"value"` // of a secret, only that there is one
	Default string `json:"default"`
	Meaning string `json:"meaning"`

	kind reflect.Type
}

var defaultInTag = regexp.MustCompile(`default:([^,]*)`)

// inForce are all settings, in the order of config.
func (c *config) inForce() []setting {
	var list []setting
	v := reflect.ValueOf(c).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag := field.Tag.Get("conf")
		if tag == "" {
			continue
		}
		_, meaning, _ := strings.Cut(tag, "help:")
		s := setting{Flag: "--" + kebab(field.Name), Value: fmt.Sprint(v.Field(i).Interface()), Meaning: meaning, kind: field.Type}
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
