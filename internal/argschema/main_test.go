package argschema_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/internal/argschema"
	"github.com/taskhost/taskhost/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compile(t *testing.T, text string) *argschema.Schema {
	t.Helper()
	schema, err := argschema.Compile([]byte(text))
	require.NoError(t, err)
	return schema
}

func problem(path, text string) task.ArgumentProblem {
	return task.ArgumentProblem{Path: path, Problem: text}
}
