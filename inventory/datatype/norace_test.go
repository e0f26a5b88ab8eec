//go:build !race

package datatype_test

const clean, plantedEach = 100_000, 2000
