package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var _ modules.Store = (*Store)(nil)

// PutVersion implements [modules.Store].
func (s *Store) PutVersion(ctx context.Context, version modules.Version, wasm []byte) (*modules.Version, error) {
	err := s.inTx(ctx, func(w *session) error {
		tx := w.tx
		stored, err := putVersion(ctx, tx, &version, wasm)
		if err != nil {
			return err
		}
		return makeLive(ctx, tx, stored)
	})
	if err != nil {
		return nil, err
	}
	s.Forget()
	version.Live = true
	return &version, nil
}

// putVersion stores the version under the next number, unless it is stored
// already, and fills in what the store decides.
func putVersion(ctx context.Context, tx *sql.Tx, version *modules.Version, wasm []byte) (*modules.Version, error) {
	var createdAt int64
	err := tx.QueryRowContext(ctx, "SELECT version, created_at FROM module_version WHERE module = ? AND digest = ?", version.Module, version.Digest).
		Scan(&version.Version, &createdAt)
	if err == nil {
		version.CreatedAt = fromMicros(createdAt)
		return version, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if err := tx.QueryRowContext(ctx, "SELECT coalesce(max(version), 0) + 1 FROM module_version WHERE module = ?", version.Module).Scan(&version.Version); err != nil {
		return nil, err
	}
	at := now()
	version.CreatedAt = fromMicros(micros(at))
	definitions, err := json.Marshal(version.Definitions)
	if err != nil {
		return nil, err
	}
	for _, step := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO module_blob (digest, bytes, wasm) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", []any{version.Digest, version.Bytes, wasm}},
		{"INSERT INTO module (name, live_version, created_at) VALUES (?, 0, ?) ON CONFLICT DO NOTHING", []any{version.Module, micros(at)}},
		{
			"INSERT INTO module_version (module, version, digest, bytes, sdk, definitions, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
			[]any{version.Module, version.Version, version.Digest, version.Bytes, version.SDK, string(definitions), micros(at)},
		},
	} {
		if _, err := tx.ExecContext(ctx, step.text, step.args...); err != nil {
			return nil, err
		}
	}
	return version, nil
}

// makeLive points the module's live alias at the version, and its definitions
// with it.
func makeLive(ctx context.Context, tx *sql.Tx, version *modules.Version) error {
	if _, err := tx.ExecContext(ctx, "UPDATE module SET live_version = ? WHERE name = ?", version.Version, version.Module); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE module_version SET retired_at = NULL WHERE module = ? AND version = ? AND retired_at IS NOT NULL", version.Module, version.Version); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM definition WHERE module = ?", version.Module); err != nil {
		return err
	}
	for i := range version.Definitions {
		def := &version.Definitions[i]
		def.Module = &task.ModuleRef{Name: version.Module, Version: version.Version, Digest: version.Digest}
		def.Index = i
		if err := insertDefinition(ctx, tx, def); err != nil {
			return err
		}
	}
	return nil
}

// insertDefinition declares a definition, or says who has its name.
func insertDefinition(ctx context.Context, tx *sql.Tx, def *task.Definition) error {
	var holder sql.NullString
	err := tx.QueryRowContext(ctx, "SELECT module FROM definition WHERE name = ?", def.Name).Scan(&holder)
	switch {
	case err == nil && holder.Valid:
		return &task.ConflictError{Problem: fmt.Sprintf("the task name %s is taken by module %s: rename it, or push to that module", def.Name, holder.String)}
	case err == nil:
		return &task.ConflictError{Problem: fmt.Sprintf("the task name %s is taken by a Go function: rename one of them", def.Name)}
	case !errors.Is(err, sql.ErrNoRows):
		return err
	}
	options, err := json.Marshal(def.Options)
	if err != nil {
		return err
	}
	var module, version, digest any
	if def.Module != nil {
		module, version, digest = def.Module.Name, def.Module.Version, def.Module.Digest
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO definition (name, executor, description, module, module_version, module_digest, definition_index, options, args_schema)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		def.Name, def.Executor, def.Description, module, version, digest, def.Index, string(options), nullable(string(def.Args)))
	return err
}

const versionColumns = "v.module, v.version, v.digest, v.bytes, v.sdk, v.definitions, v.created_at, v.version = m.live_version"

// LiveVersions implements [modules.Store].
func (s *Store) LiveVersions(ctx context.Context) ([]modules.Version, error) {
	return s.versions(ctx, "SELECT "+versionColumns+" FROM module m JOIN module_version v ON v.module = m.name AND v.version = m.live_version ORDER BY m.name")
}

