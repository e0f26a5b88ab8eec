package ingest

import (
	"fmt"
	"slices"

	"harken/har"
)

// maxShrunkHeader is what is left of a header value, a URL and the like when
// leaving out the bodies was not enough.
const maxShrunkHeader = 1 << 10

// Shrink returns r if its Data has at most limit bytes, else a smaller record
// without its larger body, then without both and without WebSocket messages, then
// with long header values cut. What is left out is flagged, and its true size
// kept. It reports whether it changed the record, and fails only if the record
// cannot be decoded or limit is smaller than any record.
func Shrink(r *Record, limit int) (*Record, bool, error) {
	if len(r.Data) <= limit {
		return r, false, nil
	}
	var e har.Entry
	if err := r.DecodeEntry(&e); err != nil {
		return nil, false, fmt.Errorf("shrink record: %w", err)
	}
	if e.Harken == nil {
		e.Harken = &har.Meta{Source: r.Source, Account: r.Account, Direction: r.Direction, Collection: r.Collection}
	}
	small := *r
	steps := []func(*har.Entry) Flags{dropResponse, dropRequest, cutHeaders}
	if p := e.Request.PostData; p != nil && len(p.Body) > len(e.Response.Content.Body)+messageBytes(&e) {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		small.Flags |= step(&e)
		e.Harken.Flags = mergeTexts(e.Harken.Flags, small.Flags)
		if r.Form == FormAkto {
			small.Data = new(aktoWriter).record(nil, &small, &e)
		} else {
			small.Data = har.AppendEntry(nil, &e)
		}
		if len(small.Data) <= limit {
			return &small, true, nil
		}
	}
	return nil, false, fmt.Errorf("shrink record: %d bytes without its bodies, limit %d", len(small.Data), limit)
}

func messageBytes(e *har.Entry) (n int) {
	for _, m := range e.WebSocketMessages {
		n += len(m.Data)
	}
	return n
}

func dropResponse(e *har.Entry) Flags {
	c := &e.Response.Content
	if len(c.Body) == 0 && len(e.WebSocketMessages) == 0 {
		return 0
	}
	c.Size = max(c.Size, int64(len(c.Body)))
	e.Harken.ResponseBytes = max(e.Harken.ResponseBytes, c.Size)
	c.Body, e.WebSocketMessages = nil, nil
	return ResponseTruncated
}

func dropRequest(e *har.Entry) Flags {
	p := e.Request.PostData
	if p == nil || len(p.Body) == 0 && len(p.Params) == 0 {
		return 0
	}
	e.Harken.RequestBytes = max(e.Harken.RequestBytes, int64(len(p.Body)))
	e.Request.PostData = &har.PostData{MimeType: p.MimeType}
	return RequestTruncated
}

// cutHeaders is for records that are huge without any body. Cookies and the query
// stand in the headers and the URL too.
func cutHeaders(e *har.Entry) Flags {
	cut := func(s *string) {
		if len(*s) > maxShrunkHeader {
			*s = (*s)[:maxShrunkHeader]
		}
	}
	e.Request.Cookies, e.Response.Cookies, e.Request.QueryString = nil, nil, nil
	for _, hs := range [...][]har.Header{e.Request.Headers, e.Response.Headers} {
		for i := range hs {
			cut(&hs[i].Name)
			cut(&hs[i].Value)
		}
	}
	for _, s := range [...]*string{
		&e.Request.URL, &e.Request.Method, &e.Response.StatusText, &e.Response.RedirectURL, &e.Response.Content.MimeType, &e.Comment, &e.Harken.Error,
	} {
		cut(s)
	}
	const most = 200 // fields of one side; servers refuse more
	e.Request.Headers = e.Request.Headers[:min(len(e.Request.Headers), most)]
	e.Response.Headers = e.Response.Headers[:min(len(e.Response.Headers), most)]
	return RequestTruncated | ResponseTruncated
}

// mergeTexts keeps texts that this version does not know.
func mergeTexts(texts []string, f Flags) []string {
	for _, t := range f.Texts() {
		if !slices.Contains(texts, t) {
			texts = append(texts, t)
		}
	}
	return texts
}
