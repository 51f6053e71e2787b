// Package tests drives the built system from outside: the command taskhost as a
// process, over HTTP and through its files, with the example guests. What it
// builds, it builds once, at the first test that asks for it.
//
// The tests read nothing of the program but what a user can see: answers, exit
// codes, the data directory, and the tables of the SQLite file. Their HTTP
// client is their own.
//
// TASKHOST_TEST_SEED and TASKHOST_TEST_ROUNDS repeat or lengthen the tests that
// are random. Each prints its seed.
package tests
