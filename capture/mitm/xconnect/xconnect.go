// Package xconnect turns on extended CONNECT (RFC 8441, WebSocket over HTTP/2)
// in net/http's HTTP/2 server, which can be done in no other way: net/http reads
// the setting http2xconnect from the environment variable GODEBUG while it is
// initialized, and it is not one of the settings that a //go:debug line may name.
//
// It works because the language initializes packages in the order of their
// import paths as soon as what they import is initialized: this package imports
// only os and strings, so it comes before net/http, which sorts after it.
// It has no other use and must import nothing that leads to net/http.
package xconnect

import (
	"os"
	"strings"
)

const variable = "GODEBUG"

// before is what the environment held, put back by Restore.
var before = enable()

type environment struct {
	value string
	set   bool
}

func enable() environment {
	value, set := os.LookupEnv(variable) //nolint:forbidigo // net/http has no other switch
	switch {
	case strings.Contains(value, "http2xconnect="):
		return environment{value, set} // the user's own choice
	case value == "":
		_ = os.Setenv(variable, "http2xconnect=1")
	default:
		_ = os.Setenv(variable, value+",http2xconnect=1")
	}
	return environment{value, set}
}

// Restore gives the environment its former value, so that child processes do
// not inherit the setting. It is to be called once net/http is initialized, and
// reports whether extended CONNECT was left to this package to turn on.
func Restore() bool {
	if before.set {
		_ = os.Setenv(variable, before.value)
	} else {
		_ = os.Unsetenv(variable)
	}
	return !strings.Contains(before.value, "http2xconnect=")
}
