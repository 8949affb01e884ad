package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/servers"
)

// An object stands where the sink's folder should be, which a gateway over a file system
// cannot have both. The run ends at once, not after its patience, and names what is in
// the way.
func TestObjectInTheWayOfTheFolder(t *testing.T) {
	s := servers.StartS3(t)
	url := inFolder(s.Bucket(t, "warehouse"), "exports/bitrix24")
	if err := os.WriteFile(filepath.Join(s.Dir, "warehouse", "exports"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	portal := bitrixtest.New(bitrixtest.Options{Payments: 100, AllowRegets: true, Strict: t})
	j := newJob(serve(t, portal, portal), url)
	j["patience"] = "10m" // longer than a run of the program may take here
	begun := time.Now()
	o := runJob(t, s.Env(), j.write(t), 1)
	t.Logf("it took %s", time.Since(begun))
	if o.Error == nil || !bytes.Contains([]byte(*o.Error), []byte("ObjectParentIsFile")) {
		t.Errorf("error %v, want one that names the file in the way; stderr:\n%s", *o.Error, o.Process.Stderr)
	}
}
