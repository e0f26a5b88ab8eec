// Package archtest tests the rules of docs/architecture.md: who may import whom,
// who owns which third-party module, what the recorder may not link, and how
// large a file may grow. For the tests of the commands it writes the generated
// pages of docs. Nothing but tests imports it.
package archtest
