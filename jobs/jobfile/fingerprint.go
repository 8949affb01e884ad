package jobfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"

	"b24export/pipeline"
)

// fingerprintForm goes into every fingerprint. A new one makes every dataset be fetched
// again, once.
const fingerprintForm = "1"

// Fingerprint stands for what the job means for the rows of one portal: while it stays
// the same, an unfinished snapshot can be resumed, and rows of the last snapshot can be
// carried over. It is a lower-case hexadecimal number of 32 digits, the same on every
// machine and in every version of the program that reads the keys below in the same
// way. It is empty for a name that is no portal of the job.
//
// In it are: the portal's host (other payments), and source.list,
// source.entity_types, source.ids and source.enrich (which payments, and where
// their values come from; of a file of ids its ids, whatever its path), and source.fields in any order (what is in extra).
//
// Not in it are:
//   - secrets, client ids, a webhook's user: a new webhook sees the same
//     payments, and what a user may not see becomes rejects, not rows;
//   - name, portals[].name, sink: where a dataset is, and in what form;
//   - mode, full_every, backfill: which part is fetched again in a run; the rows of
//     all modes mean the same. For the same reason source.list: ids and
//     source.ids of a backfill count as source.list: auto: they are its range,
//     not the dataset's;
//   - source.related, source.related_every: tables beside this one;
//   - source.since, source.batch: how changes are noticed and calls are sent;
//   - plan, limits, patience, checkpoint: the pace;
//   - rejects, notify: what becomes of the run afterwards.
//
// With source.list: auto, rights decide how payments are found. Fingerprint is
// that of a user who may list them all.
func (s *Spec) Fingerprint(portal string) string { return s.FingerprintBy(portal, s.Source.List) }

// FingerprintBy is the fingerprint for a run that finds payments by list, which
// may differ from what the job says where rights decide. Rows that are found in
// different ways have different columns.
func (s *Spec) FingerprintBy(portal string, list List) string {
	if s.Source.List == ListAuto && list == ListSale {
		list = ListAuto
	}
	i := slices.IndexFunc(s.Portals, func(p PortalSpec) bool { return p.Name == portal })
	if i < 0 {
		return ""
	}
	ids := s.Source.IDs
	if s.Mode == pipeline.Backfill && s.Source.List == ListIDs {
		list, ids = ListAuto, IDsSpec{}
	}
	var b strings.Builder
	// Quoted, so that no value can look like the next line.
	line := func(name string, value any) { fmt.Fprintf(&b, "%s=%q\n", name, fmt.Sprint(value)) }
	line("form", fingerprintForm)
	line("host", s.Portals[i].Address())
	line("list", list)
	for _, t := range slices.Sorted(slices.Values(s.Source.EntityTypes)) {
		line("entity_type", t)
	}
	line("ids", fmt.Sprintf("%d-%d %s", ids.From, ids.To, contentOf(ids.File)))
	line("enrich", s.Source.Enrich)
	for _, f := range slices.Sorted(slices.Values(s.Source.Fields)) {
		line("field", f)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:16])
}

// contentOf stands for what a file of ids says, whatever its path, its comments
// and its white space; "" for no file. An unreadable file is reported by whoever
// lists its ids.
func contentOf(path string) string {
	if path == "" {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return "unreadable"
	}
	defer f.Close()
	h := sha256.New()
	lines := bufio.NewScanner(f)
	for first := true; lines.Scan(); first = false {
		line := lines.Bytes()
		if first {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		text, _, _ := bytes.Cut(line, []byte("#"))
		if text = bytes.TrimSpace(text); len(text) > 0 {
			fmt.Fprintf(h, "%s\n", text)
		}
	}
	if lines.Err() != nil {
		return "unreadable"
	}
	return hex.EncodeToString(h.Sum(nil))
}
