package tests_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A module that cannot be run is refused at the push, with what its author can
// do, and leaves nothing behind.
func TestBadModules(t *testing.T) {
	t.Parallel()
	k := built(t)
	p, c := serve(t, k.dataDir(t))
	var before struct {
		Modules []any `json:"modules"`
	}
	c.read(t, "/v1/modules", &before)
	require.Len(t, before.Modules, len(guestDirs))

	guest := k.readGuest(t, "flaky")
	const oneTask = `{"definitions":[{"name":"x.y"}]}`
	for name, test := range map[string]struct {
		wasm         []byte
		status       int
		code, detail string
	}{
		"nothing":              {nil, 400, "bad_request", "required"},
		"a script":             {[]byte("#!/bin/sh\nrm -rf /\n"), 422, "module_rejected", "not a WebAssembly file"},
		"a picture":            {[]byte("\xff\xd8\xff\xe0" + strings.Repeat("\x00", 1000)), 422, "module_rejected", "not a WebAssembly file"},
		"a component":          {component(), 422, "module_rejected", "component"},
		"a header alone":       {[]byte(magic), 422, "module_rejected", `memory`},
		"half a header":        {[]byte(magic[:6]), 422, "module_rejected", "wasm"},
		"half a guest":         {guest[:len(guest)/2], 422, "module_rejected", "wasm: "},
		"a guest's start":      {guest[:100], 422, "module_rejected", "wasm: "},
		"a guest but its end":  {guest[:len(guest)-1], 422, "module_rejected", "wasm: "},
		"bytes behind a guest": {append(bytes.Clone(guest), 0xff), 422, "module_rejected", "wasm: "},
		"an unknown import":    {declaring(oneTask, [2]string{"env", "open_the_door"}), 422, "module_rejected", "env.open_the_door"},
		"an unknown version":   {declaring(oneTask, [2]string{"taskhost_v9", "log"}), 422, "module_rejected", "taskhost_v9.log"},
		"another signature":    {declaring(oneTask, [2]string{"taskhost_v1", "log"}), 422, "module_rejected", "taskhost_v1.log"},
		"no exports": {
			wasmModule(section(secMemory, vec([]byte{0, 1})), section(secExport, vec(append(wasmName("memory"), 2, 0)))),
			422, "module_rejected", "declares no definitions",
		},
		"no definitions":       {declaring(`{"definitions":[]}`), 422, "module_rejected", "declares no definitions"},
		"no manifest":          {declaring(``), 422, "module_rejected", "manifest"},
		"not JSON":             {declaring(`{definitions}`), 422, "module_rejected", "manifest"},
		"a misspelt option":    {declaring(`{"definitions":[{"name":"x.y","options":{"retry":3}}]}`), 422, "module_rejected", `"retry"`},
		"a number for a name":  {declaring(`{"definitions":[{"name":5}]}`), 422, "module_rejected", "manifest"},
		"an option too large":  {declaring(`{"definitions":[{"name":"x.y","options":{"retries":1001}}]}`), 422, "module_rejected", "from 0 to 1000"},
		"a name twice":         {declaring(`{"definitions":[{"name":"x.y"},{"name":"x.y"}]}`), 422, "module_rejected", "x.y twice"},
		"a name that is none":  {declaring(`{"definitions":[{"name":"X Y"}]}`), 422, "module_rejected", `X Y`},
		"no schema":            {declaring(`{"definitions":[{"name":"x.y","args":{"type":"strin"}}]}`), 422, "module_rejected", "schema"},
		"a schema from a file": {declaring(`{"definitions":[{"name":"x.y","args":{"$ref":"file:///etc/hosts"}}]}`), 422, "module_rejected", "$defs"},
		"a name that is taken": {declaring(`{"definitions":[{"name":"x.y"},{"name":"demo.echo"}]}`), 409, "conflict", "demo.echo is taken by module flaky"},
		"a guest once more":    {guest, 409, "conflict", "is taken by module flaky"},
	} {
		t.Run(name, func(t *testing.T) {
			a := c.request(t, "POST", "/v1/modules/other", test.wasm, "Content-Type", "application/wasm")
			require.Contains(t, a.problem(t, test.status, test.code).Detail, test.detail)
		})
	}
	for id := range byte(14) {
		t.Run(fmt.Sprintf("bomb of section %d", id), func(t *testing.T) {
			begun := time.Now()
			a := c.request(t, "POST", "/v1/modules/other", bomb(id), "Content-Type", "application/wasm")
			a.problem(t, 422, "module_rejected")
			require.Less(t, time.Since(begun), 10*time.Second)
		})
	}
	for _, name := range []string{"Other", "-x", ".x", strings.Repeat("x", 64), "a%20b", "a%00b", "%2e%2e"} {
		t.Run("module name "+name, func(t *testing.T) {
			a := c.request(t, "POST", "/v1/modules/"+name, declaring(oneTask), "Content-Type", "application/wasm")
			require.Contains(t, a.problem(t, 422, "invalid").Detail, "name")
		})
	}
	c.request(t, "GET", "/v1/modules/other", nil).problem(t, 404, "not_found")
	after := before
	c.read(t, "/v1/modules", &after)
	require.Equal(t, before, after)
	// What was refused is not in the way of what is not.
	push(t, c, "other", declaring(oneTask))
	require.Equal(t, "success", c.awaitEnd(t, c.mustEnqueue(t, body{Name: "x.y"})).Status)
	require.Equal(t, "success", c.awaitEnd(t, c.mustEnqueue(t, body{Name: "demo.echo"})).Status)
	p.stop(t)
}
