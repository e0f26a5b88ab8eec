package sqlite

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"harken/inventory"
)

func TestPackedSample(t *testing.T) {
	random := make([]byte, 3000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var all []byte
	for _, data := range [][]byte{{}, {packVersion}, []byte("r1"), entryText, bytes.Repeat(entryText, 100), random} {
		n := len(all)
		all = appendPacked(all, data)
		got, err := unpacked(all[n:])
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes are packed as %d and read as %d, %v", len(data), len(all)-n, len(got), err)
		}
	}
	packed := appendPacked(nil, entryText[:2000])
	if len(packed) > 100 {
		t.Errorf("2,000 bytes of the dictionary are packed as %d", len(packed))
	}
	for n := 1; n < len(packed); n++ {
		if _, err := unpacked(packed[:n]); err == nil {
			t.Errorf("the first %d bytes are a sample", n)
		}
	}
}

// TestDictionaryIsKept fails when the dictionary of a version changes: what was packed
// with it could not be read any more.
func TestDictionaryIsKept(t *testing.T) {
	const want = "da052fac8744c644864919174af7ac549fa198c17f47539d78f61b80030557b2"
	if got := sha256.Sum256(entryText); hex.EncodeToString(got[:]) != want {
		t.Errorf("the dictionary is another one: %x", got)
	}
	stored, err := hex.DecodeString("0131661b0558322d30335430343a30353a30362e3030303030305a227d")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := unpacked(stored); err != nil || string(got) != `{"startedDateTime":"2026-02-03T04:05:06.000000Z"}` {
		t.Errorf("a stored sample is read as %q, %v", got, err)
	}
}

// TestSamplesStoredBefore has samples that were stored before they were packed: they
// are read, kept beside new ones, and kept for their sensitive parameters.
func TestSamplesStoredBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h.db")
	db, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	k := inventory.EndpointKey{URL: "/a", Method: "GET"}
	key := inventory.ParamKey{ResponseCode: 200, Name: "mail", Type: "EMAIL"}
	add := func(datas ...string) {
		t.Helper()
		u := &inventory.AccountUpdate{Endpoints: []inventory.Endpoint{{EndpointKey: k, Count: 1}}}
		for _, d := range datas {
			s := inventory.Sample{Endpoint: k, Account: inventory.DefaultAccount, Source: "HAR", Data: []byte(d)}
			if d == `{"n":2}` {
				s.Sensitive = []inventory.ParamKey{key}
			}
			u.Samples = append(u.Samples, s)
		}
		if err := db.Apply(t.Context(), &inventory.Update{Accounts: map[int32]*inventory.AccountUpdate{inventory.DefaultAccount: u}}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string, sensitive string) {
		t.Helper()
		var got, kept string
		samples, err := db.Account(inventory.DefaultAccount).Samples(t.Context(), k)
		for i := range samples {
			got += string(samples[i].Data)
		}
		ss, serr := db.Full(inventory.DefaultAccount).SensitiveSamples(t.Context(), k)
		for i := range ss {
			kept += string(ss[i].Data)
		}
		if err != nil || serr != nil || got != want || kept != sensitive {
			t.Errorf("samples %s, %v, sensitive %s, %v; want %s and %s", got, err, kept, serr, want, sensitive)
		}
	}
	add(`{"n":1}`, `{"n":2}`)
	rewrite(t, db.w)
	check(`{"n":1}{"n":2}`, `{"n":2}`)
	add(`{"n":3}`)
	check(`{"n":1}{"n":2}{"n":3}`, `{"n":2}`)
	add(`4`, `5`, `6`, `7`, `8`, `9`, `0`, `1`, `2`)
	check(`{"n":3}456789012`, `{"n":2}`)
}

// rewrite stores all samples as they were stored before.
func rewrite(t *testing.T, w *sql.DB) {
	t.Helper()
	rows, err := w.QueryContext(t.Context(), `SELECT id, data FROM samples`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	old := map[int64][]byte{}
	for rows.Next() {
		var id int64
		var data []byte
		if err := rows.Scan(&id, &data); err != nil {
			t.Fatal(err)
		}
		if old[id], err = unpacked(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	for id, data := range old {
		if _, err := w.ExecContext(t.Context(), `UPDATE samples SET data = ? WHERE id = ?`, data, id); err != nil {
			t.Fatal(err)
		}
	}
}
