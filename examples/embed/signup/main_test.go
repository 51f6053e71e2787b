package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost"
	"github.com/taskhost/taskhost/task"
)

func TestSignup(t *testing.T) {
	host, err := taskhost.New(t.Context(), taskhost.Config{Database: filepath.Join(t.TempDir(), "tasks.db")})
	require.NoError(t, err)
	defer host.Stop(context.WithoutCancel(t.Context()))
	handler, err := newHandler(host)
	require.NoError(t, err)
	require.NoError(t, host.Start(t.Context()))

	answer := signUp(t, handler, "Ada")
	require.Equal(t, http.StatusOK, answer.Code)
	id, err := task.ParseID(strings.TrimSpace(answer.Body.String()))
	require.NoError(t, err)
	require.NoError(t, host.Await(t.Context(), id))
	result, _, err := host.Result(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, `"welcome, Ada"`, string(result))

	require.Equal(t, http.StatusUnprocessableEntity, signUp(t, handler, "").Code)
}

func signUp(t *testing.T, handler http.Handler, name string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/signup", strings.NewReader(url.Values{"name": {name}}.Encode()))
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, request)
	return answer
}
