package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/httpapi"
	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// client talks to a server.
type client struct {
	url   string
	token string
	http  *http.Client
}

func newClient(url, token string) *client {
	return &client{
		url:   strings.TrimRight(url, "/"),
		token: token,
		http: &http.Client{
			Timeout: 10 * time.Minute,
			// A redirect would carry the token elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func remoteFlags(cmd *cobra.Command) {
	settingFlag(cmd.Flags(), "server", "URL of the server (default the one on the data directory)")
}

// client finds the server and the credential of a remote command. The data
// directory's token goes to the data directory's server, and to a server on this
// machine that the call itself names: a settings file that lies in some directory
// must not have it sent elsewhere.
func (a *app) client() (*client, error) {
	s := a.settings
	if s.Server == "" {
		address, err := findServer(s.DataDir)
		if err != nil {
			return nil, err
		}
		token, err := s.token()
		return newClient(address, token), err
	}
	address, err := url.Parse(s.Server)
	if err != nil || address.Host == "" {
		return nil, usagef("server: %q is no address such as http://127.0.0.1:7420", s.Server)
	}
	loopback := isLoopback(address.Hostname())
	if address.Scheme != "https" && !loopback {
		return nil, usagef("server: %s is on another machine, where a credential must be sent over https", s.Server)
	}
	origin := s.origins["server"]
	if s.Token == "" && (!loopback || (origin != originFlag && origin != originEnv)) {
		return nil, usagef("server: %s (from %s) needs a credential: set TASKHOST_TOKEN", s.Server, origin)
	}
	token, err := s.token()
	return newClient(s.Server, token), err
}

// token is the credential to send: the one that was set, else the data
// directory's.
func (s *settings) token() (string, error) {
	if s.Token != "" {
		return s.Token, nil
	}
	token, err := readToken(filepath.Join(s.DataDir, tokenFile))
	if err != nil {
		return "", fmt.Errorf("find a token: %w: set TASKHOST_TOKEN", err)
	}
	return token, nil
}

// remote makes a command's body of one that needs a client.
func (a *app) remote(body func(cmd *cobra.Command, args []string, c *client) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		return body(cmd, args, c)
	}
}

// do sends a request, and reads the answer into out unless it is nil.
func (c *client) do(ctx context.Context, method, path, contentType string, body []byte, header http.Header, out any) error {
	answer, _, err := c.send(ctx, method, path, contentType, body, header)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server at %s answered something unexpected: %w", c.url, err)
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path, contentType string, body []byte, header http.Header) (answer []byte, answerType string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", fmt.Errorf("server: %w: give an address such as http://127.0.0.1:7420", err)
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, "", fmt.Errorf("reach the server: %w: is 'taskhost serve' running?", err)
	}
	answer, err = io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, "", fmt.Errorf("read the server's answer: %w", err)
	}
	if response.StatusCode >= 300 {
		return nil, "", c.problem(response, answer)
	}
	return answer, response.Header.Get("Content-Type"), nil
}

// problem is what an answer says that is no success.
func (c *client) problem(response *http.Response, answer []byte) error {
	problem := new(httpapi.Problem)
	if err := json.Unmarshal(answer, problem); err != nil || problem.Code == "" {
		return fmt.Errorf("the server at %s answered %s", c.url, response.Status)
	}
	return problem
}

func (c *client) pushModule(ctx context.Context, name string, wasm []byte) (*modules.Version, error) {
	version := new(modules.Version)
	err := c.do(ctx, http.MethodPost, "/v1/modules/"+url.PathEscape(name), "application/wasm", wasm, nil, version)
	return version, err
}

func (c *client) modules(ctx context.Context) ([]modules.Version, error) {
	var out struct {
		Modules []modules.Version `json:"modules"`
	}
	err := c.do(ctx, http.MethodGet, "/v1/modules", "", nil, nil, &out)
	return out.Modules, err
}

func (c *client) versions(ctx context.Context, name string) ([]modules.Version, error) {
	var out struct {
		Versions []modules.Version `json:"versions"`
	}
	err := c.do(ctx, http.MethodGet, "/v1/modules/"+url.PathEscape(name), "", nil, nil, &out)
	return out.Versions, err
}

// release has versions of a module run again, one or with 0 all, and returns which
// were in quarantine.
func (c *client) release(ctx context.Context, name string, version int) ([]int, error) {
	path := "/v1/modules/" + url.PathEscape(name) + "/release"
	if version != 0 {
		path += "?version=" + strconv.Itoa(version)
	}
	var out struct {
		Released []int `json:"released"`
	}
	err := c.do(ctx, http.MethodPost, path, "", nil, nil, &out)
	return out.Released, err
}

func (c *client) nodes(ctx context.Context) ([]task.Node, error) {
	var out struct {
		Nodes []task.Node `json:"nodes"`
	}
	err := c.do(ctx, http.MethodGet, "/v1/nodes", "", nil, nil, &out)
	return out.Nodes, err
}

// task asks for a task. With a wait, the answer comes when it has ended, or after
// that time.
func (c *client) task(ctx context.Context, id task.ID, wait time.Duration) (*task.Task, error) {
	path := "/v1/tasks/" + id.String()
	if wait > 0 {
		path += "?wait=" + wait.String()
	}
	t := new(task.Task)
	err := c.do(ctx, http.MethodGet, path, "", nil, nil, t)
	return t, err
}

func (c *client) attempts(ctx context.Context, id task.ID) ([]task.Attempt, error) {
	var out struct {
		Attempts []task.Attempt `json:"attempts"`
	}
	err := c.do(ctx, http.MethodGet, "/v1/tasks/"+id.String()+"/attempts", "", nil, nil, &out)
	return out.Attempts, err
}

func (c *client) result(ctx context.Context, id task.ID) (result []byte, contentType string, err error) {
	return c.send(ctx, http.MethodGet, "/v1/tasks/"+id.String()+"/result", "", nil, nil)
}

func (c *client) logs(ctx context.Context, id task.ID, after int64) (entries []task.LogEntry, next int64, err error) {
	var out struct {
		Logs []task.LogEntry `json:"logs"`
		Next int64           `json:"next"`
	}
	err = c.do(ctx, http.MethodGet, "/v1/tasks/"+id.String()+"/logs?after="+strconv.FormatInt(after, 10), "", nil, nil, &out)
	return out.Logs, out.Next, err
}
