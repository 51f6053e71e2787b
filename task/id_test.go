package task_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/task"
)

const sampleID = "01890a5d-ac96-774b-bcce-b302099a8057"

func TestIDTextRoundTrip(t *testing.T) {
	id, err := task.ParseID(sampleID)
	require.NoError(t, err)
	require.Equal(t, task.ID{0x01, 0x89, 0x0a, 0x5d, 0xac, 0x96, 0x77, 0x4b, 0xbc, 0xce, 0xb3, 0x02, 0x09, 0x9a, 0x80, 0x57}, id)
	require.Equal(t, sampleID, id.String())

	text, err := id.MarshalText()
	require.NoError(t, err)
	require.Equal(t, sampleID, string(text))
	var back task.ID
	require.NoError(t, back.UnmarshalText(text))
	require.Equal(t, id, back)
}

func TestIDInJSON(t *testing.T) {
	id, err := task.ParseID(sampleID)
	require.NoError(t, err)
	text, err := json.Marshal(map[task.ID]task.ID{id: id})
	require.NoError(t, err)
	require.Equal(t, `{"`+sampleID+`":"`+sampleID+`"}`, string(text), "as a value and as a key")
	var back map[task.ID]task.ID
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, map[task.ID]task.ID{id: id}, back)
}

func TestIDUpperCaseIsRead(t *testing.T) {
	id, err := task.ParseID(strings.ToUpper(sampleID))
	require.NoError(t, err)
	require.Equal(t, sampleID, id.String(), "and written in lower case")
}

func TestIDMalformed(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                   "",
		"a word":                  "thumbs.resize",
		"one short":               sampleID[:35],
		"one long":                sampleID + "0",
		"no dashes":               strings.ReplaceAll(sampleID, "-", ""),
		"no dashes, right length": strings.ReplaceAll(sampleID, "-", "0"),
		"dash moved":              "01890a5da-c96-774b-bcce-b302099a8057",
		"dash too many":           "01890a5d-ac9--774b-bcce-b302099a8057",
		"not hexadecimal":         "01890a5d-ac96-774b-bcce-b302099a805g",
		"spaces around":           " 1890a5d-ac96-774b-bcce-b302099a805 ",
		"braces":                  "{01890a5d-ac96-774b-bcce-b302099a80}",
		"two bytes a letter":      "01890a5d-ac96-774b-bcce-b302099a80éé"[:36],
	} {
		t.Run(name, func(t *testing.T) {
			id, err := task.ParseID(text)
			var invalid *task.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.Equal(t, "task_id", invalid.Field)
			require.Zero(t, id)

			kept, err := task.ParseID(sampleID)
			require.NoError(t, err)
			require.Error(t, kept.UnmarshalText([]byte(text)))
			require.Equal(t, sampleID, kept.String(), "a failed read must not change the id")
		})
	}
}

func TestIDMalformedIsQuotedInShort(t *testing.T) {
	_, err := task.ParseID("\x1b[31m" + strings.Repeat("long", 1000))
	require.ErrorContains(t, err, `\x1b[31m`)
	require.Less(t, len(err.Error()), 200)
}

func TestIDIsZero(t *testing.T) {
	require.True(t, task.ID{}.IsZero())
	require.Equal(t, "00000000-0000-0000-0000-000000000000", task.ID{}.String())
	require.False(t, task.ID{15: 1}.IsZero())
}

func TestIDTextSortsAsItsBytes(t *testing.T) {
	ids := []task.ID{{0: 2}, {0: 1, 15: 9}, {0: 1}, {8: 0xff}}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	slices.SortFunc(ids, func(a, b task.ID) int { return slices.Compare(a[:], b[:]) })
	slices.Sort(texts)
	for i, id := range ids {
		require.Equal(t, texts[i], id.String())
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(sampleID)
	f.Add(strings.ToUpper(sampleID))
	f.Add("")
	f.Add("01890a5d-ac96-774b-bcce-b302099a805g")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := task.ParseID(text)
		if err != nil {
			require.Zero(t, id)
			return
		}
		require.Equal(t, strings.ToLower(text), id.String())
	})
}
