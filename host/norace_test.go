//go:build !race

package host_test

// soakEach is how many executions each worker does by each method: in all more than
// ten thousand.
const soakEach = 1000
