package wasi

// errno is what a function of WASI answers. The numbers are WASI's own, not
// those of any operating system.
type errno uint16

const (
	success  errno = 0
	badf     errno = 8
	fault    errno = 21
	inval    errno = 28
	ioError  errno = 29
	nosys    errno = 52
	overflow errno = 61
	spipe    errno = 70
)
