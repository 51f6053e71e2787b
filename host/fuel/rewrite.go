package fuel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/wasmfile"
)

// The sections that are changed, and where each belongs in a file.
const (
	sectionCustom   = 0
	sectionType     = 1
	sectionFunction = 3
	sectionMemory   = 5
	sectionGlobal   = 6
	sectionExport   = 7
	sectionStart    = 8
	sectionCode     = 10
)

// order is how sections follow each other in a file.
var order = []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11}

// Rewrite returns a module that counts its work and can be stopped. file is what
// wasmfile read from wasm. An error says why the module cannot be rewritten, for
// its author. The start function, where there is one, is left to [Meter.Start]: it
// would otherwise run before there is a hold on it.
func Rewrite(file *wasmfile.Module, wasm []byte) ([]byte, error) {
	for _, export := range file.Exports {
		if Reserved(export.Name) {
			return nil, fmt.Errorf("it exports %.60q: names that begin with %q are the host's own", export.Name, Prefix)
		}
	}
	if file.ActiveData && len(file.Memories) == 0 { // it would go to the one that is added
		return nil, errors.New("it has data that goes to memory, and no memory: the file is damaged")
	}
	r := newRewriter(file, wasm)
	out := slices.Clone(wasm[:8])
	next := 0 // in order: what has not been written yet
	for _, section := range file.Sections {
		if section.ID == sectionCustom {
			out = append(out, wasm[section.Offset:section.End]...)
			continue
		}
		at := slices.Index(order, section.ID)
		for ; next < at; next++ {
			out = r.write(out, order[next], nil)
		}
		next = at + 1
		out = r.write(out, section.ID, wasm[section.Start:section.End])
	}
	for ; next < len(order); next++ {
		out = r.write(out, order[next], nil)
	}
	return out, r.err
}

type rewriter struct {
	file     *wasmfile.Module
	wasm     []byte
	imported int // functions
	funcs    int
	added
	err error
}

func newRewriter(file *wasmfile.Module, wasm []byte) *rewriter {
	r := &rewriter{file: file, wasm: wasm, funcs: file.NumFuncs()}
	for _, imp := range file.Imports {
		if imp.Kind == wasmfile.KindFunc {
			r.imported++
		}
	}
	global, function := uint32(file.Globals), uint32(r.funcs)
	r.added = added{
		fuel: global, left: global + 1, stop: global + 2,
		yield: function, fill: function + 1, copy: function + 2, start: function + 3,
	}
	return r
}

// write appends a section, changed where it has to be. content is nil where the
// module has none.
func (r *rewriter) write(out []byte, id byte, content []byte) []byte {
	had := content != nil
	switch id {
	case sectionType:
		content = extend(content, []byte{0x60, 1, 0x7e, 1, 0x7e}, []byte{0x60, 3, 0x7f, 0x7f, 0x7f, 0}, []byte{0x60, 0, 0})
	case sectionFunction:
		content = extend(content, r.ofType(0), r.ofType(1), r.ofType(1), r.ofType(2))
	case sectionMemory:
		if len(r.file.Memories) == 0 { // yield has one grow by nothing
			content = []byte{1, 1, 0, 0}
		}
	case sectionGlobal:
		number := []byte{0x7e, 1, opI64Const, 0, opEnd}
		content = extend(content, number, number, []byte{0x7f, 1, opI32Const, 0, opEnd})
	case sectionExport:
		content = extend(content, r.exports()...)
	case sectionStart:
		return out
	case sectionCode:
		content = r.code(content)
	}
	if content == nil && !had {
		return out
	}
	out = binary.AppendUvarint(append(out, id), uint64(len(content)))
	return append(out, content...)
}

// extend appends entries to the vector that is the content of a section.
func extend(content []byte, entries ...[]byte) []byte {
	count, rest := uint64(0), content
	if len(content) > 0 {
		var size int
		count, size = binary.Uvarint(content)
		rest = content[size:]
	}
	out := binary.AppendUvarint(nil, count+uint64(len(entries)))
	out = append(out, rest...)
	return append(out, slices.Concat(entries...)...)
}

// ofType declares a function of one of the types that are added.
func (r *rewriter) ofType(n int) []byte {
	return binary.AppendUvarint(nil, uint64(len(r.file.Types)+n))
}

func (r *rewriter) exports() [][]byte {
	export := func(name string, kind wasmfile.Kind, index uint32) []byte {
		out := append([]byte{byte(len(name))}, name...)
		return binary.AppendUvarint(append(out, byte(kind)), uint64(index))
	}
	return [][]byte{
		export(exportFuel, wasmfile.KindGlobal, r.fuel),
		export(exportLeft, wasmfile.KindGlobal, r.left),
		export(exportStop, wasmfile.KindGlobal, r.stop),
		export(exportStart, wasmfile.KindFunc, r.start),
	}
}

// startBody calls the start function. Exporting that itself would declare it, which
// makes a difference to what may refer to it.
func (r *rewriter) startBody() []byte {
	c := code{0}
	if r.file.HasStart {
		c.with(opCall, r.file.Start)
	}
	c.op(opEnd)
	return c
}

// code rewrites the bodies, and appends those of our own.
func (r *rewriter) code(content []byte) []byte {
	most := maxGrowth*len(r.wasm) + spareGrowth
	c := cursor{wasm: content, end: len(content)}
	n := r.funcs - r.imported
	if len(content) > 0 {
		c.u32() // the number of bodies, which wasmfile has held against the functions
	}
	out := binary.AppendUvarint(make([]byte, 0, 2*len(content)), uint64(n+4))
	b := &body{added: r.added}
	for i := range n {
		size := int(c.u32())
		text, err := r.body(b, r.imported+i, content[c.pos:c.pos+size])
		c.pos += size
		if err == nil && len(out)+len(text) > most {
			err = fmt.Errorf("the module with what counts its work would be more than %d times as large: build it with optimization", maxGrowth)
		}
		if err != nil {
			r.err = fmt.Errorf("function %d: %w", r.imported+i, err)
			return out
		}
		out = append(binary.AppendUvarint(out, uint64(len(text))), text...)
	}
	for _, text := range [...][]byte{r.yieldBody(), r.fillBody(), r.copyBody(), r.startBody()} {
		out = append(binary.AppendUvarint(out, uint64(len(text))), text...)
	}
	return out
}

// body rewrites one, in room that is used again for the next.
func (r *rewriter) body(b *body, index int, text []byte) ([]byte, error) {
	signature, _ := r.file.Func(uint32(index))
	c := cursor{wasm: text, end: len(text)}
	groups := int(c.u32())
	start, locals := c.pos, len(signature.Params)
	for range groups {
		locals += int(c.u32())
		c.byte()
		if c.err != nil {
			break
		}
	}
	declared := text[start:c.pos]
	b.cursor = c
	b.limits = limits{
		types: len(r.file.Types), funcs: r.funcs, globals: r.file.Globals, locals: locals,
		imported: uint32(r.imported), memory: len(r.file.Memories) > 0,
	}
	b.counter, b.scratch = uint32(locals), uint32(locals+1)
	b.out, b.marks, b.regions, b.frames = b.out[:0], b.marks[:0], b.regions[:0], b.frames[:0]
	b.calls, b.usesScratch = false, false
	b.rewrite()
	if b.err != nil {
		return nil, b.err
	}
	return b.assemble(groups, declared), nil
}
