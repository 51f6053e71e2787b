package task

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// ID identifies a task: a version 7 UUID, so that ids sort by creation.
type ID [16]byte

// ParseID reads the 36-character text form of an id.
func ParseID(text string) (ID, error) {
	var id ID
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return ID{}, &InvalidError{Field: "task_id", Problem: fmt.Sprintf("%.40q is not a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057", text)}
	}
	digits := text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return ID{}, &InvalidError{Field: "task_id", Problem: fmt.Sprintf("%q holds a character that is no hexadecimal digit", text)}
	}
	return id, nil
}

// IsZero reports whether id is unset.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders ids as their text and the databases do: by creation.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

// String returns the text form, 36 characters.
func (id ID) String() string {
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// MarshalText writes the text form.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}
