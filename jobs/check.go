package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"b24export/jobs/jobfile"
	"b24export/jobs/source"
	"b24export/pipeline"
	"b24export/schemas"
)

// CheckState is the outcome of a check.
type CheckState string

// The outcomes of a check.
const (
	CheckOK      CheckState = "ok"
	CheckWarning CheckState = "warning" // a run starts nevertheless
	CheckFailed  CheckState = "failed"  // a run would end with CheckLine.Exit
)

// CheckLine is one check before a run. It contains no secret.
type CheckLine struct {
	// Portal is the portal that was checked; "" for the job as a whole.
	Portal string `json:"portal"`
	// Check names what was checked: file, name, source.ids.file, secrets, reachable, webhook, plan, scopes,
	// administrator, the name of a method, filters, list_dates, counters, clock, or one
	// of sink.open, sink.write, sink.conditional_write, sink.read, sink.list,
	// sink.delete, sink.lease, deletes.max, sink.unfinished, sink.unfinished_backfill,
	// sink.segments, sink.left_over.
	Check string     `json:"check"`
	State CheckState `json:"state"`
	// Detail is what the check found. Hint is what the user can do about it, or "".
	Detail string `json:"detail"`
	Hint   string `json:"hint"`
	// Exit is the exit code of a run that fails for this reason; 0 unless State is
	// failed.
	Exit int `json:"-"`
}

const (
	// checkPatience is how long a check retries when something is temporarily
	// unavailable. It is short because a person waits. A shorter patience of the job
	// wins.
	checkPatience = 15 * time.Second
	// checkCallLimit ends a call that waits for the portal's limits. It is longer than
	// any request takes.
	checkCallLimit = 90 * time.Second
	// clockTolerance is the accepted difference between the portal's clock and ours.
	clockTolerance = time.Minute
)

// errOverLimits is the cause when a call that waited too long for the limits is ended.
var errOverLimits = errors.New("the portal's limits are used up")

// Check checks everything that a run of the job needs. It changes no data. It
// reads a few rows of each portal. In the sink it creates two small objects and deletes
// them. It checks the job's file and secrets first, then the portals that opts names,
// concurrently, then the sink. The lines of portals are in the order of the job. A
// failed line does not end the check; checks that depend on it are left out. No more
// lines follow after ctx has ended.
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
			// This goroutine owns the checks of one portal. It ends with them, or soon
			// after ctx.
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
		if !show(slices.Concat([]CheckLine{fileLine(spec, len(portals))}, nameLines(spec, portals), idsLines(spec))) {
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

// nameLines warns of a dataset whose folder is also that of a related table of another
// one, and of portals whose names query engines do not read as strings.
func nameLines(spec *jobfile.Spec, portals []*jobfile.PortalSpec) []CheckLine {
	r := report{}
	for _, t := range schemas.Related {
		if other, ok := strings.CutSuffix(spec.Name, "_"+t.Name); ok {
			r.warn("name", "give the dataset a name that does not end in _"+t.Name,
				"the folder %s also has the related table %s of a dataset %s: readers of one would find the other", spec.Name, t.Name, other)
		}
	}
	for _, p := range portals {
		if jobfile.TypedName(p.Name) {
			r.portal = p.Name
			r.warn("name", "give it a name that begins with a letter, or query by the statements of `b24export sql`, which name the type",
				"query engines take the folder portal=%s for a number, a date or a boolean", p.Name)
		}
	}
	return r.lines
}

// idsLines checks the file of ids, if the job has one.
func idsLines(spec *jobfile.Spec) []CheckLine {
	if spec.Source.IDs.File == "" {
		return nil
	}
	const name = "source.ids.file"
	r := report{}
	if n, err := source.CheckIDs(spec.Source.IDs); err != nil {
		r.fail(name, err)
	} else {
		r.ok(name, "%d ids", n)
	}
	return r.lines
}

// FileProblems returns the failed lines for the error of a job file that cannot be
// loaded.
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

// report collects the lines of one portal, or of the job.
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

// fail records an error. Exhausted limits are only a warning, because a run waits for
// them.
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
