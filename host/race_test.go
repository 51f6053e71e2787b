//go:build race

package host_test

// soakEach is how many executions each worker does by each method.
const soakEach = 150
