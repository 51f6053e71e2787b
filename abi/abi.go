// Package abi is the contract between the host and a guest module: which
// functions cross the boundary, with which names and signatures, how bytes
// cross it, and the shape of the manifest in which a module declares its task
// definitions. Both sides compile this package, and a test holds the guest
// SDK's import directives and the host's registrations to the tables here.
// docs/abi.md is the same contract written for someone who brings another
// language.
//
// # Rules
//
// Everything is pulled and pushed through host functions. A guest asks for a
// value's length, makes room for it wherever its language likes, and asks for
// the bytes; it pushes results, errors and log lines from its own memory. So a
// guest exports no allocator, the host never writes where the guest did not
// ask, and nothing about an execution passes through environment, arguments,
// files or initialisation: the state after initialisation can be kept and
// reused for every execution.
//
// Pointers and lengths are unsigned 32-bit offsets into the guest's exported
// memory, named "memory". Lengths are bytes, times are milliseconds, text is
// UTF-8. A pointer with length zero is not looked at.
//
// # Compatibility
//
// The version is in the name of the import module. A change that an existing
// guest could notice gets a new name, and a host keeps serving the old one.
// New functions, value keys and number keys are not such a change: a guest
// that asks an older host for a key it does not know is answered [Absent]. A
// field of the manifest that is new is refused by an older host.
package abi

// Version is the number of the contract, as it stands in [Module].
const Version = 1

// Module is the name of the import module that every host function is in.
const Module = "taskhost_v1"

// Names of what a guest exports.
const (
	// ExportMemory is the guest's linear memory.
	ExportMemory = "memory"
	// ExportInitialize is called once, before anything else, where it exists:
	// the start function of a WASI reactor.
	ExportInitialize = "_initialize"
	// ExportDescribe pushes the module's [Manifest] with the output function.
	ExportDescribe = "taskhost_describe"
	// ExportRun runs the definition whose index in the manifest it is given.
	ExportRun = "taskhost_run"
)

// What [ExportRun] returns. Any other value counts as RunFailed.
const (
	// RunDone says that the task succeeded. Its result is what was pushed
	// last with the output function, or nothing. What fail was told is
	// forgotten.
	RunDone = 0
	// RunFailed says that the task failed, as told by the fail function. What
	// was pushed with output is dropped.
	RunFailed = 1
)

// Keys of the values that value_len and value_read pull.
const (
	// ValueInput is the task's arguments.
	ValueInput = 0
	// ValueInputType is the content type of the arguments, such as
	// "application/json".
	ValueInputType = 1
	// ValueTaskID is the id of the task in its text form, 36 characters.
	ValueTaskID = 2
	// ValueTaskName is the name of the definition that the task is of.
	ValueTaskName = 3
	// ValueTags is the task's tags: key, NUL, value, NUL, and so on, sorted by
	// key. Each key and each value ends with a NUL, the last one too, and holds
	// none.
	ValueTags = 4
)

// Keys of the numbers that the number function pulls.
const (
	// NumberAttempt counts from 0: 0 is the first attempt, 1 the first retry.
	NumberAttempt = 0
	// NumberMaxAttempts is how many attempts the task has in all.
	NumberMaxAttempts = 1
	// NumberDeadline is when the attempt will be stopped, in milliseconds
	// since 1970-01-01 UTC.
	NumberDeadline = 2
)

// Absent is the answer for a value or number that the host does not know.
const Absent = -1

// Log levels.
const (
	LevelDebug = 0
	LevelInfo  = 1
	LevelWarn  = 2
	LevelError = 3
)

// Kinds of failure that the fail function takes.
const (
	// Retryable says that another attempt may succeed.
	Retryable = 0
	// Permanent says that no further attempt should be made.
	Permanent = 1
)

// ContentJSON is the content type that a value has when none is named.
const ContentJSON = "application/json"
