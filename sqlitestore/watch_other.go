//go:build !linux

package sqlitestore

import "errors"

// fileWrites tells when a file is written to.
type fileWrites struct{}

func watchWrites(string) (*fileWrites, error) { return nil, errors.ErrUnsupported }

func (*fileWrites) wait()        {}
func (*fileWrites) close() error { return nil }
