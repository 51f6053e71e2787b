// Package fuel makes a module count its own work, and stop.
//
// [Rewrite] adds to each function the instructions that count, and to the module
// what they count with: three globals and a few functions, all of them behind what
// was there, so that nothing is renumbered. [Attach] gives the host its hold on an
// instance: a budget, a depth of calls, and a way to stop it from any goroutine.
//
// # What is counted
//
// One unit an instruction; nothing for what only marks structure (block, end, else,
// nop); [HostCallCost] for a call of an import and for growing a memory or table; one
// unit more for each 16 bytes, or 2 entries of a table, that a bulk instruction
// moves. A straight piece of code is charged at its start, and a conditional branch
// out of it does not end it: what is counted is an upper bound, and the same for the
// same work on every machine. Small arms of an if are charged with what is before
// them. Work that ends in a trap is counted up to the last charge that was noted.
//
// # How it is counted
//
// Charges go off a local, which wazero keeps in a register. It is noted in a global
// before calls and read back after them. When it is below zero at the start of a
// function, at the head of a loop or before an instruction that may take long, an
// appended function is called: it refills a slice from the budget, traps where there
// is none or the host has said stop, and leaves native code for a moment, so that
// the host's garbage collector can run. The low bits of the same number count down
// the depth of calls, which so costs next to nothing. A function that calls nothing
// counts no depth, since it adds no more than one.
package fuel

import "strings"

const (
	// Prefix begins the names of what Rewrite exports. A module that exports such
	// a name itself is refused.
	Prefix = "taskhost:"

	exportFuel  = Prefix + "fuel"
	exportLeft  = Prefix + "left"
	exportStop  = Prefix + "stop"
	exportStart = Prefix + "start"
)

const (
	// HostCallCost is charged for a call of an import, and for growing a memory or
	// a table.
	HostCallCost = 100
	// MaxDepth is the greatest depth of calls that can be allowed.
	MaxDepth = tooDeep - 1
)

const (
	// depthBits is how many bits of the packed number are the depth that is left,
	// below the units that are left of the slice.
	depthBits = 20
	// tooDeep is the bit that is set once the depth has gone below zero.
	tooDeep = 1 << (depthBits - 1)
	// slice is how many units are run between two looks at the budget and the stop:
	// some 0.1 ms, and a few ms where each is a miss of the cache.
	slice = 250_000
	// chunk is how many bytes a bulk instruction moves between two looks.
	chunk = 1 << 20
	// bulkShift makes units of bytes, and tableShift of entries.
	bulkShift  = 4
	tableShift = 1
	// maxRegion is the most units that are charged at once, and regionCheck from
	// how many on a charge is followed by a look.
	maxRegion   = 1 << 15
	regionCheck = 1 << 12
	// smallArm is up to how many units an arm is charged with what is before it.
	smallArm = 12
	// A module may become maxGrowth times as large, and spareGrowth besides.
	maxGrowth   = 4
	spareGrowth = 1 << 20
)

// Reserved reports whether a module may not export a name.
func Reserved(name string) bool { return strings.HasPrefix(name, Prefix) }
