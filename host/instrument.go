package host

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/taskhost/taskhost/host/fuel"
	"github.com/taskhost/taskhost/host/snapshot"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// instrumented is a module as it is compiled, and what the host knows of it.
type instrumented struct {
	code  []byte
	image *snapshot.Module
	// resets is false where an instance keeps what cannot be taken back.
	resets bool
	digest [sha256.Size]byte // of what it was made of
}

// instrument rewrites a module that has been read, before it is compiled: it counts
// its work and can be stopped, its tables are bounded, and its state can be taken
// back. That is taken from what is kept, where it is there.
func (e *Engine) instrument(file *wasmfile.Module, wasm []byte, k *kept) (*instrumented, error) {
	if e.onCompile != nil {
		e.onCompile()
	}
	image, err := snapshot.Prepare(file, wasm)
	if err != nil {
		return nil, &ModuleError{Reason: "it cannot be instantiated: " + err.Error(), Err: err}
	}
	digest := sha256.Sum256(wasm)
	if code := keptCode(k, image, digest); code != nil {
		return code, nil
	}
	counting, err := fuel.NewRewriter(file)
	if err != nil {
		return nil, uncountable(err)
	}
	code, err := file.Edit(wasm, boundTables(file), image.Edit(file), counting.Edit)
	if err != nil {
		return nil, uncountable(err)
	}
	return &instrumented{code, image, image.Whole && !counting.KeepsMore(), digest}, nil
}

const (
	// rewrittenName is the file that keeps a module as it was rewritten: a byte for
	// the version of that, one for whether it can be taken back, the digest of what it
	// was made of, and the module.
	rewrittenName = "rewritten"
	// rewriting is the version of how modules are rewritten. It is raised with each
	// change of that.
	rewriting = 1
)

// keptCode gives what is kept, or nil.
func keptCode(k *kept, image *snapshot.Module, digest [sha256.Size]byte) *instrumented {
	if k.sums == "" || k.err != nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(k.dir, rewrittenName))
	const head = 2 + sha256.Size
	if err != nil || len(text) < head || text[0] != rewriting || string(text[2:head]) != string(digest[:]) {
		return nil
	}
	return &instrumented{text[head:], image, text[1] == 1, digest}
}

// keep writes down what was made.
func (i *instrumented) keep(dir string) error {
	head := []byte{rewriting, 0}
	if i.resets {
		head[1] = 1
	}
	return os.WriteFile(filepath.Join(dir, rewrittenName), slices.Concat(head, i.digest[:], i.code), 0o600)
}

func uncountable(err error) error {
	if refusal := (*ModuleError)(nil); errors.As(err, &refusal) {
		return err
	}
	return &ModuleError{Reason: fmt.Sprintf("it cannot be made to count its work: %v", err), Err: err}
}
