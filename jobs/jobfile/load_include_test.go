package jobfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInclude: portals are in the order of the job file and then of the files that it
// includes. Paths in an included file are relative to its own folder.
func TestInclude(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"job.yaml": `
include: [teams/north.yaml, "${SOUTH}"]   # above the job's own portals, and yet behind them
version: 1
name: payments
sink: {url: /data}
portals:
  - webhook: ${B24_WEBHOOK}
`,
		"teams/north.yaml": `
portals:
  - webhook: ${file:../secrets/north}
    limits: {rate: 1}
  - name: oslo
    oauth:
      portal: https://oslo.bitrix24.com
      client_id: ${B24_CLIENT_ID}
      client_secret: ${B24_CLIENT_SECRET}
      tokens: oslo.json
`,
		"secrets/north": "https://north.bitrix24.com/rest/1/" + marked + "/\n",
		"south.yaml":    "portals:\n  - webhook: https://south.bitrix24.com/rest/1/" + marked + "/\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lookup := func(name string) (string, bool) {
		if name == "SOUTH" {
			return filepath.Join(dir, "south.yaml"), true
		}
		return environment(name)
	}
	spec, err := LoadWith(filepath.Join(dir, "job.yaml"), lookup, map[string]string{"plan": "enterprise", "share": "0.5"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range spec.Portals {
		p := &spec.Portals[i]
		if p.Plan != PlanEnterprise || p.Limits.Share != 0.5 {
			t.Errorf("%s: plan %s, share %g: flags go for every portal", p.Name, p.Plan, p.Limits.Share)
		}
		got = append(got, p.Name)
	}
	if diff := cmp.Diff([]string{"acme", "north", "oslo", "south"}, got); diff != "" {
		t.Errorf("portals (-want +got):\n%s", diff)
	}
	if want := "https://north.bitrix24.com/rest/1/" + marked + "/"; spec.Portals[1].Webhook.Reveal() != want || *spec.Portals[1].Limits.Rate != 1 {
		t.Errorf("north: %+v", spec.Portals[1])
	}
	if got, want := spec.Portals[2].OAuth.Tokens.Reveal(), filepath.Join(dir, "teams", "oslo.json"); got != want {
		t.Errorf("tokens of oslo in %s, want %s", got, want)
	}
}
