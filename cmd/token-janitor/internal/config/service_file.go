package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// service reads the section of a service in libpq's files: the one that is named, or
// the user's own and then the system's. It returns the file that has it.
func service(name, file string, getenv func(string) string) (settings map[string]string, path string, err error) {
	files := []string{file}
	if file == "" {
		files = []string{filepath.Join(getenv("HOME"), ".pg_service.conf")}
		if dir := getenv("PGSYSCONFDIR"); dir != "" {
			files = append(files, filepath.Join(dir, "pg_service.conf"))
		}
	}
	for _, path := range files {
		content, err := os.ReadFile(path) // #nosec G304 G703 -- the file that the user names
		if err != nil {
			if file != "" {
				return nil, "", errors.New("the service file cannot be read")
			}
			continue
		}
		if settings, ok := section(string(content), name); ok {
			return settings, path, nil
		}
	}
	return nil, "", errors.New("the service is not in the service file")
}

// section is what stands under [name].
func section(content, name string) (map[string]string, bool) {
	settings, found, within := map[string]string{}, false, false
	for line := range strings.Lines(content) {
		line = strings.Trim(line, blanks)
		if strings.HasPrefix(line, "[") {
			if found { // the first one counts
				break
			}
			within = line == "["+name+"]"
			found = within
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if within && ok && !strings.HasPrefix(line, "#") {
			settings[canonical(strings.TrimSpace(key))] = strings.TrimSpace(value)
		}
	}
	return settings, found
}
