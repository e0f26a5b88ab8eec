// Package importer is the contract of what turns documents of other tools into
// entries: HAR files, OpenAPI and Postman documents and more, one package below
// it for each. It holds no format itself, and an importer sets neither account
// nor collection nor source: its caller does.
package importer

import (
	"context"
	"io"
	"strconv"

	"harken/har"
)

// A Yield takes one operation of a document. The entry is nil if the operation
// cannot be imported; then a problem is fatal. The entry and its bytes belong to
// the callee. An error ends the import, and Parse returns it as it is.
type Yield func(e *har.Entry, ps []Problem) error

// A Parse reads one document from r and yields its operations in their order, as
// it reads. It stops with ctx.Err() once ctx is done. An error that says that the
// document itself cannot be read is a fault.Error for the caller of the API;
// operations that were yielded before it count.
type Parse func(ctx context.Context, r io.Reader, yield Yield) error

// A Problem is what is wrong with one operation of a document, or with the
// document.
type Problem struct {
	Operation string // its name in the document: "entry 3", "GET /users"; empty for the document
	Index     int    // 1-based position of the operation; 0 for the document
	Msg       string // a sentence for the user, without the operation's name
	Fatal     bool   // the operation is not imported
}

// String returns the problem as the line that the API shows: "Error in entry 3:
// request.url is missing".
func (p Problem) String() string {
	name := p.Operation
	if name == "" && p.Index > 0 {
		name = "operation " + strconv.Itoa(p.Index)
	}
	switch {
	case name == "":
		return p.Msg
	case p.Fatal:
		return "Error in " + name + ": " + p.Msg
	default:
		return "In " + name + ": " + p.Msg
	}
}

// Fatal reports whether any of the problems is.
func Fatal(ps []Problem) bool {
	for i := range ps {
		if ps[i].Fatal {
			return true
		}
	}
	return false
}
