package fuel

import (
	"encoding/binary"
	"slices"

	"github.com/taskhost/taskhost/host/wasmcode"
)

// added are the indexes of what is appended to a module.
type added struct {
	fuel, left, stop  uint32 // globals
	yield, fill, copy uint32 // functions
	start             uint32
}

// body rewrites the instructions of one function. They are written once, with marks
// where charges go, since what a charge comes to is known only further on.
type body struct {
	wasmcode.Reader
	wasmcode.Space
	added
	imported uint32 // of the functions
	counter  uint32 // the local that has what is left
	scratch  uint32 // an i32, behind it

	out     code
	marks   []mark
	regions []int // the cost of each
	frames  []frame
	now     int // the region that we are in, dead where nothing can come
	labels  []uint32

	calls       bool // another function, and so counts as a depth
	usesScratch bool
	keepsMore   bool // some function changes tables, or.keepsMore segments
}

// dead is the region of instructions that are never reached.
const dead = -1

// frame is a block, loop or if that is open, or the function.
type frame struct {
	op    byte
	entry int // the region that it began in
	arm   int // of an if: the region of the arm
}

// mark is a place for what is written once costs are known.
type mark struct {
	kind   markKind
	at     int // in what is written
	region int
}

type markKind byte

const (
	markEntry markKind = iota // of the function
	markLoop                  // its head
	markPlain                 // anywhere else
	markExit                  // no charge: before the function is left
)

// rewrite reads the instructions to the end of the function.
func (b *body) rewrite() {
	b.frames = append(b.frames[:0], frame{op: wasmcode.OpBlock})
	b.open(markEntry)
	for len(b.frames) > 0 && b.Err == nil {
		start := b.Pos
		in := b.Next(&b.Space, b.labels[:0])
		if in.Labels != nil {
			b.labels = in.Labels
		}
		if b.Err == nil {
			b.instruction(&in, b.Wasm[start:b.Pos])
		}
	}
	if b.Err == nil && b.Pos != b.End {
		b.Fail("instructions behind the end of the function: the file is damaged")
	}
}

// open begins a region.
func (b *body) open(kind markKind) {
	b.now = len(b.regions)
	b.regions = append(b.regions, 0)
	b.marks = append(b.marks, mark{kind, len(b.out), b.now})
}

// charge adds to the region. It comes before its instruction is written.
func (b *body) charge(cost int) {
	if b.now == dead {
		return
	}
	if b.regions[b.now] >= maxRegion {
		b.open(markPlain)
	}
	b.regions[b.now] += cost
}

func (b *body) instruction(in *wasmcode.Instruction, text []byte) {
	switch in.Op {
	case wasmcode.OpNop:
		b.out.op(text...)
	case wasmcode.OpBlock, wasmcode.OpLoop, wasmcode.OpIf:
		b.begin(in.Op, text)
	case wasmcode.OpElse:
		b.otherwise(text)
	case wasmcode.OpEnd:
		b.finish(text)
	case wasmcode.OpBr, wasmcode.OpBrIf, wasmcode.OpBrTable, wasmcode.OpReturn, wasmcode.OpUnreachable:
		b.branch(in, text)
	default:
		if b.now == dead {
			b.out.op(text...)
			return
		}
		b.plain(in, text)
	}
}

func (b *body) begin(op byte, text []byte) {
	if op == wasmcode.OpIf {
		b.charge(1)
	}
	f := frame{op: op, entry: b.now}
	b.out.op(text...)
	if b.now != dead {
		switch op {
		case wasmcode.OpLoop:
			b.open(markLoop)
			b.charge(1) // so that no turn is free
		case wasmcode.OpIf:
			b.open(markPlain)
			f.arm = b.now
		}
	}
	b.frames = append(b.frames, f)
}

func (b *body) otherwise(text []byte) {
	f := &b.frames[len(b.frames)-1]
	if f.op != wasmcode.OpIf {
		b.Fail("an else without an if: the file is damaged")
		return
	}
	b.out.op(text...)
	f.op = wasmcode.OpElse
	if b.now = f.entry; f.entry != dead {
		b.foldArm(f)
		b.open(markPlain)
		f.arm = b.now
	}
}

// foldArm charges a small arm with what is before it.
func (b *body) foldArm(f *frame) {
	if cost := b.regions[f.arm]; cost <= smallArm {
		b.regions[f.entry] += cost
		b.regions[f.arm] = 0
	}
}

