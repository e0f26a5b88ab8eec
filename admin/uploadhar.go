package admin

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"harken/admin/auth"
	"harken/har"
	"harken/ingest"
	"harken/ingest/importer"
	"harken/ingest/importer/harfile"
	"harken/inventory"
	"harken/inventory/fault"
)

// learnWait is how long skipKafka=true waits for the learner.
const learnWait = 60 * time.Second

// maxLines bounds harErrors: a file in which every entry is broken is told once,
// not a million times.
const maxLines = 1000

type uploadHARRequest struct {
	HARString         Document `json:"harString"`
	HSFile            Document `json:"hsFile"`
	Content           Document `json:"content"`
	SkipKafka         Bool     `json:"skipKafka"`
	APICollectionID   Int      `json:"apiCollectionId"`
	APICollectionName string   `json:"apiCollectionName"`
}

type uploadHARResponse struct {
	HARErrors       []string `json:"harErrors"`
	SkipKafka       bool     `json:"skipKafka"`
	APICollectionID int32    `json:"apiCollectionId"`
}

// uploadHAR learns the traffic of a HAR into a collection by id, or into one by
// name, which is made when there is none.
func (a *API) uploadHAR(ctx context.Context, c *auth.Caller, in uploadHARRequest) (uploadHARResponse, error) {
	out := uploadHARResponse{HARErrors: []string{}, SkipKafka: in.SkipKafka.B}
	text := cmp.Or(in.HARString, in.HSFile, in.Content)
	col, err := a.harTarget(ctx, c, &in, text)
	if err != nil {
		return out, err
	}
	out.APICollectionID = col.ID
	h := &harImport{api: a, caller: c, collection: col.ID, source: "HAR"}
	if c.Key != nil && c.Key.Utility == auth.Burp {
		h.source = "BURP"
		if err := a.cfg.Users.StampData(ctx, c.Account, c.User.ID, a.cfg.Now().Unix()); err != nil {
			return out, err
		}
	}
	if err := a.keep(ctx, c, &col, inventory.FileHAR, string(text)); err != nil {
		return out, err
	}
	err = harfile.Parse(ctx, strings.NewReader(string(text)), func(e *har.Entry, problems []importer.Problem) error {
		return h.take(ctx, e, problems)
	})
	if kind, msg := fault.Of(err); err != nil && kind == fault.Malformed {
		// The document ends here; what was before it counts.
		h.line(msg)
		err = nil
	}
	if err == nil {
		err = h.flush(ctx)
	}
	if err != nil {
		return out, err
	}
	if in.SkipKafka.B && a.cfg.Learned != nil {
		if err := a.awaitLearned(ctx, h); err != nil {
			return out, err
		}
	}
	out.HARErrors = h.report()
	return out, nil
}

// keep stores a document as it was uploaded, unless it is for a collection in which
// nothing may be kept in the clear.
func (a *API) keep(ctx context.Context, c *auth.Caller, col *inventory.Collection, kind, text string) error {
	if col.Redact {
		return nil
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, err := c.Store.PutFile(ctx, inventory.StoredFile{Type: kind, Uploaded: a.cfg.Now().Unix(), Collection: col.ID, Data: z.Bytes()})
	return err
}

// harTarget finds or makes the collection of an upload. A name that is new makes
// one only when nothing else is wrong with the request.
func (a *API) harTarget(ctx context.Context, c *auth.Caller, in *uploadHARRequest, text Document) (inventory.Collection, error) {
	var col inventory.Collection
	var err error
	found := true
	switch {
	case in.APICollectionName != "":
		col, found, err = byName(ctx, c, in.APICollectionName)
	case in.APICollectionID.Set:
		col, err = findCollection(ctx, c, "apiCollectionId", in.APICollectionID.N)
	default:
		err = fault.New(fault.Invalid, "apiCollectionId: is required, or apiCollectionName")
	}
	if err != nil {
		return col, err
	}
	switch {
	case col.HostName != "":
		return col, fault.New(fault.Invalid, "the collection %s is of live traffic and takes no uploads", col.DisplayName())
	case col.Deactivated:
		return col, fault.New(fault.Invalid, "the collection %s is deactivated", col.DisplayName())
	case a.cfg.Sink == nil:
		return col, fault.New(fault.Invalid, "no record log is configured, so nothing can be taken in")
	case col.Type == inventory.TypeGroup:
		return col, fault.New(fault.Invalid, "the collection %s is a group and takes no uploads", col.DisplayName())
	case strings.TrimSpace(string(text)) == "":
		return col, fault.New(fault.Invalid, "harString: is required, or hsFile")
	case int64(len(text)) > a.cfg.MaxHAR:
		return col, fault.New(fault.Invalid, "harString: is larger than %d bytes", a.cfg.MaxHAR)
	}
	if !found {
		return a.addCollection(ctx, c, in.APICollectionName, nil)
	}
	return col, nil
}

// byName returns the collection with a display name, in any letter case.
func byName(ctx context.Context, c *auth.Caller, name string) (inventory.Collection, bool, error) {
	all, err := c.Store.Collections(ctx)
	if err != nil {
		return inventory.Collection{}, false, err
	}
	for i := range all {
		if strings.EqualFold(all[i].DisplayName(), name) {
			return all[i], true, nil
		}
	}
	_, err = inventory.NewCollection(name)
	return inventory.Collection{}, false, err
}

// awaitLearned waits until what was put is in the inventory, and says so when
// that takes too long.
func (a *API) awaitLearned(ctx context.Context, h *harImport) error {
	wait, cancel := context.WithTimeout(ctx, learnWait)
	defer cancel()
	err := a.cfg.Learned(wait)
	if err != nil && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		h.line("learning goes on: it took longer than " + strconv.Itoa(int(learnWait.Seconds())) + " s")
		return nil
	}
	return err
}

