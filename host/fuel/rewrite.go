package fuel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/wasmcode"
	"github.com/taskhost/taskhost/host/wasmfile"
)

// Rewrite returns a module that counts its work and can be stopped. file is what
// wasmfile read from wasm. An error says why the module cannot be rewritten, for
// its author. The start function, where there is one, is left to [Meter.Start]: it
// would otherwise run before there is a hold on it.
func Rewrite(file *wasmfile.Module, wasm []byte) ([]byte, error) {
	r, err := NewRewriter(file)
	if err != nil {
		return nil, err
	}
	return file.Edit(wasm, r.Edit)
}

// Rewriter does what [Rewrite] does, in one pass with other edits.
type Rewriter struct {
	file     *wasmfile.Module
	imported int // functions
	funcs    int
	added
	keepsMore bool
}

// NewRewriter returns one for a module.
func NewRewriter(file *wasmfile.Module) (*Rewriter, error) {
	for _, export := range file.Exports {
		if Reserved(export.Name) {
			return nil, fmt.Errorf("it exports %.60q: names that begin with %q are the host's own", export.Name, Prefix)
		}
	}
	active := slices.ContainsFunc(file.Data, func(d wasmfile.Data) bool { return d.Active })
	if active && len(file.Memories) == 0 { // it would go to the one that is added
		return nil, errors.New("it has data that goes to memory, and no memory: the file is damaged")
	}
	r := &Rewriter{file: file, funcs: file.NumFuncs()}
	for _, imp := range file.Imports {
		if imp.Kind == wasmfile.KindFunc {
			r.imported++
		}
	}
	global, function := uint32(len(file.Globals)), uint32(r.funcs)
	r.added = added{
		fuel: global, left: global + 1, stop: global + 2,
		yield: function, fill: function + 1, copy: function + 2, start: function + 3,
	}
	return r, nil
}

// KeepsMore reports, after the edit, whether the module has an instruction that
// changes what an instance has beside its memory and globals: its tables, and which
// segments it can still copy from.
func (r *Rewriter) KeepsMore() bool { return r.keepsMore }

// Edit implements [wasmfile.Edit].
func (r *Rewriter) Edit(id byte, content []byte) ([]byte, error) {
	switch id {
	case wasmfile.SectionType:
		return wasmfile.AppendEntries(content, []byte{0x60, 1, 0x7e, 1, 0x7e}, []byte{0x60, 3, 0x7f, 0x7f, 0x7f, 0}, []byte{0x60, 0, 0}), nil
	case wasmfile.SectionFunction:
		return wasmfile.AppendEntries(content, r.ofType(0), r.ofType(1), r.ofType(1), r.ofType(2)), nil
	case wasmfile.SectionMemory:
		if len(r.file.Memories) == 0 { // yield has one grow by nothing
			return []byte{1, 1, 0, 0}, nil
		}
	case wasmfile.SectionGlobal:
		number := []byte{0x7e, 1, wasmcode.OpI64Const, 0, wasmcode.OpEnd}
		return wasmfile.AppendEntries(content, number, number, []byte{0x7f, 1, wasmcode.OpI32Const, 0, wasmcode.OpEnd}), nil
	case wasmfile.SectionExport:
		return wasmfile.AppendEntries(content, r.exports()...), nil
	case wasmfile.SectionStart:
		return nil, nil
	case wasmfile.SectionCode:
		return r.code(content)
	}
	return content, nil
}

// ofType declares a function of one of the types that are added.
func (r *Rewriter) ofType(n int) []byte {
	return binary.AppendUvarint(nil, uint64(len(r.file.Types)+n))
}

func (r *Rewriter) exports() [][]byte {
	return [][]byte{
		wasmfile.ExportEntry(exportFuel, wasmfile.KindGlobal, r.fuel),
		wasmfile.ExportEntry(exportLeft, wasmfile.KindGlobal, r.left),
		wasmfile.ExportEntry(exportStop, wasmfile.KindGlobal, r.stop),
		wasmfile.ExportEntry(exportStart, wasmfile.KindFunc, r.start),
	}
}

// startBody calls the start function. Exporting that itself would declare it, which
// makes a difference to what may refer to it.
func (r *Rewriter) startBody() []byte {
	c := code{0}
	if r.file.HasStart {
		c.with(wasmcode.OpCall, r.file.Start)
	}
	c.op(wasmcode.OpEnd)
	return c
}

// code rewrites the bodies, and appends those of our own.
func (r *Rewriter) code(content []byte) ([]byte, error) {
	most := maxGrowth*len(content) + spareGrowth
	c := wasmcode.Reader{Wasm: content, End: len(content)}
	n := r.funcs - r.imported
	if len(content) > 0 {
		c.U32() // the number of bodies, which wasmfile has held against the functions
	}
	out := binary.AppendUvarint(make([]byte, 0, 2*len(content)), uint64(n+4))
	b := &body{added: r.added}
	for i := range n {
		size := int(c.U32())
		text, err := r.body(b, r.imported+i, content[c.Pos:c.Pos+size])
		c.Pos += size
		if err == nil && len(out)+len(text) > most {
			err = fmt.Errorf("the code with what counts its work would be more than %d times as large: build it with optimization", maxGrowth)
		}
		if err != nil {
			return nil, fmt.Errorf("function %d: %w", r.imported+i, err)
		}
		out = append(binary.AppendUvarint(out, uint64(len(text))), text...)
	}
	r.keepsMore = b.keepsMore
	for _, text := range [...][]byte{r.yieldBody(), r.fillBody(), r.copyBody(), r.startBody()} {
		out = append(binary.AppendUvarint(out, uint64(len(text))), text...)
	}
	return out, nil
}

// body rewrites one, in room that is used again for the next.
func (r *Rewriter) body(b *body, index int, text []byte) ([]byte, error) {
	signature, _ := r.file.Func(uint32(index))
	c := wasmcode.Reader{Wasm: text, End: len(text)}
	groups := int(c.U32())
	start, locals := c.Pos, len(signature.Params)
	for range groups {
		locals += int(c.U32())
		c.Byte()
		if c.Err != nil {
			break
		}
	}
	declared := text[start:c.Pos]
	c.KeepLabels = true
	b.Reader = c
	b.Space = wasmcode.Space{
		Types: len(r.file.Types), Funcs: r.funcs, Globals: len(r.file.Globals), Locals: locals,
		Memory: len(r.file.Memories) > 0,
	}
	b.imported = uint32(r.imported)
	b.counter, b.scratch = uint32(locals), uint32(locals+1)
	b.out, b.marks, b.regions, b.frames = b.out[:0], b.marks[:0], b.regions[:0], b.frames[:0]
	b.calls, b.usesScratch = false, false
	b.rewrite()
	if b.Err != nil {
		return nil, b.Err
	}
	return b.assemble(groups, declared), nil
}
