package gojson

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// tagKinds says which JSON types a keyword of the schema tag restricts.
var tagKinds = map[string][]string{
	"minimum":   {"integer", "number"},
	"maximum":   {"integer", "number"},
	"minLength": {"string"},
	"maxLength": {"string"},
	"minItems":  {"array"},
	"maxItems":  {"array"},
	"enum":      {"integer", "number", "string"},
}

// tagKeywords reads a schema tag: keyword=value, joined by commas.
func tagKeywords(tag string, use schemaUse) ([]keyword, error) {
	var keywords []keyword
	for tag != "" {
		var part string
		part, tag, _ = strings.Cut(tag, ",")
		name, value, _ := strings.Cut(part, "=")
		kinds, known := tagKinds[name]
		if !known {
			return nil, errors.New("the schema tag has no keyword " + strconv.Quote(name))
		}
		if !slices.Contains(kinds, use.schema.kind) {
			return nil, errors.New("the schema keyword " + name + " does not restrict this type")
		}
		text, err := keywordValue(name, value, use)
		if err != nil {
			return nil, err
		}
		keywords = append(keywords, keyword{name, text})
	}
	return keywords, nil
}

func keywordValue(name, value string, use schemaUse) (string, error) {
	switch name {
	case "enum":
		return enumValue(value, use)
	case "minimum", "maximum":
		if isNumber(value) {
			return value, nil
		}
		return "", errors.New("the schema keyword " + name + " needs a number, has " + strconv.Quote(value))
	}
	if n, err := strconv.ParseUint(value, 10, 32); err == nil {
		return strconv.FormatUint(n, 10), nil
	}
	return "", errors.New("the schema keyword " + name + " needs a whole number from 0, has " + strconv.Quote(value))
}

// enumValue turns a|b|c into a JSON array, with null where that is allowed.
func enumValue(value string, use schemaUse) (string, error) {
	list := []byte{'['}
	for i, item := range strings.Split(value, "|") {
		if i > 0 {
			list = append(list, ',')
		}
		if use.schema.kind == "string" {
			list = AppendString(list, item)
			continue
		}
		if !isNumber(item) {
			return "", errors.New("the schema keyword enum needs numbers here, has " + strconv.Quote(item))
		}
		list = append(list, item...)
	}
	if use.nullable {
		list = append(list, ",null"...)
	}
	return string(append(list, ']')), nil
}

// isNumber reports whether text is a decimal number as JSON writes them.
func isNumber(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	if hasFraction && !isDigits(fraction) {
		return false
	}
	return isDigits(whole) && (whole == "0" || whole[0] != '0')
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}