// A harImport turns entries into records for one collection.
type harImport struct {
	api        *API
	caller     *auth.Caller
	collection int32
	source     string
	batch      []*ingest.Record
	at         []int // number of the entry of each record in batch
	bytes      int
	lines      []string
	more       int // lines beyond maxLines
	n          int // entries taken or refused
}

func (h *harImport) line(s string) {
	if len(h.lines) == maxLines {
		h.more++
		return
	}
	h.lines = append(h.lines, s)
}

func (h *harImport) report() []string {
	if h.more > 0 {
		return append(h.lines, fmt.Sprintf("%d more lines like these", h.more))
	}
	return orEmpty(h.lines)
}

// take is called by the parser for each entry.
func (h *harImport) take(ctx context.Context, e *har.Entry, problems []importer.Problem) error {
	h.n++
	for _, p := range problems {
		h.line(p.String())
	}
	if e == nil {
		return nil
	}
	rec := h.record(e)
	if size := len(rec.Data); size > h.api.cfg.MaxRecord {
		h.line(fmt.Sprintf("entry %d: record too large, size %d: bodies left out", h.n, size))
		dropBodies(e)
		rec = h.record(e)
	}
	h.batch, h.at = append(h.batch, rec), append(h.at, h.n)
	// Whole batches are dear in memory when entries are large.
	if h.bytes += len(rec.Data); len(h.batch) == putBatch || h.bytes > 4<<20 {
		return h.flush(ctx)
	}
	return nil
}

func (h *harImport) flush(ctx context.Context) error {
	rejected, err := h.api.put(ctx, h.batch)
	for _, r := range rejected {
		h.line(fmt.Sprintf("entry %d: %s", h.at[r.Index], r.Reason))
	}
	h.batch, h.at, h.bytes = h.batch[:0], h.at[:0], 0
	return err
}

// record encodes an entry as ours: whatever it says of itself, it is an upload
// into this collection of this account, and a new record.
func (h *harImport) record(e *har.Entry) *ingest.Record {
	now := h.api.cfg.Now()
	if e.Started.IsZero() {
		e.Started = now
	}
	if e.Harken == nil {
		e.Harken = &har.Meta{}
	}
	m := e.Harken
	m.ID, m.Account, m.Collection, m.Source = "", strconv.Itoa(int(h.caller.Account)), h.collection, h.source
	m.Direction = cmp.Or(m.Direction, "1")
	return ingest.NewRecord(e, now)
}

// dropBodies cuts both bodies of an entry and says so in its flags.
func dropBodies(e *har.Entry) {
	m := e.Harken
	if p := e.Request.PostData; p != nil && len(p.Body) > 0 {
		m.RequestBytes = max(m.RequestBytes, int64(len(p.Body)))
		p.Body, p.Params = nil, nil
		m.Flags = append(m.Flags, har.FlagRequestTruncated)
	}
	if n := len(e.Response.Content.Body); n > 0 {
		m.ResponseBytes = max(m.ResponseBytes, int64(n))
		e.Response.Content.Body = nil
		m.Flags = append(m.Flags, har.FlagResponseTruncated)
	}
	e.WebSocketMessages = nil
}
