package pgstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/taskhost/taskhost/modules"
	"github.com/taskhost/taskhost/task"
)

var _ modules.Store = (*Store)(nil)

// PutVersion implements [modules.Store].
func (s *Store) PutVersion(ctx context.Context, version modules.Version, wasm []byte) (*modules.Version, error) {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// Pushes come one after the other: two could find the same number free, or
		// the same name.
		if err := s.lockDefinitions(ctx, tx); err != nil {
			return err
		}
		if err := s.putVersion(ctx, tx, &version, wasm); err != nil {
			return err
		}
		return s.makeLive(ctx, tx, &version)
	})
	if err != nil {
		return nil, err
	}
	s.Forget()
	version.Live = true
	return &version, nil
}

func (s *Store) lockDefinitions(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", "taskhost definitions "+s.schema)
	return err
}

// putVersion stores the version under the next number, unless it is stored
// already, and fills in what the store decides.
func (s *Store) putVersion(ctx context.Context, tx pgx.Tx, version *modules.Version, wasm []byte) error {
	err := tx.QueryRow(ctx, s.text("SELECT version, created_at FROM {schema}.module_version WHERE module = $1 AND digest = $2"), version.Module, version.Digest).
		Scan(&version.Version, &version.CreatedAt)
	if !errors.Is(err, pgx.ErrNoRows) {
		version.CreatedAt = version.CreatedAt.UTC()
		return err
	}
	definitions, err := json.Marshal(version.Definitions)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		text string
		args []any
	}{
		{"INSERT INTO {schema}.module_blob (digest, bytes, wasm) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", []any{version.Digest, version.Bytes, wasm}},
		{"INSERT INTO {schema}.module (name, live_version, created_at) VALUES ($1, 0, now()) ON CONFLICT DO NOTHING", []any{version.Module}},
	} {
		if _, err := tx.Exec(ctx, s.text(step.text), step.args...); err != nil {
			return err
		}
	}
	err = tx.QueryRow(ctx, s.text(`
		INSERT INTO {schema}.module_version (module, version, digest, bytes, sdk, definitions, created_at)
		SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, now() FROM {schema}.module_version WHERE module = $1
		RETURNING version, created_at`),
		version.Module, version.Digest, version.Bytes, version.SDK, string(definitions)).
		Scan(&version.Version, &version.CreatedAt)
	version.CreatedAt = version.CreatedAt.UTC()
	return err
}

// makeLive points the module's live alias at the version, and its definitions
// with it.
func (s *Store) makeLive(ctx context.Context, tx pgx.Tx, version *modules.Version) error {
	if _, err := tx.Exec(ctx, s.text("UPDATE {schema}.module SET live_version = $1 WHERE name = $2"), version.Version, version.Module); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.text("UPDATE {schema}.module_version SET retired_at = NULL WHERE module = $1 AND version = $2 AND retired_at IS NOT NULL"), version.Module, version.Version); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, s.text("DELETE FROM {schema}.definition WHERE module = $1"), version.Module); err != nil {
		return err
	}
	for i := range version.Definitions {
		def := &version.Definitions[i]
		def.Module = &task.ModuleRef{Name: version.Module, Version: version.Version, Digest: version.Digest}
		def.Index = i
		if err := s.insertDefinition(ctx, tx, def); err != nil {
			return err
		}
	}
	return nil
}

// insertDefinition declares a definition, or says who has its name.
func (s *Store) insertDefinition(ctx context.Context, tx pgx.Tx, def *task.Definition) error {
	var holder *string
	err := tx.QueryRow(ctx, s.text("SELECT module FROM {schema}.definition WHERE name = $1"), def.Name).Scan(&holder)
	switch {
	case err == nil && holder != nil:
		return &task.ConflictError{Problem: fmt.Sprintf("the task name %s is taken by module %s: rename it, or push to that module", def.Name, *holder)}
	case err == nil:
		return &task.ConflictError{Problem: fmt.Sprintf("the task name %s is taken by a Go function: rename one of them", def.Name)}
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	options, err := json.Marshal(def.Options)
	if err != nil {
		return err
	}
	module := def.Module
	if module == nil {
		module = &task.ModuleRef{}
	}
	_, err = tx.Exec(ctx, s.text(`
		INSERT INTO {schema}.definition (name, executor, description, module, module_version, module_digest, definition_index, options, args_schema)
		VALUES ($1, $2, $3, $4, nullif($5, 0), $6, $7, $8, $9)`),
		def.Name, string(def.Executor), def.Description, nullable(module.Name), module.Version, nullable(module.Digest), def.Index, string(options), nullable(string(def.Args)))
	return err
}

// DeclareFunctions makes Go functions known, so that they can be enqueued, also
// before any program that has them is started. A function that another program
// declared is declared anew, with these options. It returns a *task.ConflictError
// where a module has one of the names.
func (s *Store) DeclareFunctions(ctx context.Context, functions []task.Definition) error {
	if len(functions) == 0 {
		return nil
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := s.lockDefinitions(ctx, tx); err != nil {
			return err
		}
		for i := range functions {
			if _, err := tx.Exec(ctx, s.text("DELETE FROM {schema}.definition WHERE module IS NULL AND name = $1"), functions[i].Name); err != nil {
				return err
			}
			if err := s.insertDefinition(ctx, tx, &functions[i]); err != nil {
				return err
			}
		}
		return nil
	})
	s.Forget()
	return err
}

