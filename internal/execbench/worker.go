package execbench

import (
	"context"
	"errors"

	"github.com/taskhost/taskhost/host/sandbox"
)

// openWorkers is execution in sandbox workers: this program, started again.
func openWorkers(ctx context.Context, _ *bench, g *guest) (*subject, error) {
	pool, err := sandbox.New(ctx, sandbox.Config{})
	if err != nil {
		return nil, err
	}
	if err := pool.Prepare(ctx, g.name, g.wasm); err != nil {
		return nil, errors.Join(err, pool.Close(ctx))
	}
	attempt := g.attempt(false)
	s := calling(func(ctx context.Context) error {
		_, err := executeIn(ctx, pool, g, attempt)
		return err
	})
	s.close = pool.Close
	return s, nil
}
