// Package harfile imports HAR files: whatever browsers, proxies and API clients
// export. It repairs what the inventory needs and leaves the rest of an entry as
// it was read.
package harfile

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"harken/har"
	"harken/ingest/importer"
	"harken/inventory/fault"
)

var _ importer.Parse = Parse

// methods are the verbs that a record may have.
var methods = []string{"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "TRACK", "CONNECT", "WS", "OTHER"}

// Parse yields the entries of a HAR document, one at a time and in constant
// memory. An entry that cannot be imported is a fatal problem "Error in entry n"
// and the import continues.
//
// The URL is taken as it stands, and request.queryString is not read for it. An
// entry without response has status 0. Header names with spaces are dropped, and
// HTTP/2 pseudo headers too, after :authority became host. A missing
// content-type is taken from mimeType. e.Harken is never nil: it keeps what a
// file of Harken says of the exchange (flags, peers, TLS), while id, account,
// collection and source are empty for the caller to set. e.Started is zero if the
// entry has no readable startedDateTime.
func Parse(ctx context.Context, r io.Reader, yield importer.Yield) error {
	rd := har.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := new(har.Entry)
		err := rd.Read(e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var ps []importer.Problem
		if err == nil {
			ps = adapt(e, rd.Index())
		} else {
			ee, ok := errors.AsType[*har.EntryError](err)
			if !ok {
				return document(err)
			}
			ps = []importer.Problem{problem(ee.Index, true, ee.Err.Error())}
		}
		if importer.Fatal(ps) {
			e = nil
		}
		if err := yield(e, ps); err != nil {
			return err
		}
	}
}

// document tells the user what is wrong with the document; errors of the reader
// are not the user's.
func document(err error) error {
	if de, ok := errors.AsType[*har.DocumentError](err); ok {
		return fault.New(fault.Malformed, "%s", de.Error())
	}
	return err
}

func problem(index int, fatal bool, msg string) importer.Problem {
	return importer.Problem{Operation: "entry " + strconv.Itoa(index), Index: index, Msg: msg, Fatal: fatal}
}

// adapt makes an entry fit for the inventory. Of one that cannot be, it returns one
// problem.
func adapt(e *har.Entry, index int) []importer.Problem {
	req, resp := &e.Request, &e.Response
	var bad []string
	switch method := strings.ToUpper(req.Method); {
	case method == "":
		bad = append(bad, "request.method is missing")
	case !slices.Contains(methods, method):
		bad = append(bad, "request.method "+strconv.Quote(clip(req.Method))+" is not a known method")
	default:
		req.Method = method
	}
	req.URL, _, _ = strings.Cut(req.URL, "#")
	if strings.TrimSpace(req.URL) == "" {
		bad = append(bad, "request.url is missing")
	}
	if len(bad) > 0 {
		return []importer.Problem{problem(index, true, strings.Join(bad, ", "))} // one line for an entry
	}

	var ps []importer.Problem
	var dropped []string
	req.Headers, dropped = headers(req.Headers, dropped)
	resp.Headers, dropped = headers(resp.Headers, dropped)
	for _, name := range dropped {
		ps = append(ps, problem(index, false, "the header "+strconv.Quote(clip(name))+" is left out, as its name is empty or has a space"))
	}
	if p := req.PostData; p != nil {
		req.Headers = contentType(req.Headers, p.MimeType)
	}
	resp.Headers = contentType(resp.Headers, resp.Content.MimeType)

	e.ServerIPAddress = strings.TrimSpace(e.ServerIPAddress)
	if h, ok := strings.CutPrefix(e.ServerIPAddress, "["); ok { // Chrome's form of IPv6
		e.ServerIPAddress = strings.TrimSuffix(h, "]")
	}
	adoptMeta(e)
	if slices.Contains(e.Harken.Flags, har.FlagUndecoded) && e.Harken.Error != "" {
		ps = append(ps, problem(index, false, e.Harken.Error))
	}
	return ps
}

// adoptMeta keeps what the file says of the exchange, and not what it says of
// whom the record belongs to: anybody can write that into a file.
func adoptMeta(e *har.Entry) {
	if e.Harken == nil {
		e.Harken = new(har.Meta)
	}
	m := e.Harken
	m.ID, m.Account, m.Collection, m.Source = "", "", 0, ""
}

// headers returns hs without pseudo headers and without names that are empty or
// have a space, and appends the latter to dropped.
func headers(hs []har.Header, dropped []string) ([]har.Header, []string) {
	_, hasHost := har.HeaderValue(hs, "host")
	out := hs[:0]
	for _, h := range hs {
		switch {
		case h.Name == ":authority":
			if !hasHost {
				out = append(out, har.Header{Name: "host", Value: h.Value})
			}
		case strings.HasPrefix(h.Name, ":"):
		case h.Name == "", strings.Contains(h.Name, " "):
			dropped = append(dropped, h.Name)
		default:
			out = append(out, h)
		}
	}
	return out, dropped
}

// contentType adds the header where only mimeType tells it. "x-unknown" is what
// Chrome writes when it does not know.
func contentType(hs []har.Header, mimeType string) []har.Header {
	if mimeType == "" || mimeType == "x-unknown" {
		return hs
	}
	if _, ok := har.HeaderValue(hs, "content-type"); ok {
		return hs
	}
	return append(hs, har.Header{Name: "content-type", Value: mimeType})
}

func clip(s string) string {
	if len(s) > 64 {
		return s[:64] + "..."
	}
	return s
}
