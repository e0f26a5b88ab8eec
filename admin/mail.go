package admin

import (
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"time"

	"harken/admin/auth"
)

// A Mail is a message in plain text to one person.
type Mail struct {
	To      string // address
	Subject string
	Text    string
}

// A Mailer takes messages that people need: invitations and links that reset a
// password. A nil error means that it now answers for the message. It is safe for
// concurrent use.
type Mailer interface {
	Send(ctx context.Context, m Mail) error
}

// An Outbox is a Mailer that writes each message (RFC 5322) to a file of its
// own in a folder, which it makes when it is needed: the file has mode 0600, for
// its links are secrets.
type Outbox struct {
	Dir string
	Now func() time.Time // nil is time.Now
}

var _ Mailer = (*Outbox)(nil)

// Send writes m to a new file, whose name starts with the time.
func (o *Outbox) Send(_ context.Context, m Mail) error {
	// What the accounts take must be sent: a failure would tell who exists.
	if _, err := auth.NormalizeEmail(m.To); err != nil {
		return fmt.Errorf("mail to %q: %w", m.To, err)
	}
	now := time.Now
	if o.Now != nil {
		now = o.Now
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the outbox: %w", err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Date: %s\r\nTo: <%s>\r\nSubject: %s\r\n", now().Format(time.RFC1123Z), m.To, mime.QEncoding.Encode("utf-8", m.Subject))
	text.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
	text.WriteString(strings.ReplaceAll(strings.TrimRight(m.Text, "\n"), "\n", "\r\n"))
	text.WriteString("\r\n")
	name := now().UTC().Format("20060102T150405Z") + "-" + rand.Text()[:8] + ".eml"
	f, err := os.OpenFile(filepath.Join(o.Dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write to the outbox: %w", err)
	}
	if _, err := f.WriteString(text.String()); err != nil {
		return fmt.Errorf("write to the outbox: %w (close: %w)", err, f.Close())
	}
	return f.Close()
}
