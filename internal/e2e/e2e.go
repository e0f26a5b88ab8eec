// Package e2e tests the two real binaries as a user would use them: with curl,
// newman, Node, Python and Go clients, a real Kafka, kill -9 and hostile input.
// It has its own module so that its peers are not the project's dependencies.
package e2e
