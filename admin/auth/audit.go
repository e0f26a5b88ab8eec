package auth

import (
	"context"
	"strings"
	"unicode/utf8"
)

// An AuditRow says that somebody changed something.
type AuditRow struct {
	Account     int32          `json:"-"`
	Time        int64          `json:"timestamp"` // Unix seconds
	Endpoint    string         `json:"apiEndpoint"`
	Description string         `json:"actionDescription"`
	UserEmail   string         `json:"userEmail"`
	UserAgent   string         `json:"userAgent"` // class of the client
	IP          string         `json:"userIpAddress"`
	ProxyIPs    []string       `json:"userProxyIpAddresses"`
	Resource    string         `json:"resource"`
	Operation   string         `json:"operation"`
	Metadata    map[string]any `json:"metadata"`
}

// Bounds of what is kept of audit rows.
const (
	AuditDays    = 90
	MaxAuditRows = 200_000 // of one account, the newest
	maxNotes     = 32
	maxNoteText  = 256 // bytes
	maxNoteList  = 100
)

// An AuditStore keeps audit rows for AuditDays, and MaxAuditRows of an account. It
// is safe for concurrent use.
type AuditStore interface {
	// AddAudit stores a row.
	AddAudit(ctx context.Context, row AuditRow) error
	// AuditRows returns at most limit rows of an account whose time is from one to
	// another (Unix seconds, both included), newest first, after leaving out the
	// first skip, and how many there are.
	AuditRows(ctx context.Context, account int32, from, to int64, skip, limit int) (page []AuditRow, total int, err error)
}

// Note adds to the audit row of the request what it touched: ids and names. Texts
// and lists are cut to a length, and a name that speaks of a secret gets no value.
func (c *Caller) Note(name string, value any) {
	if len(c.notes) >= maxNotes {
		return
	}
	if c.notes == nil {
		c.notes = map[string]any{}
	}
	if secretName(name) {
		value = "****"
	}
	c.notes[name] = cutNote(value)
}

// Notes returns what was noted.
func (c *Caller) Notes() map[string]any { return c.notes }

func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"password", "secret", "credential", "key", "token", "authorization", "cookie"} {
		if strings.Contains(name, word) && !strings.HasSuffix(name, "id") && !strings.HasSuffix(name, "ids") && name != "keyname" && name != "tokenutility" {
			return true
		}
	}
	return false
}

func cutNote(value any) any {
	switch v := value.(type) {
	case string:
		return cutText(v)
	case []string:
		out := make([]string, 0, min(len(v), maxNoteList))
		for _, s := range v[:cap(out)] {
			out = append(out, cutText(s))
		}
		return out
	case []int64:
		return append([]int64{}, v[:min(len(v), maxNoteList)]...)
	case []int32:
		return append([]int32{}, v[:min(len(v), maxNoteList)]...)
	case bool, int, int32, int64:
		return v
	default: // what it holds is not known, so it may be anything
		return "****"
	}
}

func cutText(s string) string {
	if len(s) > maxNoteText {
		s = s[:maxNoteText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "")
	}
	return s
}
