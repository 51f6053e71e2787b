package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strings"
)

// keyList are encryption keys. They are never printed.
type keyList []string

// keysHook reads keys from a list, or from a text that has white space or commas
// between them. Its errors do not repeat what they are about.
func keysHook(_, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[keyList]() {
		return value, nil
	}
	var keys keyList
	switch v := value.(type) {
	case string:
		keys = append(keys, splitKeys(v)...)
	case []any:
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				return nil, errors.New("each of the keys must be text")
			}
			keys = append(keys, splitKeys(text)...)
		}
	default:
		return nil, errors.New("the keys must be a list of texts")
	}
	return keys, nil
}

func splitKeys(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' })
}

// keys are those of the settings, or of the file that they name.
func (s *settings) keys() ([]string, error) {
	if s.EncryptKeyFile == "" {
		return s.EncryptKeys, nil
	}
	if len(s.EncryptKeys) > 0 {
		return nil, usagef("encrypt_keys (%s) and encrypt_key_file (%s) are both set: keep one", s.origins["encrypt_keys"], s.origins["encrypt_key_file"])
	}
	keys, err := readKeyFile(s.EncryptKeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the encryption keys: %w", err)
	}
	return keys, nil
}

// readKeyFile reads a key from each line that is not empty or a comment.
func readKeyFile(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o027 != 0 {
		return nil, fmt.Errorf("other users of this machine may read or change %s (%#o): restrict it with 'chmod 600 %s'", path, mode, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key in it: 'taskhost key new' makes one", path)
	}
	return keys, nil
}
