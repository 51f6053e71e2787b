package argschema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/internal/argschema"
)

// doubling is a schema in which each of so many levels applies the next twice.
func doubling(levels int, at string) []byte {
	var defs []string
	for i := range levels {
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i+1, i+1))
	}
	defs = append(defs, fmt.Sprintf(`"d%d":{"type":"object"}`, levels))
	return []byte(`{` + at + `:{"$ref":"#/$defs/d0"}},"$defs":{` + strings.Join(defs, ",") + `}}`)
}

func TestCompileBoundsWhatAppliesToOnePlace(t *testing.T) {
	for name, at := range map[string]string{
		"property": `"properties":{"x"`,
		"pattern":  `"patternProperties":{"x"`,
		"requires": `"dependentSchemas":{"x"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := argschema.Compile(doubling(40, at))
			require.ErrorContains(t, err, "more than 10000 of its parts apply to one place")
			_, err = argschema.Compile(doubling(8, at))
			require.NoError(t, err)
		})
	}
	_, err := argschema.Compile([]byte(`{"properties":{"left":{"$ref":"#"},"right":{"$ref":"#"}}}`))
	require.NoError(t, err, "a tree refers to itself")
}
