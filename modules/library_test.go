package modules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

// shelf is a store of which a test gives the parts that it needs.
type shelf struct {
	modules.Store

	put      func(version modules.Version, wasm []byte) (*modules.Version, error)
	live     []modules.Version
	versions map[string][]modules.Version
	aside    []modules.Quarantine
}

func (s *shelf) Quarantined(context.Context) ([]modules.Quarantine, error) { return s.aside, nil }

func (s *shelf) PutVersion(_ context.Context, version modules.Version, wasm []byte) (*modules.Version, error) {
	return s.put(version, wasm)
}

func (s *shelf) LiveVersions(context.Context) ([]modules.Version, error) { return s.live, nil }

func (s *shelf) Versions(_ context.Context, module string) ([]modules.Version, error) {
	if versions, ok := s.versions[module]; ok {
		return versions, nil
	}
	return nil, task.ErrNotFound
}

// inspectFunc gives the manifest of a module.
type inspectFunc func(digest string, wasm []byte) ([]byte, error)

func (f inspectFunc) Inspect(_ context.Context, digest string, wasm []byte) (*modules.Inspection, error) {
	manifest, err := f(digest, wasm)
	return &modules.Inspection{Manifest: manifest}, err
}

// found is what an inspector finds, whatever it is shown.
type found modules.Inspection

func (f found) Inspect(context.Context, string, []byte) (*modules.Inspection, error) {
	return (*modules.Inspection)(&f), nil
}

func TestPush(t *testing.T) {
	wasm := []byte("a module")
	var put modules.Version
	library := modules.NewLibrary(
		&shelf{put: func(version modules.Version, bytes []byte) (*modules.Version, error) {
			require.Equal(t, wasm, bytes)
			put = version
			version.Version, version.Live = 7, true
			return &version, nil
		}},
		inspectFunc(func(digest string, bytes []byte) ([]byte, error) {
			require.Equal(t, modules.Digest(wasm), digest)
			require.Equal(t, wasm, bytes)
			return []byte(`{"sdk":"go/1","definitions":[{"name":"a.b"}]}`), nil
		}), task.Ceilings{})

	stored, err := library.Push(t.Context(), "a", wasm)
	require.NoError(t, err)
	require.Equal(t, 7, stored.Version)
	require.True(t, stored.Live)
	require.Equal(t, modules.Version{
		Module: "a", Digest: modules.Digest(wasm), Bytes: int64(len(wasm)), SDK: "go/1",
		Definitions: []task.Definition{{Name: "a.b", Executor: task.Wasm, Options: task.Options{Executor: task.Wasm}.WithDefaults()}},
	}, put)
}

func TestDigestIsSHA256(t *testing.T) {
	require.Equal(t, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", modules.Digest([]byte("abc")))
}

func TestPushNames(t *testing.T) {
	library := modules.NewLibrary(
		&shelf{put: func(version modules.Version, _ []byte) (*modules.Version, error) { return &version, nil }},
		inspectFunc(func(string, []byte) ([]byte, error) { return []byte(`{"definitions":[{"name":"a"}]}`), nil }), task.Ceilings{})
	for _, name := range []string{"a", "0", "thumbs", "thumbs.v2", "a_b-c.d", strings.Repeat("a", 63)} {
		_, err := library.Push(t.Context(), name, nil)
		require.NoError(t, err, name)
	}
	for _, name := range []string{"", "A", ".a", "-a", "_a", "a b", "a/b", "..", "a\n", "a\x00", "ä", strings.Repeat("a", 64)} {
		_, err := library.Push(t.Context(), name, nil)
		var invalid *task.InvalidError
		require.ErrorAs(t, err, &invalid, "%q", name)
		require.Equal(t, "name", invalid.Field)
		require.False(t, invalid.TooLarge)
	}
}

func TestPushOfWhatIsTooLarge(t *testing.T) {
	library := modules.NewLibrary(nil, inspectFunc(func(string, []byte) ([]byte, error) {
		t.Error("it must not be looked into")
		return nil, nil
	}), task.Ceilings{})
	_, err := library.Push(t.Context(), "a", make([]byte, modules.MaxBytes+1))
	var invalid *task.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, "module", invalid.Field)
	require.True(t, invalid.TooLarge)
}

// TestPushStoresNothingOfWhatItRefuses: the store's put is nil and would panic.
func TestPushStoresNothingOfWhatItRefuses(t *testing.T) {
	refusal := &modules.RejectedError{Reason: "it is no module"}
	for name, inspect := range map[string]inspectFunc{
		"the inspector": func(string, []byte) ([]byte, error) { return nil, refusal },
		"the manifest":  func(string, []byte) ([]byte, error) { return []byte(`{}`), nil },
	} {
		t.Run(name, func(t *testing.T) {
			library := modules.NewLibrary(&shelf{}, inspect, task.Ceilings{})
			_, err := library.Push(t.Context(), "a", []byte("wasm"))
			var rejected *modules.RejectedError
			require.ErrorAs(t, err, &rejected)
		})
	}
}

func TestPushPassesTheStoresError(t *testing.T) {
	conflict := &task.ConflictError{Problem: "the name is taken"}
	library := modules.NewLibrary(
		&shelf{put: func(modules.Version, []byte) (*modules.Version, error) { return nil, conflict }},
		inspectFunc(func(string, []byte) ([]byte, error) { return []byte(`{"definitions":[{"name":"a"}]}`), nil }), task.Ceilings{})
	_, err := library.Push(t.Context(), "thumbs", []byte("wasm"))
	require.ErrorIs(t, err, error(conflict))
	require.ErrorContains(t, err, "thumbs")
}

func TestListAndVersions(t *testing.T) {
	one, two := modules.Version{Module: "a", Version: 1}, modules.Version{Module: "a", Version: 2, Live: true}
	library := modules.NewLibrary(&shelf{
		live:     []modules.Version{two},
		versions: map[string][]modules.Version{"a": {two, one}},
	}, nil, task.Ceilings{})
	live, err := library.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []modules.Version{two}, live)
	versions, err := library.Versions(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, []modules.Version{two, one}, versions)
	_, err = library.Versions(t.Context(), "b")
	require.ErrorIs(t, err, task.ErrNotFound)
}

// Each version says on which nodes it is in quarantine.
func TestVersionsInQuarantine(t *testing.T) {
	aside := []modules.Quarantine{{Digest: "d2", Node: "n1"}, {Digest: "d2", Node: "n2"}, {Digest: "gone", Node: "n1"}}
	library := modules.NewLibrary(&shelf{
		versions: map[string][]modules.Version{"a": {{Module: "a", Version: 2, Digest: "d2"}, {Module: "a", Version: 1, Digest: "d1"}}},
		aside:    aside,
	}, nil, task.Ceilings{})
	versions, err := library.Versions(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, aside[:2], versions[0].Quarantine)
	require.Empty(t, versions[1].Quarantine)
}
