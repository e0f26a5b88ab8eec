package admin_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"harken/admin"
)

func TestOutbox(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "outbox")
	box := &admin.Outbox{Dir: dir, Now: func() time.Time { return time.Unix(0, 0) }}
	for range 2 {
		if err := box.Send(t.Context(), admin.Mail{To: "jo@example.com", Subject: "Grüße", Text: "a\nb\n"}); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatalf("outbox holds %v, %v, want two files", files, err)
	}
	path := filepath.Join(dir, files[0].Name())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || !strings.HasPrefix(info.Name(), "19700101T000000Z-") {
		t.Errorf("file is %v, %v", info, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "To: <jo@example.com>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n") || !strings.HasSuffix(string(b), "\r\n\r\na\r\nb\r\n") {
		t.Errorf("message is %q, %v", b, err)
	}
	if err := box.Send(t.Context(), admin.Mail{To: "jo@example.com>\r\nBcc: <x@example.com", Subject: "x"}); err == nil {
		t.Error("an address with a line break was taken")
	}
}
