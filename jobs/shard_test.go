package jobs

import (
	"fmt"
	"strings"
	"testing"
)

func TestShardOwnsOnce(t *testing.T) {
	for n := 1; n <= 7; n++ {
		counts := make([]int, n)
		for p := range 1000 {
			name := fmt.Sprintf("portal-%d", p)
			owners := 0
			for i := range n {
				if (Shard{i, n}).Owns(name) {
					owners++
					counts[i]++
				}
			}
			if owners != 1 {
				t.Fatalf("%s has %d owners of %d", name, owners, n)
			}
		}
		for i, c := range counts {
			if fair := 1000 / n; c < fair*3/4 || c > fair*5/4 {
				t.Errorf("shard %d/%d has %d of 1000 portals", i, n, c)
			}
		}
	}
	if !(Shard{}).Owns("acme") {
		t.Error("the zero shard does not own all")
	}
}

// TestShardMovesLittle: one more shard takes portals from the others, and moves none
// between them.
func TestShardMovesLittle(t *testing.T) {
	owner := func(name string, n int) int {
		for i := range n {
			if (Shard{i, n}).Owns(name) {
				return i
			}
		}
		return -1
	}
	for p := range 1000 {
		name := fmt.Sprintf("portal-%d", p)
		if before, after := owner(name, 4), owner(name, 5); before != after && after != 4 {
			t.Errorf("%s moved from %d to %d", name, before, after)
		}
	}
	// Some of the assignments on which existing runs rely, and which must not change.
	for name, want := range map[string]int{"acme": 1, "beta": 3, "own-server": 0} {
		if got := owner(name, 4); got != want {
			t.Errorf("%s is at %d/4, want %d", name, got, want)
		}
	}
}

func TestParseShard(t *testing.T) {
	for _, text := range []string{"0/1", "0/4", "3/4", "9999/10000"} {
		s, err := parseShard(text)
		if err != nil || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"":        `shard "": must be I/N, such as 0/4 for the first of four`,
		"4":       `shard "4": must be I/N, such as 0/4 for the first of four`,
		"4/4":     `shard "4/4": the shard must be 0 to 3, for 4 of them`,
		"-1/4":    `shard "-1/4": the shard must be 0 to 3, for 4 of them`,
		"a/4":     `shard "a/4": the shard must be 0 to 3, for 4 of them`,
		"0/0":     `shard "0/0": the number of shards must be 1 to 10000`,
		"0/x":     `shard "0/x": the number of shards must be 1 to 10000`,
		"0/10001": `shard "0/10001": the number of shards must be 1 to 10000`,
		"0/4/2":   `shard "0/4/2": the number of shards must be 1 to 10000`,
	} {
		if s, err := parseShard(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v; want %s", text, s, err, want)
		}
	}
}

func TestShardFrom(t *testing.T) {
	tests := []struct {
		name, flag, env string
		want            Shard
		err             string
	}{
		{"nothing", "", "", Shard{}, ""},
		{"flag", "1/3", "", Shard{1, 3}, ""},
		{"flag beats variables", "1/3", "JOB_COMPLETION_INDEX=0 B24EXPORT_SHARDS=8", Shard{1, 3}, ""},
		{"wrong flag", "3/3", "", Shard{}, `shard "3/3": the shard must be 0 to 2, for 3 of them`},
		{"Kubernetes", "", "JOB_COMPLETION_INDEX=2 B24EXPORT_SHARDS=8", Shard{2, 8}, ""},
		{"Cloud Run", "", "CLOUD_RUN_TASK_INDEX=0 CLOUD_RUN_TASK_COUNT=1", Shard{0, 1}, ""},
		{"AWS Batch", "", "AWS_BATCH_JOB_ARRAY_INDEX=4 AWS_BATCH_JOB_ARRAY_SIZE=5", Shard{4, 5}, ""},
		{"two that agree", "", "JOB_COMPLETION_INDEX=2 B24EXPORT_SHARDS=8 CLOUD_RUN_TASK_INDEX=2 CLOUD_RUN_TASK_COUNT=8", Shard{2, 8}, ""},
		{"two that differ", "", "JOB_COMPLETION_INDEX=2 B24EXPORT_SHARDS=8 CLOUD_RUN_TASK_INDEX=3 CLOUD_RUN_TASK_COUNT=8", Shard{},
			"JOB_COMPLETION_INDEX says shard 2/8, but CLOUD_RUN_TASK_INDEX says 3/8: give --shard I/N"},
		{"no count", "", "JOB_COMPLETION_INDEX=2", Shard{},
			"JOB_COMPLETION_INDEX is set, as in a Kubernetes indexed Job, but B24EXPORT_SHARDS is not: set it to the number of parts, or give --shard I/N"},
		{"no index", "", "B24EXPORT_SHARDS=8", Shard{},
			"B24EXPORT_SHARDS is set, but JOB_COMPLETION_INDEX is not: set both, as a Kubernetes indexed Job has them, or give --shard I/N"},
		{"index too high", "", "JOB_COMPLETION_INDEX=8 B24EXPORT_SHARDS=8", Shard{},
			"JOB_COMPLETION_INDEX and B24EXPORT_SHARDS: the shard must be 0 to 7, for 8 of them"},
		{"empty", "", "CLOUD_RUN_TASK_INDEX= CLOUD_RUN_TASK_COUNT=8", Shard{},
			"CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT: the shard must be 0 to 7, for 8 of them"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			vars := make(map[string]string)
			for _, pair := range strings.Fields(tt.env) {
				name, value, _ := strings.Cut(pair, "=")
				vars[name] = value
			}
			got, err := ShardFrom(tt.flag, func(name string) (string, bool) { v, ok := vars[name]; return v, ok })
			text := ""
			if err != nil {
				text = err.Error()
			}
			if got != tt.want || text != tt.err {
				t.Errorf("got %v, %q; want %v, %q", got, text, tt.want, tt.err)
			}
		})
	}
}
