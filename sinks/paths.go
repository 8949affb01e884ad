package sinks

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"b24export/pipeline"
	"b24export/schemas"
)

// layout has the paths of a portal's objects. Paths are relative to the store.
type layout struct {
	name, portal string
	work         string // "", or the folder of a backfill's work, below that of nightly runs
}

func (l layout) part() string { return "portal=" + l.portal }

func (l layout) current() string { return path.Join(l.name, l.part(), l.name+".parquet") }

func (l layout) history(id pipeline.SnapshotID) string {
	return l.snapshotFile("_history", id, l.name+".parquet")
}

func (l layout) changes(id pipeline.SnapshotID) string {
	return l.snapshotFile("_changes", id, "changes.parquet")
}

func (l layout) rejects(id pipeline.SnapshotID) string {
	return l.snapshotFile("_rejects", id, "rejects.parquet")
}

func (l layout) snapshotFile(kind string, id pipeline.SnapshotID, file string) string {
	return path.Join(l.name+kind, l.part(), "snapshot="+string(id), file)
}

// snapshotOf returns the snapshot's id in the path of one of its files. It returns ""
// for other paths.
func (l layout) snapshotOf(key string) pipeline.SnapshotID {
	dir := path.Base(path.Dir(key))
	id, err := pipeline.ParseSnapshotID(strings.TrimPrefix(dir, "snapshot="))
	if err != nil || (key != l.history(id) && key != l.changes(id) && key != l.rejects(id)) {
		return ""
	}
	return id
}

// runs returns the prefix of the manifests.
func (l layout) runs() string { return path.Join("_runs", l.name, l.part()) + "/" }

func (l layout) manifest(id pipeline.SnapshotID) string { return l.runs() + string(id) + ".json" }

// manifestOf returns the snapshot's id in the path of a manifest. It returns "" for
// other paths.
func (l layout) manifestOf(key string) pipeline.SnapshotID {
	id, err := pipeline.ParseSnapshotID(strings.TrimSuffix(path.Base(key), ".json"))
	if err != nil || key != l.manifest(id) {
		return ""
	}
	return id
}

// related returns the path of a related table's file, relatedManifest that of its
// description, and relatedStage the path where the file is created.
func (l layout) related(table string) string {
	return path.Join(l.name+"_"+table, l.part(), table+".parquet")
}

func (l layout) relatedManifest(table string) string {
	return l.runs() + "related/" + table + ".json"
}

func (l layout) relatedStage(table string) string {
	return l.state() + relatedStart + table + ".parquet"
}

func (l layout) relatedPending(table string) string {
	return l.state() + relatedStart + table + ".json"
}

const relatedStart = "related-"

// state returns the prefix of the private objects.
func (l layout) state() string { return path.Join("_state", l.name, l.part()) + "/" + l.work }

// attempt returns the path of the record of the last run, also of one that published
// nothing.
func (l layout) attempt() string { return l.state() + "attempt.json" }

func (l layout) checkpoint(n int64) string     { return l.numbered(checkpointKind, n) }
func (l layout) lease(n int64) string          { return l.numbered(leaseKind, n) }
func (l layout) segment(n int64) string        { return l.numbered(segmentKind, n) }
func (l layout) segmentRejects(n int64) string { return l.numbered(segmentRejectsKind, n) }
func (l layout) segmentMarks(n int64) string   { return l.numbered(segmentMarksKind, n) }

// listed returns the path of the marks of a snapshot's rows, also for a backfill.
func (l layout) listed(id pipeline.SnapshotID) string {
	l.work = ""
	return l.state() + listedStart + string(id) + listedEnd
}

// listedOf returns the snapshot's id in a path that listed returned. It returns "" for
// other paths.
func (l layout) listedOf(key string) pipeline.SnapshotID {
	id, err := pipeline.ParseSnapshotID(strings.TrimPrefix(strings.TrimSuffix(path.Base(key), listedEnd), listedStart))
	if err != nil || key != l.listed(id) {
		return ""
	}
	return id
}

const (
	listedStart = "listed-"
	listedEnd   = ".parquet"
)

// prefixes returns the prefixes of all objects of this portal.
func (l layout) prefixes() []string {
	all := []string{
		path.Join(l.name, l.part()) + "/",
		path.Join(l.name+"_history", l.part()) + "/",
		path.Join(l.name+"_changes", l.part()) + "/",
		path.Join(l.name+"_rejects", l.part()) + "/",
		l.runs(),
		l.state(),
	}
	for _, t := range schemas.Related {
		all = append(all, path.Join(l.name+"_"+t.Name, l.part())+"/")
	}
	return all
}

// kind is a kind of numbered object, by the beginning and the end of its name.
type kind struct{ begin, end string }

var (
	checkpointKind     = kind{"checkpoint-", ".json"}
	leaseKind          = kind{"lease-", ".json"}
	segmentKind        = kind{"segment-", ".parquet"}
	segmentRejectsKind = kind{"segment-", ".rejects.parquet"}
	segmentMarksKind   = kind{"segment-", ".listed.parquet"}
)

func (l layout) numbered(k kind, n int64) string {
	return fmt.Sprintf("%s%s%08d%s", l.state(), k.begin, n, k.end)
}

// number returns the number in the key of an object of a kind.
func (l layout) number(k kind, key string) (int64, bool) {
	digits, ok := strings.CutPrefix(key, l.state()+k.begin)
	if !ok {
		return 0, false
	}
	digits, ok = strings.CutSuffix(digits, k.end)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil && n > 0 && l.numbered(k, n) == key
}

const probeStart = "probe-"

func probeName(id string) string { return probeStart + id }
