//go:build race

package redact_test

// slower divides the sizes of tests: the race detector makes them ten times
// slower.
const slower = 10
