// Package capture holds what was seen on the wire, the Exchange, and the
// Recorder, which decides what of it is kept and turns it into records. How an
// exchange is seen is the matter of the packages below it.
package capture
