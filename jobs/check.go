package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// CheckState is how a check came out.
type CheckState string

// The outcomes of a check.
const (
	CheckOK      CheckState = "ok"
	CheckWarning CheckState = "warning" // a run starts all the same
	CheckFailed  CheckState = "failed"  // a run would end with CheckLine.Exit
)

// CheckLine is one thing that was looked at before a run. No secret is in it.
type CheckLine struct {
	// Portal is whom it is about; "" for the job as a whole.
	Portal string `json:"portal"`
	// Check is what was looked at: file, secrets, reachable, webhook, plan,
	// scopes, administrator, a method by its name, filters, list_dates, counters, clock, or one of
	// sink.open, sink.write, sink.conditional_write, sink.read, sink.list,
	// sink.delete, sink.lease, deletes.max, sink.unfinished,
	// sink.unfinished_backfill, sink.segments, sink.left_over.
	Check string     `json:"check"`
	State CheckState `json:"state"`
	// Detail is what was found, Hint what to do about it; "" if nothing.
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
	// Exit is the exit code that a run would have for this; 0 unless failed.
	Exit int `json:"-"`
}

const (
	// checkPatience is how long a check continues against something temporary: a person
	// waits for it. A job with less patience has its own.
	checkPatience = 15 * time.Second
	// checkCallLimit ends a call that waits for the portal's limits. It is
	// longer than any request lasts.
	checkCallLimit = 90 * time.Second
	// clockTolerance is by how much the portal's clock may differ from ours.
	clockTolerance = time.Minute
)

// errOverLimits is why a call was ended that had to wait for too long.
var errOverLimits = errors.New("the portal's limits are used up")

// Check looks at all that a run of the job needs, and changes nothing: of the
// portals it reads a few rows, and in the sink it makes two small objects and
// deletes them again. The job's file and secrets come first, then each portal
// of opts by itself, side by side but in the order of the job, then the sink.
// A failed line does not end the check; what cannot be checked after it
// is left out. There are no more lines once ctx has ended.
func Check(ctx context.Context, spec *jobfile.Spec, opts *RunOptions) iter.Seq[CheckLine] {
	return func(yield func(CheckLine) bool) {
		o := opts.withDefaults()
		portals, err := o.portals(spec)
		if err != nil {
			yield(failedLine("", "file", err))
			return
		}
		quick := *spec
		quick.Patience = min(spec.Patience, checkPatience)
		ctx, cancel := context.WithCancel(ctx)
		found := make([]chan []CheckLine, len(portals))
		slots := make(chan struct{}, o.Parallel)
		var group sync.WaitGroup
		defer group.Wait()
		defer cancel()
		for i, portal := range portals {
			found[i] = make(chan []CheckLine, 1)
			// Owns one portal's checks, and ends with them, or soon after ctx.
			group.Go(func() {
				select {
				case slots <- struct{}{}:
					found[i] <- checkPortal(ctx, &quick, portal, &o)
					<-slots
				case <-ctx.Done():
					found[i] <- nil
				}
			})
		}
		show := func(lines []CheckLine) bool {
			for _, line := range lines {
				if ctx.Err() != nil || !yield(line) {
					return false
				}
			}
			return ctx.Err() == nil
		}
		if !show(append([]CheckLine{fileLine(spec, len(portals))}, nameLines(portals)...)) {
			return
		}
		for _, lines := range found {
			if !show(<-lines) {
				return
			}
		}
		show(checkSink(ctx, &quick, portals, &o))
	}
}

func fileLine(spec *jobfile.Spec, portals int) CheckLine {
	detail := fmt.Sprintf("%s: portals: %d", spec.Name, len(spec.Portals))
	if portals != len(spec.Portals) {
		detail += fmt.Sprintf(", %d of them here", portals)
	}
	return CheckLine{Check: "file", State: CheckOK, Detail: detail}
}

// nameLines warns of portals whose names engines do not read as texts.
func nameLines(portals []*jobfile.PortalSpec) []CheckLine {
	r := report{}
	for _, p := range portals {
		if jobfile.TypedName(p.Name) {
			r.portal = p.Name
			r.warn("name", "give it a name that begins with a letter, or query by the statements of `b24export sql`, which name the type",
				"query engines take the folder portal=%s for a number, a date or a boolean", p.Name)
		}
	}
	return r.lines
}

// FileProblems are the failed lines of a job file that Load has refused.
func FileProblems(err error) []CheckLine {
	problems, ok := errors.AsType[*jobfile.Problems](err)
	if !ok {
		line := failedLine("", "file", err)
		line.Exit = ExitUsage
		return []CheckLine{line}
	}
	var lines []CheckLine
	for _, item := range problems.Items {
		hint := item.Hint
		item.Hint = ""
		one := &jobfile.Problems{File: problems.File, Items: []jobfile.Problem{item}}
		lines = append(lines, CheckLine{Check: "file", State: CheckFailed, Detail: one.Error(), Hint: hint, Exit: ExitUsage})
	}
	return lines
}

// report collects the lines about one portal, or about the job.
type report struct {
	portal string
	lines  []CheckLine
}

func (r *report) ok(check, format string, args ...any) {
	r.lines = append(r.lines, CheckLine{Portal: r.portal, Check: check, State: CheckOK, Detail: fmt.Sprintf(format, args...)})
}

func (r *report) warn(check, hint, format string, args ...any) {
	r.lines = append(r.lines, CheckLine{Portal: r.portal, Check: check, State: CheckWarning, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *report) refuse(check string, exit int, hint, format string, args ...any) {
	r.lines = append(r.lines, CheckLine{Portal: r.portal, Check: check, State: CheckFailed, Detail: fmt.Sprintf(format, args...), Hint: hint, Exit: exit})
}

// fail notes an error. That limits are used up is a warning: a run waits.
func (r *report) fail(check string, err error) {
	if errors.Is(err, errOverLimits) {
		r.warn(check, "a run waits for them; see what else uses this portal, or lower limits.share", "%v", err)
		return
	}
	r.lines = append(r.lines, failedLine(r.portal, check, err))
}

func failedLine(portal, check string, err error) CheckLine {
	return CheckLine{
		Portal: portal, Check: check, State: CheckFailed, Detail: err.Error(), Hint: hintAt(atCheck, err),
		Exit: ExitCode(err, pipeline.Summary{}),
	}
}
