package e2e

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
	"b24export/cmd/export/e2e/internal/table"
	"b24export/sinks"
)

// Some gateways answer a copy with 200 and only the preamble of the XML, and do not
// copy. AWS sends the preamble early so that the connection stays open during a long
// copy. Its client accepts that as success. The current table must
// nevertheless be the new one.
func TestCopyThatDoesNothing(t *testing.T) {
	s := servers.StartS3(t)
	for _, tt := range []struct {
		name string
		lies int64 // the number of copies that do nothing
	}{
		{"once", 1},
		{"always", 1 << 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bucket := "copies-" + tt.name
			s.Bucket(t, bucket)
			proxy := countS3(t, s.Addr)
			var copies atomic.Int64
			proxy.answer = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("X-Amz-Copy-Source") == "" || copies.Add(1) > tt.lies {
					return false
				}
				w.Header().Set("Content-Type", "application/xml")
				_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`)
				return true
			}
			portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 2000, AllowRegets: true, Strict: t})
			url := s.URL(bucket, proxy.addr)
			j := newJob(serve(t, portal, portal), url).with("sink", "compression", "none")
			for run := range 2 {
				o := runJob(t, s.Env(), j.write(t), 0)
				if !bytes.Contains(o.Process.Stderr, []byte("the store has not copied an object, though it says so")) && (run == 0 || tt.lies > 1) {
					t.Errorf("run %d prints no warning:\n%s", run, o.Process.Stderr)
				}
				setEnv(t, s.Env())
				store, err := sinks.OpenStore(t.Context(), url, nil)
				if err != nil {
					t.Fatal(err)
				}
				data, err := store.Read(t.Context(), currentTable)
				store.Close()
				if err != nil {
					t.Fatal(err)
				}
				if diff := table.Diff(table.OpenDuckDB(t).Payments(t, tempFile(t, data)), truth(portal)); diff != "" {
					t.Errorf("run %d: the table differs from the portal:\n%s", run, diff)
				}
				portal.Mutate(100, 1)
			}
			if copies.Load() < 2 {
				t.Errorf("%d copies", copies.Load())
			}
		})
	}
}
