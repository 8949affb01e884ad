package e2e

import (
	"bytes"
	"strconv"
	"testing"

	"b24export/bitrix/bitrixtest"
	"b24export/cmd/export/e2e/internal/procs"
	"b24export/cmd/export/e2e/internal/servers"
)

// TestNetworkFaults puts a bad network between the program and the bucket. A run
// publishes a complete and exact table, or ends with saved work. Then the next run
// succeeds once the network is good.
func TestNetworkFaults(t *testing.T) {
	tests := []struct {
		name   string
		toxics []servers.Toxic
	}{
		{"latency", []servers.Toxic{
			{Type: "latency", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"latency": 40, "jitter": 40}},
		}},
		{"resets of requests", []servers.Toxic{
			{Type: "reset_peer", Stream: "upstream", Toxicity: 0.15, Attributes: map[string]int{"timeout": 30}},
		}},
		{"resets of answers", []servers.Toxic{
			{Type: "reset_peer", Stream: "downstream", Toxicity: 0.15, Attributes: map[string]int{"timeout": 30}},
		}},
		{"cut uploads", []servers.Toxic{
			{Type: "limit_data", Stream: "upstream", Toxicity: 0.25, Attributes: map[string]int{"bytes": 20_000}},
		}},
		{"cut downloads", []servers.Toxic{
			{Type: "limit_data", Stream: "downstream", Toxicity: 0.25, Attributes: map[string]int{"bytes": 20_000}},
		}},
		{"lost answers", []servers.Toxic{
			{Type: "timeout", Stream: "downstream", Toxicity: 0.15, Attributes: map[string]int{"timeout": 100}},
		}},
		{"lost requests", []servers.Toxic{
			{Type: "timeout", Stream: "upstream", Toxicity: 0.15, Attributes: map[string]int{"timeout": 100}},
		}},
		{"slow", []servers.Toxic{
			{Type: "bandwidth", Stream: "upstream", Toxicity: 1, Attributes: map[string]int{"rate": 400}},
			{Type: "slicer", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"average_size": 500, "size_variation": 200, "delay": 10}},
		}},
		{"every answer lost", []servers.Toxic{
			{Type: "timeout", Stream: "downstream", Toxicity: 1, Attributes: map[string]int{"timeout": 100}},
		}},
	}
	gateway := servers.StartS3(t)
	setEnv(t, gateway.Env())
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			bucket := "warehouse" + strconv.Itoa(i)
			p := newBucket(t, gateway, bucket)
			proxy := servers.StartProxy(t, gateway.Addr)
			for n, toxic := range tt.toxics {
				toxic.Name = strconv.Itoa(n)
				proxy.Add(t, toxic)
			}
			portal := bitrixtest.New(bitrixtest.Options{Seed: uint64(i), Payments: 3000, AllowRegets: true, Strict: t})
			j := newJob(serve(t, portal, portal), gateway.URL(bucket, proxy.Addr)).
				with("checkpoint", "rows", 800)
			j["patience"] = "5s"
			throughIn(t, p, portal, proxy, j.write(t))
		})
	}
}

// TestOutage takes the bucket away in the middle of a run, for longer than the job's
// patience.
func TestOutage(t *testing.T) {
	gateway := servers.StartS3(t)
	setEnv(t, gateway.Env())
	p := newBucket(t, gateway, "warehouse")
	proxy := servers.StartProxy(t, gateway.Addr)
	portal := bitrixtest.New(bitrixtest.Options{Seed: 5, Payments: 3000, AllowRegets: true, Strict: t})
	hold := newHold(portal)
	j := newJob(serve(t, portal, hold), gateway.URL("warehouse", proxy.Addr)).with("checkpoint", "rows", 400)
	j["patience"] = "2s"
	reached := hold.after(30)
	run := startRun(t, p.env, j.write(t))
	select {
	case <-reached:
	case <-run.Done():
	}
	procs.Await(t, runLimit, "a checkpoint", func() bool {
		cp, _ := p.checkpoint(t)
		return cp.Ledger.Got > 0
	})
	proxy.Cut()
	hold.release()
	o := finish(t, run)
	o.wantExit(t, 75)
	if len(p.manifests(t)) > 0 {
		t.Error("it has published without a bucket")
	}
	proxy.Restore(t)
	again := runJob(t, p.env, j.write(t), 0)
	if !again.Resumed {
		t.Error("the next run began anew")
	}
	wantTable(t, p, portal)
}

// throughIn runs a job to its end with the present network. If that run ends without a
// result, it runs the job again with a good one.
func throughIn(t *testing.T, p place, portal *bitrixtest.Portal, proxy *servers.Proxy, file string) {
	t.Helper()
	o := finish(t, startRun(t, p.env, file))
	switch o.Exit {
	case 0:
		t.Log("through with the faults")
	case 75:
		t.Logf("given up: %s", *o.Error)
		if len(p.manifests(t)) > 0 {
			t.Error("a run that gave up has published")
		}
		proxy.Reset()
		runJob(t, p.env, file, 0)
	default:
		t.Fatalf("exit code %d, want 0 or 75; it said:\n%s", o.Exit, o.Process.Stderr)
	}
	for _, secret := range [][]byte{[]byte("e2esecretkey"), []byte("X-Amz-Signature")} {
		if bytes.Contains(o.Process.Stderr, secret) {
			t.Errorf("%s is in what it says:\n%s", secret, o.Process.Stderr)
		}
	}
	wantTable(t, p, portal)
	proxy.Reset()
	p.age(t)
	runJob(t, p.env, file, 0)
	p.wantWhole(t)
}
