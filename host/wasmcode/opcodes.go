package wasmcode

// Opcodes, of the instructions that somebody looks at or writes.
const (
	OpUnreachable  = 0x00
	OpNop          = 0x01
	OpBlock        = 0x02
	OpLoop         = 0x03
	OpIf           = 0x04
	OpElse         = 0x05
	OpEnd          = 0x0b
	OpBr           = 0x0c
	OpBrIf         = 0x0d
	OpBrTable      = 0x0e
	OpReturn       = 0x0f
	OpCall         = 0x10
	OpCallIndirect = 0x11
	OpDrop         = 0x1a
	OpSelect       = 0x1b
	OpSelectTyped  = 0x1c
	OpLocalGet     = 0x20
	OpLocalSet     = 0x21
	OpLocalTee     = 0x22
	OpGlobalGet    = 0x23
	OpGlobalSet    = 0x24
	OpTableGet     = 0x25
	OpTableSet     = 0x26
	OpFirstMemory  = 0x28 // the loads and stores
	OpLastMemory   = 0x3e
	OpMemorySize   = 0x3f
	OpMemoryGrow   = 0x40
	OpI32Const     = 0x41
	OpI64Const     = 0x42
	OpF32Const     = 0x43
	OpF64Const     = 0x44
	OpI32Eqz       = 0x45
	OpI32LeU       = 0x4d
	OpI32GtU       = 0x4b
	OpI64Eqz       = 0x50
	OpI64LtS       = 0x53
	OpI64LeU       = 0x58
	OpI64GeS       = 0x59
	OpI32Add       = 0x6a
	OpI32Sub       = 0x6b
	OpI32And       = 0x71
	OpI64Add       = 0x7c
	OpI64Sub       = 0x7d
	OpI64And       = 0x83
	OpI64Xor       = 0x85
	OpI64Shl       = 0x86
	OpI64ShrS      = 0x87
	OpI64ShrU      = 0x88
	OpI64ExtendU   = 0xad
	OpLastPlain    = 0xc4 // of those without operands, which begin with i32.eqz
	OpRefNull      = 0xd0
	OpRefIsNull    = 0xd1
	OpRefFunc      = 0xd2
	OpMisc         = 0xfc
	OpVector       = 0xfd
)

// Numbers of the instructions behind [OpMisc].
const (
	MiscMemoryInit = 8
	MiscDataDrop   = 9
	MiscMemoryCopy = 10
	MiscMemoryFill = 11
	MiscTableInit  = 12
	MiscElemDrop   = 13
	MiscTableCopy  = 14
	MiscTableGrow  = 15
	MiscTableSize  = 16
	MiscTableFill  = 17
)

// NoResult is the type of a block that has none.
const NoResult = 0x40
