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

// fingerprintForm is part of every fingerprint. If it changes, every dataset is fetched
// again once.
const fingerprintForm = "1"

// Fingerprint identifies what the job means for the rows of one portal. While it stays
// the same, an unfinished snapshot can be resumed, and rows of the last snapshot can be
// carried over. It is a lower-case hexadecimal number of 32 digits, the same on every
// machine and in every version of the program that reads the keys below in the same
// way. It is empty if the job has no portal with that name.
//
// It contains the portal's host (other payments), source.list, source.entity_types,
// source.ids and source.enrich (which payments, and where their values come from; for a
// file of ids its ids, whatever its path), and source.fields in any order (what is in
// extra).
//
// It does not contain:
//   - secrets, client ids, a webhook's user: a new webhook shows the same payments, and
//     what a user may not read becomes rejects, not rows;
//   - name, portals[].name, sink: where a dataset is, and in which format;
//   - mode, full_every, backfill: what a run fetches again; the rows of all modes mean
//     the same. For the same reason source.list: ids and source.ids of a backfill count
//     as source.list: auto: they are its range, not the dataset's;
//   - source.related, source.related_every: tables next to this one;
//   - source.since, source.batch: how changes are found and calls are sent;
//   - plan, limits, patience, checkpoint: the pace;
//   - rejects, notify: what follows from the run.
//
// With source.list: auto, the user's rights decide how payments are found. Fingerprint
// then returns that of a user who may list all payments.
func (s *Spec) Fingerprint(portal string) string { return s.FingerprintBy(portal, s.Source.List) }

// FingerprintBy returns the fingerprint for a run that finds payments by list, which
// can differ from the job's value if rights decide. Rows that are found in different
// ways have different columns.
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
	// Values are quoted, so that no value can look like the next line.
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

// contentOf identifies the content of a file of ids, without its path, comments and
// white space. It returns "" if there is no file. It ignores a file that cannot be
// read; the listing of the ids reports that.
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
