//go:build race

package datatype_test

// The race detector makes one goroutine twenty times slower and finds nothing in it.
const clean, plantedEach = 5_000, 100
