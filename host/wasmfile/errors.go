package wasmfile

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Rule is which kind of rule a file broke. Its text is stable, for programs
// that count or translate refusals.
type Rule string

const (
	// RuleHeader says that the first eight bytes are not those of a core module.
	RuleHeader Rule = "header"
	// RuleTruncated says that something goes on behind the end of what holds it.
	RuleTruncated Rule = "truncated"
	// RuleCount says that a count needs more bytes than there are.
	RuleCount Rule = "count"
	// RuleLimit says that the module is larger in some way than this host takes.
	RuleLimit Rule = "limit"
	// RuleMalformed says that there are bytes that the format does not allow.
	RuleMalformed Rule = "malformed"
	// RuleFeature says that the module uses something later than WebAssembly 2.0.
	RuleFeature Rule = "feature"
	// RuleMismatch says that one part of the module contradicts another.
	RuleMismatch Rule = "mismatch"
)

// Error says why a file was refused, for its author.
type Error struct {
	// Offset is where in the file the offending item begins.
	Offset int
	// Section is the part of the file that it is in, such as "import section".
	Section string
	// Rule is which kind of rule was broken.
	Rule Rule
	// Msg is what was found, what is allowed and, where it helps, what to do.
	// Text that came from the file is quoted in it and cut, so that it is
	// short and safe to print.
	Msg string
}

// Error writes all but the rule in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("wasm: %s at byte %d: %s", e.Section, e.Offset, e.Msg)
}

// quote makes text of the file fit for a message: escaped, and cut after some
// characters.
func quote(s string) string {
	const most = 64
	if len(s) <= most {
		return strconv.QuoteToASCII(s)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.QuoteToASCII(s[:cut]) + "..."
}