const versionColumns = "v.module, v.version, v.digest, v.bytes, v.sdk, v.definitions, v.created_at, v.version = m.live_version"

// LiveVersions implements [modules.Store].
func (s *Store) LiveVersions(ctx context.Context) ([]modules.Version, error) {
	return s.versions(ctx, "SELECT "+versionColumns+" FROM {schema}.module m JOIN {schema}.module_version v ON v.module = m.name AND v.version = m.live_version ORDER BY m.name")
}

// Versions implements [modules.Store].
func (s *Store) Versions(ctx context.Context, module string) ([]modules.Version, error) {
	versions, err := s.versions(ctx, "SELECT "+versionColumns+" FROM {schema}.module m JOIN {schema}.module_version v ON v.module = m.name WHERE m.name = $1 ORDER BY v.version DESC", module)
	if err == nil && len(versions) == 0 {
		return nil, fmt.Errorf("module %.80q: %w", module, task.ErrNotFound)
	}
	return versions, err
}

func (s *Store) versions(ctx context.Context, query string, args ...any) ([]modules.Version, error) {
	rows, err := s.pool.Query(ctx, s.text(query), args...)
	if err != nil {
		return nil, failed(err, "read modules")
	}
	versions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v modules.Version, err error) {
		var definitions string
		if err := row.Scan(&v.Module, &v.Version, &v.Digest, &v.Bytes, &v.SDK, &definitions, &v.CreatedAt, &v.Live); err != nil {
			return v, err
		}
		v.CreatedAt = v.CreatedAt.UTC()
		if err := json.Unmarshal([]byte(definitions), &v.Definitions); err != nil {
			return v, fmt.Errorf("the definitions of module %s: %w", v.Module, err)
		}
		for i := range v.Definitions {
			v.Definitions[i].Module = &task.ModuleRef{Name: v.Module, Version: v.Version, Digest: v.Digest}
			v.Definitions[i].Index, v.Definitions[i].Options = i, v.Definitions[i].Options.WithDefaults()
		}
		return v, nil
	})
	return versions, failed(err, "read modules")
}

// Wasm implements [modules.Store].
func (s *Store) Wasm(ctx context.Context, digest string) ([]byte, error) {
	var wasm []byte
	if err := s.pool.QueryRow(ctx, s.text("SELECT wasm FROM {schema}.module_blob WHERE digest = $1"), digest).Scan(&wasm); err != nil {
		return nil, notFound(err, "module", digest)
	}
	return wasm, nil
}

// StoredDigests lists the modules whose bytes are stored.
func (s *Store) StoredDigests(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, s.text("SELECT digest FROM {schema}.module_blob"))
	if err != nil {
		return nil, failed(err, "list the digests of modules")
	}
	digests, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, failed(err, "list the digests of modules")
	}
	return digests, nil
}

const definitionText = `
SELECT name, executor, description, module, module_version, module_digest, definition_index, options, args_schema
FROM {schema}.definition`

func scanDefinition(row scanner) (def task.Definition, err error) {
	var module, digest, schema *string
	var version *int
	var executor, options string
	if err := row.Scan(&def.Name, &executor, &def.Description, &module, &version, &digest, &def.Index, &options, &schema); err != nil {
		return def, err
	}
	if err := json.Unmarshal([]byte(options), &def.Options); err != nil {
		return def, fmt.Errorf("the options of %s: %w", def.Name, err)
	}
	def.Executor, def.Options = task.Executor(executor), def.Options.WithDefaults() // of those that an older program did not know
	if module != nil {
		def.Module = &task.ModuleRef{Name: *module, Version: value(version), Digest: value(digest)}
	}
	if schema != nil {
		def.Args = json.RawMessage(*schema)
	}
	return def, nil
}

// Definition returns what can be enqueued under a name, or task.ErrNotFound.
func (s *Store) Definition(ctx context.Context, name string) (*task.Definition, error) {
	definitions, err := s.definitions(ctx, definitionText+" WHERE name = $1", name)
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
	return s.definitions(ctx, definitionText+" ORDER BY name")
}

func (s *Store) definitions(ctx context.Context, query string, args ...any) ([]task.Definition, error) {
	rows, err := s.pool.Query(ctx, s.text(query), args...)
	if err != nil {
		return nil, failed(err, "read definitions")
	}
	definitions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (task.Definition, error) { return scanDefinition(row) })
	return definitions, failed(err, "read definitions")
}

// DefinitionNames lists the names of what can be enqueued.
func (s *Store) DefinitionNames(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, s.text("SELECT name FROM {schema}.definition ORDER BY name"))
	if err != nil {
		return nil, failed(err, "read definitions")
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, failed(err, "read definitions")
}
