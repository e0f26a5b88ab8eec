//go:build !race

package redact_test

const slower = 1
