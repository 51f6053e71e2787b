package guestbuild

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
)

// errNoClone says that there is nothing to build.
var errNoClone = errors.New("guests are built in a clone of Taskhost, and this is none: change to its folder")

// CompileInClone is [Compile] for a folder that is named from the root of the clone,
// wherever in it the program runs.
func CompileInClone(ctx context.Context, dir string) ([]byte, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	return Compile(ctx, filepath.Join(root, filepath.FromSlash(dir)))
}

// Unavailable reports whether an error says that guests cannot be built here, as
// there is no compiler or no clone, and why in one line. Other errors are the
// guest's.
func Unavailable(err error) (reason string, unavailable bool) {
	if errors.Is(err, errNoClone) {
		return errNoClone.Error(), true
	}
	var missing *missingError
	if !errors.As(err, &missing) {
		return "", false
	}
	reason, _, _ = strings.Cut(missing.Error(), "\n")
	return reason, true
}
