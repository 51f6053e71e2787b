// Package tests drives the built system from outside: the command taskhost as a
// process, over HTTP and through its files, with the example guests. What it
// builds, it builds once, at the first test that asks for it.
//
// The tests read nothing of the program but what a user can see: answers, exit
// codes, what it logs, the data directory, and the tables in SQLite or Postgres.
// Their HTTP client is their own.
//
// They need a Postgres server that they may make databases on, and start one more
// that they kill:
//
//	go run ./internal/pgtest/run go test ./tests
//
// TASKHOST_TEST_SEED and TASKHOST_TEST_ROUNDS repeat or lengthen the tests that
// are random, as make soak does. Each prints its seed.
package tests
