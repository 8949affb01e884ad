package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"b24export/pipeline"
)

// The words that name a snapshot by its place.
const (
	snapshotLatest   = "latest"
	snapshotNewest   = "newest" // the former word for latest
	snapshotPrevious = "previous"
)

const dayLayout = "2006-01-02"

// snapshotFlag is the usage text of --snapshot.
const snapshotFlag = "use this `snapshot` instead of the newest: an id such as 20261122T020000Z, the start of an id, a day such as 2026-11-22, latest or previous"

// idStart is the beginning of a snapshot's id.
var idStart = regexp.MustCompile(`^[0-9]{1,8}$|^[0-9]{8}T[0-9]{0,6}Z?$`)

// checkSnapshotName returns an error if text cannot name a snapshot, whatever
// snapshots there are. An empty text means the newest one.
func checkSnapshotName(text string) error {
	switch text {
	case "", snapshotLatest, snapshotNewest, snapshotPrevious:
		return nil
	}
	if _, err := time.Parse(dayLayout, text); err == nil || idStart.MatchString(text) {
		return nil
	}
	return fmt.Errorf("%s is no snapshot: must be an id such as 20261122T020000Z, the start of one, a day such as 2026-11-22, %s or %s",
		shownArg(text), snapshotLatest, snapshotPrevious)
}

// isSnapshotID reports whether name is a complete id.
func isSnapshotID(name string) bool {
	_, err := pipeline.ParseSnapshotID(name)
	return err == nil
}

// find returns the id of the published snapshot that name means. An empty name or
// latest is the newest one, previous is the one before it, a day (UTC) is the newest
// one of that day. The beginning of an id is the only snapshot with it. find returns a
// complete id unchanged, also if there is no such snapshot.
func (d *dataset) find(ctx context.Context, name string) (pipeline.SnapshotID, error) {
	if id, err := pipeline.ParseSnapshotID(name); err == nil {
		return id, nil
	}
	ids, err := d.published(ctx)
	if err != nil {
		return "", err
	}
	id, err := findSnapshot(ids, name)
	if err != nil {
		return "", fmt.Errorf("portal %s has %w", d.portal, err)
	}
	return id, nil
}

// findSnapshot is find for the ids of all snapshots, oldest first. There must be at
// least one. Its error follows the words "portal … has".
func findSnapshot(ids []pipeline.SnapshotID, name string) (pipeline.SnapshotID, error) {
	newest := ids[len(ids)-1]
	switch name {
	case "", snapshotLatest, snapshotNewest:
		return newest, nil
	case snapshotPrevious:
		if len(ids) == 1 {
			return "", fmt.Errorf("one snapshot only, %s: there is no previous one until the job runs again", newest)
		}
		return ids[len(ids)-2], nil
	}
	day, dayErr := time.Parse(dayLayout, name)
	prefix := name
	if dayErr == nil {
		prefix = day.Format("20060102") + "T"
	}
	var found []pipeline.SnapshotID
	for _, id := range ids {
		if strings.HasPrefix(string(id), prefix) {
			found = append(found, id)
		}
	}
	switch {
	case len(found) == 0 && dayErr == nil:
		return "", errors.New("no snapshot of " + name + nearest(ids, pipeline.SnapshotID(prefix)))
	case len(found) == 0:
		return "", errors.New("no snapshot " + name + "…" + nearest(ids, pipeline.SnapshotID(prefix)))
	case len(found) > 1 && dayErr != nil:
		return "", fmt.Errorf("%d snapshots that begin with %s, from %s to %s: give more of the id", len(found), name, found[0], found[len(found)-1])
	}
	return found[len(found)-1], nil
}

// nearest names the snapshots before and after a time that has none.
func nearest(ids []pipeline.SnapshotID, at pipeline.SnapshotID) string {
	after, _ := slices.BinarySearch(ids, at)
	switch {
	case after == 0:
		return fmt.Sprintf("; the oldest is %s", ids[0])
	case after == len(ids):
		return fmt.Sprintf("; the newest is %s", ids[after-1])
	}
	return fmt.Sprintf("; the nearest are %s and %s", ids[after-1], ids[after])
}

// asOf returns the last moment of a name as an id: that of a snapshot, or the end of a
// day. It is empty for the newest snapshot.
func (d *dataset) asOf(ctx context.Context, name string) (pipeline.SnapshotID, error) {
	switch name {
	case "", snapshotLatest, snapshotNewest:
		return "", nil
	}
	if day, err := time.Parse(dayLayout, name); err == nil {
		return pipeline.SnapshotAt(day.AddDate(0, 0, 1).Add(-time.Second)), nil
	}
	return d.find(ctx, name)
}
