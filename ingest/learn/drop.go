package learn

import (
	"strings"

	"harken/har"
	"harken/ingest"
	"harken/ingest/learn/filter"
	"harken/inventory"
	"harken/inventory/pathtmpl"
)

// A dropKey says which rule dropped records of which host.
type dropKey struct{ rule, host string }

// A drop is what an aggregate knows of dropped records.
type drop struct {
	count, last int64
	at          int64 // of the example
	example     []byte
}

// drop counts a record that is not learned. e is nil if it could not be decoded.
func (l *Learner) drop(account int32, cfg *accountConfig, r *ingest.Record, e *har.Entry, reason string) {
	l.metrics.dropped.WithLabelValues(reason).Inc()
	part := l.now.account(account)
	part.dropped[reason]++
	host := r.Host
	if host == "" && e != nil {
		_, authority := origin(e.Request.URL)
		host = strings.ToLower(strings.TrimSpace(hostOf(e, authority)))
	}
	if len(host) > filter.MaxHost {
		host = filter.SpecialHost
	}
	k := dropKey{reason, host}
	d := part.drops[k]
	if d == nil {
		if len(part.drops) >= inventory.MaxDrops {
			k.host, host = "", ""
			d = part.drops[k]
		}
		if d == nil {
			d = &drop{}
			k.host = strings.Clone(host)
			part.drops[k] = d
			l.now.bytes += endpointBytes
		}
	}
	d.count++
	at := l.timeOf(r, e)
	if d.last = max(d.last, at); d.example != nil && at <= d.at {
		return
	}
	if data := l.example(cfg, r, e, d.example); data != nil {
		l.now.bytes += int64(len(data) - len(d.example))
		d.example, d.at = data, at
		part.redactedBy(cfg)
	}
}

// example gives the bytes of a dropped record to keep, in old if it fits: the
// record as it came if nothing has to be changed; nil if it cannot be shown.
func (l *Learner) example(cfg *accountConfig, r *ingest.Record, e *har.Entry, old []byte) []byte {
	if cfg == nil {
		return nil
	}
	all := cfg.redacts(r, e)
	if !all && cfg.typed == nil && len(r.Data) <= inventory.MaxExample {
		return append(old[:0], r.Data...)
	}
	if e == nil {
		return nil
	}
	if all {
		// Which segments of its path are values is only known of what was learned.
		template, _ := pathtmpl.Parameterize(pathtmpl.Normalize(e.Request.URL), pathtmpl.Options{Versions: true, Semantic: cfg.detector.HasType})
		cfg.all.Entry(e, template)
	} else if cfg.typed != nil {
		cfg.typed.Entry(e, "")
	}
	data := har.AppendEntry(old[:0], e)
	if len(data) <= inventory.MaxExample {
		return data
	}
	e.Response.Content.Body, e.WebSocketMessages = nil, nil
	if data = har.AppendEntry(data[:0], e); len(data) <= inventory.MaxExample {
		return data
	}
	e.Request.PostData = nil
	if data = har.AppendEntry(data[:0], e); len(data) <= inventory.MaxExample {
		return data
	}
	return nil
}

// redacts reports whether nothing of a dropped record may be kept in the clear. e
// is nil if it could not be decoded.
func (c *accountConfig) redacts(r *ingest.Record, e *har.Entry) bool {
	switch {
	case c.settings.Redacts(r.Source):
		return true
	case len(c.redactedIDs) == 0:
		return false
	case e == nil:
		return true // it may belong to any
	}
	scheme, authority := origin(e.Request.URL)
	host, id := c.place(r, e, scheme, authority)
	if host != "" {
		return c.redactedHosts[host]
	}
	return c.redactedIDs[id]
}

// timeOf is the time of a record in Unix seconds.
func (l *Learner) timeOf(r *ingest.Record, e *har.Entry) int64 {
	switch {
	case !r.Time.IsZero():
		return r.Time.Unix()
	case e != nil && !e.Started.IsZero():
		return e.Started.Unix()
	}
	return l.cfg.Now().Unix()
}

// appendDrops appends what was dropped.
func (p *accountPart) appendDrops(dst []inventory.Drop) []inventory.Drop {
	for k, d := range p.drops {
		dst = append(dst, inventory.Drop{Rule: k.rule, Host: k.host, Count: d.count, Last: d.last, Example: d.example})
	}
	return dst
}
