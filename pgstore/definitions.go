package pgstore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/taskhost/taskhost/internal/riverstore"
	"github.com/taskhost/taskhost/task"
)

// definitionReader reads definitions in a transaction.
type definitionReader struct {
	store *Store
	tx    transaction
}

var _ riverstore.Definitions = definitionReader{}

// Definition implements [riverstore.Definitions].
func (r definitionReader) Definition(ctx context.Context, name string) (*task.Definition, error) {
	var found *task.Definition
	err := r.tx.query(ctx, r.store.text(definitionText+" WHERE name = $1"), []any{name}, func(row scanner) error {
		def, err := scanDefinition(row)
		found = &def
		return err
	})
	switch {
	case err != nil:
		return nil, failed(err, "read definitions")
	case found == nil:
		return nil, fmt.Errorf("definition %s: %w", name, task.ErrNotFound)
	}
	return found, nil
}

// DefinitionNames implements [riverstore.Definitions].
func (r definitionReader) DefinitionNames(ctx context.Context) (names []string, err error) {
	err = r.tx.query(ctx, r.store.text("SELECT name FROM {schema}.definition ORDER BY name"), nil, func(row scanner) error {
		var name string
		err := row.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, failed(err, "read definitions")
}

// VersionDefinitions implements [riverstore.Definitions].
func (r definitionReader) VersionDefinitions(ctx context.Context, module string, version int) (found []task.Definition, err error) {
	err = r.tx.query(ctx, r.store.text("SELECT digest, definitions FROM {schema}.module_version WHERE module = $1 AND version = $2"),
		[]any{module, version}, func(row scanner) error {
			var digest, definitions string
			if err := row.Scan(&digest, &definitions); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(definitions), &found); err != nil {
				return fmt.Errorf("the definitions of module %s: %w", module, err)
			}
			for i := range found {
				found[i].Module = &task.ModuleRef{Name: module, Version: version, Digest: digest}
				found[i].Index, found[i].Options = i, found[i].Options.WithDefaults()
			}
			return nil
		})
	if err == nil && found == nil {
		err = fmt.Errorf("version %d of module %s: %w", version, module, task.ErrNotFound)
	}
	return found, failed(err, "read definitions")
}

// VersionDefinitions implements [riverstore.Definitions].
func (s *Store) VersionDefinitions(ctx context.Context, module string, version int) ([]task.Definition, error) {
	return definitionReader{s, pgxTx{s.pool}}.VersionDefinitions(ctx, module, version)
}
