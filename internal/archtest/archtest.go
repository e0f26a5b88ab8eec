// Package archtest tests the rules of docs/architecture.md: who may import whom,
// who owns which third-party module, what the recorder may not link, and how
// large a file may grow. It has no code of its own.
package archtest
