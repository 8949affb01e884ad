package jobs

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	"b24export/bitrix"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/sinks"
)

// The packages below return typed errors. They know neither the program's commands nor
// the keys of a job file. The tables of this file and of hints_portal.go map a kind of
// error to what a user can do about it, for run, check, status and all other commands.

// moment is when a hint is printed. The same error needs other words before a run than
// after it.
type moment int

const (
	atRun   moment = iota // a command ended with the error
	atCheck               // check found it: nothing was read that could be saved
	atSink                // check found it in the storage
)

// hint is what a user can do about one kind of error.
type hint struct {
	is func(error) bool
	// words contains the hint for each moment. A moment without a hint of its own has
	// that of the moment before it.
	words [3]string
}

// hints is the table of all kinds of errors except the portal's own. The first row that
// matches is used.
var hints = []hint{
	{is[*pipeline.OtherTableError], [3]string{
		atRun: "run the job once with mode: full, which reads the whole table again, or give it another name"}},
	{is[*pipeline.JobChangedError], [3]string{
		atRun: "run with the job as it was to finish the snapshot, or with --restart to delete the payments that it has read and to read them again"}},
	{is[*pipeline.RejectsError], [3]string{
		atRun: "b24export cat JOB --rejects shows them; fix what the portal says about them and run again, which reads only these payments again; or let one run pass with --rejects-max, or raise rejects.max"}},
	{is[*pipeline.DeletesError], [3]string{
		atRun: "look whether the portal has really lost these payments: if so, run once with --allow-deletes, or raise deletes.max; if not, check the webhook's rights (b24export check JOB); any other run lists again"}},
	{is[*source.ItemsRefusedError], [3]string{
		atRun: "give the user read access to these items and their orders; or name other types in source.entity_types (with source.list: items)"}},
	{contradicts, [3]string{
		atRun: "the portal contradicts itself, so nothing was published: run again later; if it stays so, try another source.list, and let the portal's support look at its list methods"}},
	{badEncoding, [3]string{
		atRun: "a text on the portal is not UTF-8, and the portal cannot show whose it is: correct the text on the portal, or try another source.list"}},
	{is[*source.FilterIgnoredError], [3]string{
		atRun: "this portal cannot be asked for days: run with mode: full, or name the payments with source.list: ids and source.ids"}},
	{is[*source.IDsError], [3]string{
		atRun: "correct the file of ids, or source.ids.file; a relative path begins at the job file's folder"}},
	{is[*source.NoIDsError], [3]string{
		atRun: "check source.ids, and that the job names the portal that they are of"}},
	{is[*source.SampleError], [3]string{
		atRun: "set source.enrich: get"}},
	{is[*sinks.UnfinishedMoveError], [3]string{
		atRun: "finish it with b24export rename PORTAL NEW or b24export forget PORTAL, with the same names, and with the job or --from: the command resumes where it ended"}},
	{is[*pipeline.HeldError], [3]string{
		atRun: "wait for the other run to end; after a crash its lease runs out by itself"}},
	{wraps(sinks.ErrDamaged), [3]string{
		atRun: "b24export verify JOB --all names what is damaged, and docs/operating.md what to do about it: where it is the newest snapshot, delete its manifest under _runs, and run with --mode full; where it is a checkpoint, delete that"}},
	{wraps(sinks.ErrRowGroups), [3]string{
		atRun: "raise sink.row_group_rows, of which a file has at most 32,767 times as many rows, and run again to resume"}},
	{wraps(sinks.ErrNoFencing), [3]string{
		atRun: "use a store with conditional writes (AWS S3, Google Cloud Storage, Azure Blob Storage, a local folder), or set sink.unsafe_no_fencing: true and make sure that only one run is ever under way"}},
	{wraps(sinks.ErrNoLogin), [3]string{
		atRun: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for S3, AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY for Azure, or run on a machine whose role may use the bucket (docs/storage.md)"}},
	{wraps(sinks.ErrChecksums), [3]string{
		atRun: "add request_checksum_calculation=when_required to the parameters of sink.url (docs/storage.md)"}},
	{wraps(sinks.ErrUnavailable), [3]string{
		atRun:  "once the storage answers, run again: it resumes from the last checkpoint; b24export check JOB tries what a run needs of it",
		atSink: "check sink.url, and that this machine can reach it (endpoint, DNS, proxy, firewall)"}},
	{wraps(syscall.ENOSPC), [3]string{
		atRun: "make room on the disk of sink.url, or of the file that the error names, or lower sink.history and run b24export prune JOB; the next run resumes"}},
	{wraps(syscall.EROFS), [3]string{
		atRun: "the disk of sink.url is mounted read-only: mount it for writing, or name another place"}},
	{wraps(fs.ErrPermission), [3]string{
		atRun:  "grant read, write, delete and list on what is below sink.url to the user or the credentials that run this; b24export check JOB tries each of them",
		atSink: "grant read, write, delete and list on what is below sink.url"}},
	{wraps(sinks.ErrNoBucket), [3]string{
		atRun:  "check sink.url, and whose credentials the environment has; b24export check JOB tries all that a run needs of the storage",
		atSink: "make the bucket first, or check its name and whose credentials the environment has"}},
	{wraps(fs.ErrNotExist), [3]string{
		atSink: "make the bucket or the folder first, or check its name and whose credentials the environment has"}},
	{wraps(bitrix.ErrPatience), [3]string{
		atRun:   "what was read is saved: run again to resume; if that does not help, b24export check JOB shows what the portal lacks",
		atCheck: "check the host in the webhook's address, and that this machine can reach it (DNS, proxy, firewall)"}},
	{wraps(context.Canceled), [3]string{
		atRun: "what was read is saved: run again to resume"}},
	{func(error) bool { return true }, [3]string{
		atSink: "check sink.url: the folder, or the bucket and its parameters (docs/storage.md)"}},
}

// Hint returns what a user can do about an error that ended a command; "" if there
// is nothing to add to its text.
func Hint(err error) string { return hintAt(atRun, err) }

func hintAt(m moment, err error) string {
	if e, ok := errors.AsType[*source.LessError](err); ok {
		return lessHint(e)
	}
	if e, ok := errors.AsType[*bitrix.Error](err); ok {
		if words := portalHint(e); words != "" {
			return words
		}
	}
	for _, h := range hints {
		if !h.is(err) {
			continue
		}
		for at := m; at >= atRun; at-- {
			if words := h.words[at]; words != "" {
				return words
			}
		}
	}
	return ""
}

// is reports whether err wraps an error of a type.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// contradicts reports whether the portal answered a list method against its own count,
// its filter or its form.
func contradicts(err error) bool {
	return is[*bitrix.CountError](err) || errors.Is(err, bitrix.ErrStall) || errors.Is(err, bitrix.ErrShape)
}

// badEncoding reports whether the portal could not encode an answer.
func badEncoding(err error) bool {
	e, ok := errors.AsType[*bitrix.Error](err)
	return ok && e.BadEncoding()
}

// wraps reports whether an error wraps target.
func wraps(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}
