package jobs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Shard is runner number I, from 0, of N equal runners that share the portals of a job.
// The zero Shard owns all portals.
type Shard struct {
	I, N int
}

// maxShards is far more than anybody runs. It bounds the cost of Owns.
const maxShards = 10_000

// Owns reports whether this runner exports the portal with that name. Of N shards
// exactly one owns a name. The owner depends only on the name and N, so a new or
// deleted portal moves no other portal, and another N moves as few portals as possible.
func (s Shard) Owns(name string) bool {
	if s.N <= 1 {
		return true
	}
	// Each shard computes a number for the name. The shard with the highest number owns
	// it.
	best, most := 0, uint64(0)
	for i := range s.N {
		if v := draw(i, name); v > most {
			best, most = i, v
		}
	}
	return best == s.I
}

func draw(shard int, name string) uint64 {
	sum := sha256.Sum256([]byte(strconv.Itoa(shard) + "/" + name))
	return binary.BigEndian.Uint64(sum[:])
}

// String returns the shard as I/N.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.I, s.N) }

// parseShard reads I/N, with I from 0 to N-1.
func parseShard(text string) (Shard, error) {
	i, n, ok := strings.Cut(text, "/")
	if !ok {
		return Shard{}, fmt.Errorf("shard %q: must be I/N, such as 0/4 for the first of four", text)
	}
	return newShard(fmt.Sprintf("shard %q", text), i, n)
}

func newShard(what, i, n string) (Shard, error) {
	count, err := strconv.Atoi(n)
	if err != nil || count < 1 || count > maxShards {
		return Shard{}, fmt.Errorf("%s: the number of shards must be 1 to %d", what, maxShards)
	}
	at, err := strconv.Atoi(i)
	if err != nil || at < 0 || at >= count {
		return Shard{}, fmt.Errorf("%s: the shard must be 0 to %d, for %d of them", what, count-1, count)
	}
	return Shard{I: at, N: count}, nil
}

// runners lists the variables that array jobs use to number their tasks.
var runners = []struct{ name, index, count string }{
	{"a Kubernetes indexed Job", "JOB_COMPLETION_INDEX", "B24EXPORT_SHARDS"},
	{"a Cloud Run job", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"},
	{"an AWS Batch array", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
}

// ShardFrom returns this runner's shard: flag, in the form I/N, if it is not empty,
// else the one that the variables of an array job name. Without any, it returns the
// zero Shard. A variable without its pair, and two pairs that differ, are errors: a
// guess would leave out portals, or export them twice.
func ShardFrom(flag string, lookup func(string) (string, bool)) (Shard, error) {
	if flag != "" {
		return parseShard(flag)
	}
	var found Shard
	var by string
	for _, r := range runners {
		i, hasIndex := lookup(r.index)
		n, hasCount := lookup(r.count)
		switch {
		case !hasIndex && !hasCount:
			continue
		case !hasCount:
			return Shard{}, fmt.Errorf("%s is set, as in %s, but %s is not: set it to the number of parts, or give --shard I/N", r.index, r.name, r.count)
		case !hasIndex:
			return Shard{}, fmt.Errorf("%s is set, but %s is not: set both, as %s has them, or give --shard I/N", r.count, r.index, r.name)
		}
		s, err := newShard(r.index+" and "+r.count, i, n)
		if err != nil {
			return Shard{}, err
		}
		if by != "" && s != found {
			return Shard{}, fmt.Errorf("%s says shard %s, but %s says %s: give --shard I/N", by, found, r.index, s)
		}
		found, by = s, r.index
	}
	return found, nil
}