// Versions implements [modules.Store].
func (s *Store) Versions(ctx context.Context, module string) ([]modules.Version, error) {
	versions, err := s.versions(ctx, "SELECT "+versionColumns+" FROM module m JOIN module_version v ON v.module = m.name WHERE m.name = ? ORDER BY v.version DESC", module)
	if err == nil && len(versions) == 0 {
		return nil, fmt.Errorf("module %.80q: %w", module, task.ErrNotFound)
	}
	return versions, err
}

func (s *Store) versions(ctx context.Context, query string, args ...any) ([]modules.Version, error) {
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read modules: %w", err)
	}
	defer rows.Close()
	versions := []modules.Version{}
	for rows.Next() {
		var v modules.Version
		var definitions string
		var createdAt int64
		if err := rows.Scan(&v.Module, &v.Version, &v.Digest, &v.Bytes, &v.SDK, &definitions, &createdAt, &v.Live); err != nil {
			return nil, fmt.Errorf("read modules: %w", err)
		}
		v.CreatedAt = fromMicros(createdAt)
		if err := json.Unmarshal([]byte(definitions), &v.Definitions); err != nil {
			return nil, fmt.Errorf("read the definitions of module %s: %w", v.Module, err)
		}
		for i := range v.Definitions {
			v.Definitions[i].Module = &task.ModuleRef{Name: v.Module, Version: v.Version, Digest: v.Digest}
			v.Definitions[i].Index, v.Definitions[i].Options = i, v.Definitions[i].Options.WithDefaults()
		}
		versions = append(versions, v)
	}
	return versions, rows.Err()
}

// Wasm implements [modules.Store].
func (s *Store) Wasm(ctx context.Context, digest string) ([]byte, error) {
	var wasm []byte
	if err := s.read.QueryRowContext(ctx, "SELECT wasm FROM module_blob WHERE digest = ?", digest).Scan(&wasm); err != nil {
		return nil, notFound(err, "module", digest)
	}
	return wasm, nil
}

// StoredDigests lists the modules whose bytes are stored.
func (s *Store) StoredDigests(ctx context.Context) ([]string, error) {
	digests, err := queryAll(ctx, s.read, func(rows *sql.Rows, digest *string) error { return rows.Scan(digest) }, "SELECT digest FROM module_blob")
	if err != nil {
		return nil, fmt.Errorf("list the digests of modules: %w", withCause(err))
	}
	return digests, nil
}

// VersionDefinitions implements [riverstore.Definitions].
func (s *Store) VersionDefinitions(ctx context.Context, module string, version int) ([]task.Definition, error) {
	found, err := s.versions(ctx, "SELECT "+versionColumns+" FROM module m JOIN module_version v ON v.module = m.name WHERE m.name = ? AND v.version = ?", module, version)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("version %d of module %s: %w", version, module, task.ErrNotFound)
	}
	return found[0].Definitions, nil
}

// Definition implements the store's side of enqueueing: it returns what can be
// enqueued under a name, or task.ErrNotFound.
func (s *Store) Definition(ctx context.Context, name string) (*task.Definition, error) {
	definitions, err := s.definitions(ctx, "WHERE name = ?", name)
	if err != nil {
		return nil, err
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("definition %s: %w", name, task.ErrNotFound)
	}
	return &definitions[0], nil
}

// Definitions lists what can be enqueued, by name.
func (s *Store) Definitions(ctx context.Context) ([]task.Definition, error) {
	return s.definitions(ctx, "ORDER BY name")
}

// DefinitionNames lists the names of what can be enqueued.
func (s *Store) DefinitionNames(ctx context.Context) ([]string, error) {
	rows, err := s.read.QueryContext(ctx, "SELECT name FROM definition ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, fmt.Errorf("read definitions: %w", err)
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func (s *Store) definitions(ctx context.Context, where string, args ...any) ([]task.Definition, error) {
	rows, err := s.read.QueryContext(ctx, `
		SELECT name, executor, description, module, module_version, module_digest, definition_index, options, args_schema
		FROM definition `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	defer rows.Close()
	definitions := []task.Definition{}
	for rows.Next() {
		var def task.Definition
		var module, digest, schema sql.NullString
		var version sql.NullInt64
		var options string
		if err := rows.Scan(&def.Name, &def.Executor, &def.Description, &module, &version, &digest, &def.Index, &options, &schema); err != nil {
			return nil, fmt.Errorf("read definitions: %w", err)
		}
		if err := json.Unmarshal([]byte(options), &def.Options); err != nil {
			return nil, fmt.Errorf("read the options of %s: %w", def.Name, err)
		}
		def.Options = def.Options.WithDefaults() // of those that an older program did not know
		if module.Valid {
			def.Module = &task.ModuleRef{Name: module.String, Version: int(version.Int64), Digest: digest.String}
		}
		if schema.Valid {
			def.Args = json.RawMessage(schema.String)
		}
		definitions = append(definitions, def)
	}
	return definitions, rows.Err()
}