// finish ends a block. What follows is charged with what was before the block where
// each way to it leads through there once, and the charge would not be for code that
// a jump passes over as a rule.
func (b *body) finish(text []byte) {
	f := b.frames[len(b.frames)-1]
	b.frames = b.frames[:len(b.frames)-1]
	if len(b.frames) == 0 {
		b.exit()
		b.out.op(text...)
		return
	}
	b.out.op(text...)
	switch {
	case f.entry == dead:
		b.now = dead
	case f.op == wasmcode.OpIf, f.op == wasmcode.OpElse:
		b.foldArm(&f)
		b.now = f.entry
	case f.op == wasmcode.OpLoop && b.now != dead:
		b.now = f.entry
	case f.op == wasmcode.OpBlock && b.now != f.entry:
		b.open(markPlain)
	}
}

// branch is an instruction that goes elsewhere, or may.
func (b *body) branch(in *wasmcode.Instruction, text []byte) {
	b.charge(1)
	outermost := uint32(len(b.frames) - 1)
	leaves := false
	switch in.Op {
	case wasmcode.OpBr, wasmcode.OpBrIf:
		leaves = in.Index == outermost
	case wasmcode.OpBrTable:
		leaves = slices.Contains(in.Labels, outermost)
	case wasmcode.OpReturn:
		leaves = true
	}
	if leaves {
		b.exit()
	}
	b.out.op(text...)
	if in.Op != wasmcode.OpBrIf {
		b.now = dead
	}
}

// exit notes the counter before the function is left, or may be.
func (b *body) exit() { b.marks = append(b.marks, mark{kind: markExit, at: len(b.out)}) }

// plain is an instruction that goes on to the next.
func (b *body) plain(in *wasmcode.Instruction, text []byte) {
	switch {
	case in.Op == wasmcode.OpCall && in.Index < b.imported:
		b.charge(HostCallCost)
		b.look()
		b.called(text)
	case in.Op == wasmcode.OpCall, in.Op == wasmcode.OpCallIndirect:
		b.calls = true
		b.charge(1)
		b.called(text)
	case in.Op == wasmcode.OpMemoryGrow:
		b.charge(HostCallCost)
		b.look()
		b.out.op(text...)
	case in.Op == wasmcode.OpMisc && in.Misc >= wasmcode.MiscMemoryInit:
		b.bulk(in.Misc, text)
	case in.Op == wasmcode.OpTableSet:
		b.keepsMore = true
		fallthrough
	default:
		b.charge(1)
		b.out.op(text...)
	}
}

// called writes a call, with the counter noted before it and read back after it.
func (b *body) called(call []byte) {
	b.out.move(wasmcode.OpLocalGet, b.counter, wasmcode.OpGlobalSet, b.fuel)
	b.out.op(call...)
	b.out.move(wasmcode.OpGlobalGet, b.fuel, wasmcode.OpLocalSet, b.counter)
}

// bulk is an instruction whose work depends on its last operand.
func (b *body) bulk(misc byte, text []byte) {
	b.keepsMore = b.keepsMore || misc != wasmcode.MiscMemoryInit && misc != wasmcode.MiscMemoryCopy && misc != wasmcode.MiscMemoryFill && misc != wasmcode.MiscTableSize
	switch misc {
	case wasmcode.MiscMemoryFill, wasmcode.MiscMemoryCopy:
		b.charge(1)
		helper := b.fill
		if misc == wasmcode.MiscMemoryCopy {
			helper = b.copy
		}
		b.called(binary.AppendUvarint([]byte{wasmcode.OpCall}, uint64(helper)))
		return
	case wasmcode.MiscMemoryInit:
		b.charge(1)
		b.chargeLength(bulkShift)
	case wasmcode.MiscTableGrow:
		b.charge(HostCallCost)
		b.chargeLength(tableShift)
	case wasmcode.MiscTableInit, wasmcode.MiscTableCopy, wasmcode.MiscTableFill:
		b.charge(1)
		b.chargeLength(tableShift)
	default:
		b.charge(1)
	}
	b.out.op(text...)
}

// chargeLength charges for the length that is on top of the stack.
func (b *body) chargeLength(shift int64) {
	b.usesScratch = true
	b.out.with(wasmcode.OpLocalTee, b.scratch)
	b.out.with(wasmcode.OpLocalGet, b.counter)
	b.out.with(wasmcode.OpLocalGet, b.scratch)
	b.out.units(shift)
	b.out.op(wasmcode.OpI64Sub)
	b.out.with(wasmcode.OpLocalSet, b.counter)
	b.look()
}

// look calls yield where nothing is left.
func (b *body) look() {
	b.out.with(wasmcode.OpLocalGet, b.counter)
	b.out.i64(0)
	b.out.op(wasmcode.OpI64GeS)
	b.out.yieldUnless(b.counter, b.yield)
}
