package ingest_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"
	"unicode/utf8"

	"harken/ingest"
)

// What ParseRecord accepts is JSON, and what it takes as Akto's form can be
// decoded and written again without loss of what was understood.
func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(aktoExample))
	f.Add(ingest.NewRecord(entry(), time.Unix(1, 0)).Data)
	f.Add([]byte(`{"testConnectionString":"kafkaInit"}`))
	f.Add([]byte(`{"group_name":"x","vxlanId":1}`))
	f.Add([]byte(`{"a":[1e5,-0.1,"\ud83d\ude00\ud800",null,true]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ingest.ParseRecord(b)
		if err != nil {
			var m map[string]json.RawMessage
			if errors.Is(err, ingest.ErrProbe) && json.Unmarshal(b, &m) != nil {
				t.Fatal("a probe that is not JSON")
			}
			return
		}
		if !json.Valid(b) || !utf8.Valid(b) {
			t.Fatalf("accepted %q", b)
		}
		e, err := r.Entry()
		if err != nil {
			return
		}
		again := ingest.NewRecord(e, time.Unix(1, 0))
		akto, err := ingest.AppendAkto(nil, again)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]string
		if err := json.Unmarshal(akto, &m); err != nil {
			t.Fatalf("%v: %s", err, akto)
		}
	})
}

func FuzzAkto(f *testing.F) {
	f.Add("/a?b", `{"host":"x","a":"b"}`, "body", `{"content-type":"application/grpc"}`, "AAAA", "200", "200 OK")
	f.Fuzz(func(t *testing.T, path, reqHeaders, reqBody, respHeaders, respBody, code, status string) {
		in, err := json.Marshal(map[string]string{
			"path": path, "method": "GET", "requestHeaders": reqHeaders, "requestPayload": reqBody, "responseHeaders": respHeaders,
			"responsePayload": respBody, "statusCode": code, "status": status, "time": "1", "akto_account_id": "1", "source": "SDK",
		})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ingest.ParseRecord(in)
		if err != nil {
			return
		}
		first, err := r.Entry()
		if err != nil {
			return
		}
		out, err := ingest.AppendAkto(nil, ingest.NewRecord(first, time.Unix(1, 0)))
		if err != nil {
			t.Fatal(err)
		}
		back, err := ingest.ParseRecord(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		second, err := back.Entry()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if string(first.Response.Content.Body) != string(second.Response.Content.Body) || first.Response.Status != second.Response.Status {
			t.Errorf("%q -> %q", first.Response.Content.Body, second.Response.Content.Body)
		}
	})
}
