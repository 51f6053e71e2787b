//go:build !unix

package pgtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

var errNotHere = errors.New("not on this system: run a server yourself and put its address into " + Variable)

type account struct{}

func ordinary() (account, error) { return account{}, errNotHere }

func (account) String() string { return "" }

func (account) folder() (string, error) { return "", errNotHere }

func (account) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, name, args...)
}

type guard struct{}

func newGuard(context.Context, string) (*guard, error) { return nil, errNotHere }

func (*guard) dismiss() {}

func killTree(*os.Process) error { return errNotHere }

func removeMemory(string) {}
