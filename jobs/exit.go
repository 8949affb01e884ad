package jobs

import (
	"context"
	"errors"
	"slices"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/sinks"
)

// The program's exit codes. Codes are only ever added.
const (
	ExitComplete    = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitRejects     = 3
	ExitRefused     = 4
	ExitHeld        = 5
	ExitTemporary   = 75
	ExitInterrupted = 130
)

// UsageError says that the command line asks for something that the job does
// not have. Nothing was started.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// ExitCode is the exit code of a portal's run that ended in err and s.
func ExitCode(err error, s pipeline.Summary) int {
	switch {
	case err == nil && s.Manifest != nil && s.Manifest.Ledger.Rejected > 0:
		return ExitRejects
	case err == nil:
		return ExitComplete
	case is[*pipeline.HeldError](err), errors.Is(err, pipeline.ErrFenced):
		return ExitHeld
	case is[*UsageError](err), is[*jobfile.Problems](err), is[*pipeline.JobChangedError](err), is[*pipeline.OtherTableError](err), is[*source.IDsError](err), is[*source.UnpredictableError](err):
		return ExitUsage
	case errors.Is(err, bitrix.ErrPatience), errors.Is(err, sinks.ErrUnavailable):
		return ExitTemporary
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	if is[*bitrix.Error](err) {
		// What may pass has been repeated, and what concerns one payment has
		// become a reject: this is the portal's last word.
		return ExitRefused
	}
	return ExitFailed
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// helped lists the exit codes by how much another run helps: a scheduler that looks
// at one code must not give up on portals that only need another try.
var helped = []int{
	ExitInterrupted, ExitTemporary, ExitFailed, ExitHeld, ExitUsage, ExitRefused, ExitRejects, ExitComplete,
}

// ExitOfAll is the exit code of a job with these outcomes: that of the portal whom
// another run helps most. It is 0 for no outcomes.
func ExitOfAll(outcomes []Outcome) int {
	for _, code := range helped {
		if slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Exit == code }) {
			return code
		}
	}
	return ExitComplete
}

// Hint says what a user can do about an error; "" if nothing is to be added to
// its text.
func Hint(err error) string {
	if e, ok := errors.AsType[*bitrix.Error](err); ok && e.Hint() != "" {
		return e.Hint()
	}
	switch {
	case is[*pipeline.OtherTableError](err):
		return "run the job once with mode: full, which reads the whole table anew, or give it another name"
	case is[*pipeline.JobChangedError](err):
		return "run with the job as it was to finish the snapshot, or with --restart to throw it away"
	case is[*pipeline.RejectsError](err):
		return "b24export cat JOB --rejects shows them; fix what the portal says about them and run again, which reads only these payments again; or let one run pass with --rejects-max"
	case is[*pipeline.DeletesError](err):
		return "look whether the portal has really lost these payments: if so, run once with --allow-deletes, or raise deletes.max; if not, check the webhook's rights (b24export check JOB); any other run lists again"
	case is[*source.ItemsRefusedError](err):
		return "give the user read access to these items and their orders; or name other types in source.entity_types (with source.list: items)"
	case is[*bitrix.CountError](err):
		return "the portal contradicts itself, so nothing was published: run again later; if it stays so, let the portal's support look at its list methods"
	case is[*source.SampleError](err):
		return "set source.enrich: get"
	case is[*pipeline.HeldError](err):
		return "wait for the other run to end; after a crash its lease runs out by itself"
	case errors.Is(err, sinks.ErrDamaged):
		return "b24export verify JOB --all names what is damaged, and docs/operating.md what to do about it: where it is the newest snapshot, delete its manifest under _runs, and run with --mode full; where it is a checkpoint, delete that"
	case errors.Is(err, sinks.ErrNoFencing):
		return "use a store with conditional writes, or set sink.unsafe_no_fencing: true and make sure that only one run is ever under way"
	case errors.Is(err, sinks.ErrNoBucket):
		return "check sink.url, and whose credentials the environment has; b24export check JOB tries all that a run needs of the storage"
	case errors.Is(err, sinks.ErrUnavailable):
		return "once the storage answers, run again: it goes on from the last checkpoint; b24export check JOB tries what a run needs of it"
	case errors.Is(err, bitrix.ErrPatience):
		return "what was read is saved: run again, and it goes on from there; if that does not help, b24export check JOB tells what the portal lacks"
	case errors.Is(err, context.Canceled):
		return "what was read is saved: run again, and it goes on from there"
	}
	return ""
}
