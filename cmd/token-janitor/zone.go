package main

import (
	"os"
	"path/filepath"
	"strings"
	"time"
)

// zoneFault says in what way the local time zone is not the one that was asked for: Go
// takes UTC for any that it does not find, without a word. It is "" when all is well.
func zoneFault() (fault, value string) {
	if time.Local.String() != "UTC" { // found
		return "", ""
	}
	if value, given := os.LookupEnv("TZ"); given {
		switch name := strings.TrimPrefix(value, ":"); name {
		case "", "UTC":
			return "", ""
		default:
			return "TZ is not the name of a time zone, such as Europe/Berlin", value
		}
	}
	link, err := os.Readlink("/etc/localtime")
	if err != nil { // none, or a file that holds UTC
		return "", ""
	}
	if _, err := os.Stat("/etc/localtime"); err == nil || filepath.Base(link) == "UTC" {
		return "", ""
	}
	return "/etc/localtime leads to a time zone that is not there", link
}
