package wasmfile

import "github.com/taskhost/taskhost/host/wasmcode"

// codeSection passes over the bodies of the functions.
func (d *decoder) codeSection() {
	at := d.pos
	n := d.count("function body count", minBody, maxFunctions)
	if defined := len(d.module.funcs) - d.importedFuncs; n != defined {
		d.fail(at, RuleMismatch, "%d bodies for %d functions: the file is damaged", n, defined)
	}
	d.bodies = n
	for i := 0; i < n && d.err == nil; i++ {
		d.at("function", d.importedFuncs+i)
		at := d.pos
		size := d.u32("body size")
		if d.need(uint64(size), "a body"); uint64(size) > maxBody {
			d.fail(at, RuleLimit, "a body of %d bytes, at most %d are allowed: split the function", size, maxBody)
		}
		if d.maxResults > 1 && uint64(size)*uint64(d.maxResults) > maxBodyResults {
			d.fail(at, RuleLimit, "a body of %d bytes where a type has %d results, their product may be %d: split the function, or return structures in memory", size, d.maxResults, maxBodyResults)
		}
		d.within("a body", size, func() { d.body(d.importedFuncs + i) })
	}
}

// body reads what locals a function has, and walks through its instructions.
func (d *decoder) body(index int) {
	groups := d.count("count of groups of locals", minLocals, len(d.wasm))
	var locals uint64
	for i := 0; i < groups && d.err == nil; i++ {
		at := d.pos
		locals += uint64(d.u32("number of locals"))
		if locals > maxLocals {
			d.fail(at, RuleLimit, "%d locals or more, at most %d are allowed: split the function", locals, maxLocals)
		}
		d.valType()
	}
	if d.locals += locals; d.locals > maxAllLocals {
		d.fail(d.pos, RuleLimit, "more than %d locals in all functions: build with optimization", maxAllLocals)
	}
	if d.left() == 0 || d.wasm[d.end-1] != opEnd {
		d.fail(d.pos, RuleMalformed, "the body does not end with an end instruction: the file is damaged")
	}
	if d.err == nil {
		signature, _ := d.module.Func(uint32(index))
		d.instructions(len(signature.Params) + int(locals))
	}
}

// shape is what a compiler's time depends on more than on the length of a body.
type shape struct {
	blocks   int // that are open
	loops    int // of those
	branches int // blocks that begin, and instructions that leave one
	targets  int // of br_table instructions
	// isLoop has a bit for each open block.
	isLoop [maxNesting/64 + 1]uint64
}

// instructions walks to the end of a body.
func (d *decoder) instructions(locals int) {
	space := wasmcode.Space{
		Types: len(d.module.Types), Funcs: len(d.module.funcs), Globals: len(d.module.Globals),
		Locals: locals, Memory: len(d.module.Memories) > 0,
	}
	code := wasmcode.Reader{Wasm: d.wasm, Pos: d.pos, End: d.end}
	s := &d.shape
	s.blocks, s.loops, s.branches, s.targets = 0, 0, 0, 0
	for s.blocks >= 0 && code.Err == nil && d.err == nil {
		d.pos = code.Pos
		switch in := code.Next(&space, nil); in.Op {
		case wasmcode.OpBlock, wasmcode.OpLoop, wasmcode.OpIf:
			d.openBlock(in.Op == wasmcode.OpLoop)
		case wasmcode.OpEnd:
			s.closeBlock()
		case wasmcode.OpBr, wasmcode.OpBrIf:
			s.branches++
		case wasmcode.OpBrTable:
			s.targets += int(in.Index)
		}
	}
	if code.Err == nil && d.err == nil && code.Pos != code.End {
		code.Fail("instructions behind the end of the function: the file is damaged")
	}
	if err := code.Err; err != nil {
		rule := RuleMalformed
		if err.Later {
			rule = RuleFeature
		}
		d.fail(err.Offset, rule, "%s", err.Msg)
	}
	d.checkShape(locals)
	d.pos = d.end
}

// openBlock counts a block, unless too many are open.
func (d *decoder) openBlock(loop bool) {
	s := &d.shape
	if s.blocks++; s.blocks > maxNesting {
		d.fail(d.pos, RuleLimit, "%d blocks within each other, at most %d are allowed: split the function", s.blocks, maxNesting)
		return
	}
	s.branches++
	d.nestings += s.blocks
	word, bit := s.blocks/64, uint64(1)<<(s.blocks%64)
	if s.isLoop[word] &^= bit; loop {
		s.isLoop[word] |= bit
		s.loops++
	}
	if s.loops > maxLoopNesting {
		d.fail(d.pos, RuleLimit, "%d loops within each other, at most %d are allowed: split the function", s.loops, maxLoopNesting)
	}
}

func (s *shape) closeBlock() {
	if s.isLoop[s.blocks/64]>>(s.blocks%64)&1 != 0 {
		s.loops--
	}
	s.blocks--
}

// checkShape holds what was counted in a body, and in all till there, against the
// limits.
func (d *decoder) checkShape(locals int) {
	s := &d.shape
	ways := s.branches + s.targets
	d.targets += s.targets
	d.waysLocals += uint64(ways) * uint64(locals)
	switch {
	case s.branches > maxBranches:
		d.fail(d.pos, RuleLimit, "%d blocks and branches, at most %d are allowed: split the function", s.branches, maxBranches)
	case s.targets > maxTargets:
		d.fail(d.pos, RuleLimit, "%d targets of br_table instructions, at most %d are allowed: split the function, or make its switch smaller", s.targets, maxTargets)
	case uint64(ways)*uint64(locals) > maxWaysLocals:
		d.fail(d.pos, RuleLimit, "%d blocks, branches and targets for %d parameters and locals, their product may be %d: split the function, or build with optimization", ways, locals, maxWaysLocals)
	case d.nestings > maxAllNestings:
		d.fail(d.pos, RuleLimit, "the depths at which blocks begin come to %d in all functions till here, at most %d are allowed: split the functions with the deepest blocks, or the module", d.nestings, maxAllNestings)
	case d.targets > maxAllTargets:
		d.fail(d.pos, RuleLimit, "%d targets of br_table instructions in all functions till here, at most %d are allowed: split the module", d.targets, maxAllTargets)
	case d.waysLocals > maxAllWaysLocals:
		d.fail(d.pos, RuleLimit, "blocks, branches and targets times locals come to %d in all functions till here, at most %d are allowed: build with optimization, or split the module", d.waysLocals, maxAllWaysLocals)
	}
}
