package jobfile

import "testing"

func TestTypedName(t *testing.T) {
	for name, want := range map[string]bool{
		"12": true, "012": true, "1e3": true, "nan": true, "inf": true, "infinity": true, "0": true,
		"true": true, "false": true, "2024-01-01": true, "2024": true,
		"acme": false, "b24-example-org": false, "12-13": false, "2024-01-01-a": false, "no": false, "1-2-3-4": false,
	} {
		if got := TypedName(name); got != want {
			t.Errorf("TypedName(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestProfileChoosesCompression: profile compatible has a default of its own.
func TestProfileChoosesCompression(t *testing.T) {
	for _, tt := range []struct {
		sink string
		want Compression
	}{
		{"url: /data", Zstd},
		{"url: /data, profile: compatible", Snappy},
		{"url: /data, profile: compatible, compression: none", Uncompressed},
		{"url: /data, profile: standard, compression: snappy", Snappy},
	} {
		job := "version: 1\nname: payments\nportals: [{webhook: \"${B24_WEBHOOK}\"}]\nsink: {" + tt.sink + "}\n"
		spec, err := parse("job.yaml", []byte(job), environment, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if spec.Sink.Compression != tt.want {
			t.Errorf("%s: compression %s, want %s", tt.sink, spec.Sink.Compression, tt.want)
		}
	}
}
