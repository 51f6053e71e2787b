//go:build linux

package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// live is a whole server, which has its guests in workers.
type live struct {
	url, token string
	stderr     bytes.Buffer
}

// serveLive builds the program and serves, until the test ends.
func serveLive(t *testing.T) *live {
	t.Helper()
	dir := t.TempDir()
	program, data := filepath.Join(dir, "taskhost"), filepath.Join(dir, "data")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/taskhost").CombinedOutput() //nolint:gosec // of this project
	require.NoError(t, err, "%s", output)
	s := new(live)
	cmd := exec.Command(program, "serve", "--data-dir", data, "--listen", "127.0.0.1:0", "--log-format", "json") //nolint:gosec,noctx // built just now, and ended below
	cmd.Dir, cmd.Env, cmd.Stderr = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, &s.stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		require.NoError(t, cmd.Wait(), "%s", &s.stderr)
		for line := range strings.Lines(s.stderr.String()) {
			require.True(t, strings.HasPrefix(line, `{"time":`), "it did not write this as a server does: %s", line)
			require.NotContains(t, line, `"level":"ERROR"`)
		}
	})
	require.Eventually(t, func() bool {
		var address struct {
			URL string `json:"url"`
		}
		text, err := os.ReadFile(filepath.Join(data, "server.json"))
		if err != nil || json.Unmarshal(text, &address) != nil {
			return false
		}
		s.url = address.URL
		secret, err := os.ReadFile(filepath.Join(data, "token"))
		s.token = strings.TrimSpace(string(secret))
		return err == nil
	}, 30*time.Second, 5*time.Millisecond)
	return s
}

// ask sends a request. The answer is that of JSON.
func (s *live) ask(ctx context.Context, method, path string, body []byte) (status int, answer map[string]any, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(path, "/v1/modules/") {
		request.Header.Set("Content-Type", "application/wasm")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, err
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, nil, fmt.Errorf("%w: %s", err, text)
	}
	return response.StatusCode, answer, nil
}

// run enqueues a task and returns what has become of it.
func (s *live) run(ctx context.Context, body string) (map[string]any, error) {
	status, answer, err := s.ask(ctx, "POST", "/v1/tasks?wait=60s", []byte(body))
	if err == nil && status != http.StatusOK && status != http.StatusCreated {
		err = fmt.Errorf("%d: %v", status, answer)
	}
	return answer, err
}

// attackLive gives how an attack on a server came out, and what it says.
func (s *live) attackLive(ctx context.Context, a attack) (outcome, says string, err error) {
	status, answer, err := s.ask(ctx, "POST", "/v1/modules/attack", a.wasm)
	if err != nil {
		return "", "", err
	}
	if status != http.StatusCreated && status != http.StatusOK {
		return refused, fmt.Sprint(answer["detail"]), nil
	}
	ended, err := s.run(ctx, `{"name":"raw","timeout":"150ms"}`)
	return fmt.Sprint(ended["status"]), fmt.Sprint(ended["error"]), err
}

// A server goes on while module after module attacks it: what is well runs beside, each
// attack is refused or ends by itself, and nothing of the host is told.
func TestHostileModulesLive(t *testing.T) {
	s := serveLive(t)
	well := bytes.Replace(echo().bytes(), []byte(`"raw"`), []byte(`"own"`), 1)
	status, answer, err := s.ask(t.Context(), "POST", "/v1/modules/well", well)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%v", answer)

	ctx, cancel := context.WithCancel(t.Context())
	var flow sync.WaitGroup
	var took []time.Duration
	flow.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			<-tick.C
			begun := time.Now()
			ended, err := s.run(context.Background(), `{"name":"own","args":"hello"}`)
			took = append(took, time.Since(begun))
			if err != nil || ended["status"] != "success" {
				t.Errorf("a healthy task: %v, %v", ended, err)
				return
			}
		}
	})
	attacks := slices.Concat(decodeBombs(), compileBombs(), declarationAttacks(), runAttacks())
	outcomes := make(map[string]int)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			outcome, says, err := s.attackLive(t.Context(), a)
			require.NoError(t, err)
			outcomes[outcome]++
			t.Log(outcome, says)
			switch {
			case a.want == refused:
				require.Equal(t, refused, outcome, "%s", says)
			case !strings.Contains(a.want, harmless):
				require.Contains(t, []string{"failed", refused}, outcome, "%s", says)
			}
			for _, inside := range []string{".go:", "/proc/", "\x1b", "goroutine"} {
				require.NotContains(t, says, inside)
			}
		})
	}
	cancel()
	flow.Wait()
	require.NotEmpty(t, took)
	slices.Sort(took)
	t.Logf("%d attacks on a server (%v) beside %d healthy tasks: p50 %v, p99 %v, most %v", len(attacks), outcomes, len(took),
		took[len(took)/2], took[len(took)*99/100], took[len(took)-1])
}
