package jobs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// Shard is one of N equal runners, number I from 0, that share a job's portals
// among them. The zero Shard owns all.
type Shard struct {
	I, N int
}

// maxShards is far above what anybody runs, and bounds what Owns costs.
const maxShards = 10_000

// Owns reports whether this runner does the portal of that name. Of N shards
// exactly one owns a name. Which one follows from the name alone, so portals
// that come or go move no other one; another N moves only as many as it must.
func (s Shard) Owns(name string) bool {
	if s.N <= 1 {
		return true
	}
	// Each shard draws a number for the name; the highest wins.
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

// String is the shard as I/N.
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

// runners are the variables with which array jobs number their parts.
var runners = []struct{ name, index, count string }{
	{"a Kubernetes indexed Job", "JOB_COMPLETION_INDEX", "B24EXPORT_SHARDS"},
	{"a Cloud Run job", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"},
	{"an AWS Batch array", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
}

// ShardFrom finds this runner's shard: flag, which is I/N, if it is not empty,
// else what the array job's variables say. Without any, it is the zero Shard.
// Half a pair of variables, and two pairs that differ, are errors: guessing
// would leave portals out, or do them twice.
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
