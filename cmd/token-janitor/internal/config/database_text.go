package config

import (
	"encoding/binary"
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
)

// assignment is a line of an environment file.
var assignment = regexp.MustCompile(`^(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*\s*=\s*["']?(?i:postgres(?:ql)?(?:\+\w+)?://)`)

// CleanDatabaseURL takes away what is surely not part of a database URL: the line break
// that an editor appends, blanks, the quotes that docker --env-file keeps, and a byte
// order mark.
func CleanDatabaseURL(raw string) (string, error) {
	text, err := decodeUTF16(raw)
	if err != nil {
		return "", err
	}
	if strings.ContainsRune(text, 0) {
		return "", errors.New("the database URL holds a zero byte (is it in UTF-16? want UTF-8)")
	}
	text = trim(text)
	if text == "" {
		return "", nil
	}
	if quote := text[0]; quote == '"' || quote == '\'' {
		inner, ok := strings.CutSuffix(text[1:], string(quote))
		if !ok {
			return "", errors.New("the database URL begins with a quote and does not end with one")
		}
		text = trim(inner)
	}
	return text, nil
}

// trim takes blanks from both ends, those that nobody sees as well.
func trim(text string) string {
	blank := func(r rune) bool {
		return unicode.IsSpace(r) || r == '\ufeff' || r == '\u200b' || r == '\u200c' || r == '\u200d' || r == '\u2060'
	}
	text = strings.TrimLeftFunc(text, blank)
	if trimmed := strings.TrimRightFunc(text, blank); !strings.HasSuffix(trimmed, `\`) { // which may keep a blank on purpose
		return trimmed
	}
	return text
}

// decodeUTF16 makes UTF-8 of UTF-16 with a byte order mark, which PowerShell writes.
func decodeUTF16(text string) (string, error) {
	var order binary.ByteOrder
	switch {
	case strings.HasPrefix(text, "\xff\xfe"):
		order = binary.LittleEndian
	case strings.HasPrefix(text, "\xfe\xff"):
		order = binary.BigEndian
	default:
		return text, nil
	}
	if len(text)%2 != 0 {
		return "", errors.New("the database URL is in UTF-16 and ends within a character")
	}
	units := make([]uint16, 0, len(text)/2)
	for b := []byte(text[2:]); len(b) > 0; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units)), nil
}
