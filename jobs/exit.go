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

// The program's exit codes. New ones may be added; existing ones do not change.
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

// UsageError is returned if the command line names something that the job does not
// have. Nothing was started.
type UsageError struct{ Text string }

func (e *UsageError) Error() string { return e.Text }

// ExitCode returns the exit code of a portal's run that ended in err and s.
func ExitCode(err error, s pipeline.Summary) int {
	switch {
	case err == nil && s.Manifest != nil && s.Manifest.Ledger.Rejected > 0:
		return ExitRejects
	case err == nil:
		return ExitComplete
	case is[*pipeline.HeldError](err), errors.Is(err, pipeline.ErrFenced):
		return ExitHeld
	case is[*source.UnpredictableError](err) && is[*bitrix.Error](err):
		return ExitRefused // a right is missing; the job is not wrong
	case is[*UsageError](err), is[*jobfile.Problems](err), is[*pipeline.JobChangedError](err), is[*pipeline.OtherTableError](err), is[*source.IDsError](err), is[*source.NoIDsError](err), is[*source.UnpredictableError](err):
		return ExitUsage
	case errors.Is(err, bitrix.ErrPatience), errors.Is(err, sinks.ErrUnavailable):
		return ExitTemporary
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	if e, ok := errors.AsType[*bitrix.Error](err); ok && (e.MayPass() || e.Class() == bitrix.Retry) {
		return ExitTemporary
	}
	if is[*bitrix.Error](err) {
		// Temporary errors have been retried, and errors of single payments have become
		// rejects. This refusal is therefore permanent.
		return ExitRefused
	}
	return ExitFailed
}

// helped lists the exit codes by how much another run helps, the most helpful first. A
// scheduler that sees one code must not give up on portals that only need another try.
var helped = []int{
	ExitInterrupted, ExitTemporary, ExitFailed, ExitHeld, ExitUsage, ExitRefused, ExitRejects, ExitComplete,
}

// ExitOfAll returns the exit code of a job with these outcomes: that of the portal that
// another run helps most. It is 0 for no outcomes.
func ExitOfAll(outcomes []Outcome) int {
	for _, code := range helped {
		if slices.ContainsFunc(outcomes, func(o Outcome) bool { return o.Exit == code }) {
			return code
		}
	}
	return ExitComplete
}
