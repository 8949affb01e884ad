package sinks

import "testing"

func TestFilePath(t *testing.T) {
	for _, tt := range []struct{ path, unix, windows string }{
		{"/srv/data", "/srv/data", "/srv/data"},
		{"/C:/data/b24", "/C:/data/b24", "C:/data/b24"},
		{"/c:", "/c:", "c:"},
		{"/C:data", "/C:data", "/C:data"},
		{"/CC:/data", "/CC:/data", "/CC:/data"},
		{"/1:/data", "/1:/data", "/1:/data"},
		{"/", "/", "/"},
		{"", "", ""},
	} {
		if got := filePath(tt.path, false); got != tt.unix {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.unix)
		}
		if got := filePath(tt.path, true); got != tt.windows {
			t.Errorf("%s on Windows: got %s, want %s", tt.path, got, tt.windows)
		}
	}
}
