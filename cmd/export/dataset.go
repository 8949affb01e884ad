package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
	"b24export/sinks"
)

// dataset is an open dataset of a job.
type dataset struct {
	*sinks.Dataset
	portal string
	close  func() error
}

// openData opens the dataset of a job's portal. The caller closes it.
func (p *program) openData(ctx context.Context, spec *jobfile.Spec, portal string) (*dataset, error) {
	data, closeData, err := jobs.OpenDataset(ctx, spec, portal, &jobs.RunOptions{Program: programName(), Log: p.log})
	if err != nil {
		return nil, err
	}
	return &dataset{data, portal, closeData}, nil
}

// openOne opens the dataset of the one portal that args and from choose, and returns
// its job too. The caller closes the dataset.
func (p *program) openOne(ctx context.Context, from *reading, args []string) (loadedJob, *dataset, error) {
	job, err := from.loadOne(ctx, p, args)
	if err != nil {
		return job, nil, err
	}
	portal, err := onePortal(job.spec, from.only)
	if err != nil {
		return job, nil, err
	}
	data, err := p.openData(ctx, job.spec, portal)
	return job, data, err
}

// snapshot returns the manifest of the snapshot that name means; see find.
func (d *dataset) snapshot(ctx context.Context, name string) (*pipeline.Manifest, error) {
	id, err := d.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return d.Manifest(ctx, id)
}

// published returns the retained snapshots, oldest first, and an error if there is
// none.
func (d *dataset) published(ctx context.Context) ([]pipeline.SnapshotID, error) {
	ids, err := d.SnapshotIDs(ctx)
	if err == nil && len(ids) == 0 {
		err = fmt.Errorf("portal %s has no snapshot yet; b24export run makes one", d.portal)
	}
	return ids, err
}

// checkPortals returns an error if the job lacks one of the portals in only.
func checkPortals(spec *jobfile.Spec, only []string) error {
	for _, name := range only {
		if !slices.Contains(slices.Collect(portalNames(spec, nil)), name) {
			return &startError{fmt.Errorf("the job has no portal %s; it has %s", shownArg(name), portalList(spec))}
		}
	}
	return nil
}

// onePortal returns the portal for a command that handles a single one: the one
// that --only names, or the job's only portal.
func onePortal(spec *jobfile.Spec, only []string) (string, error) {
	if err := checkPortals(spec, only); err != nil {
		return "", err
	}
	names := slices.Collect(portalNames(spec, only))
	switch {
	case len(names) == 1:
		return names[0], nil
	case len(only) > 0:
		return "", &startError{fmt.Errorf("--only names several portals: name one of %s", portalList(spec))}
	}
	return "", &startError{fmt.Errorf("the job has several portals: name one with --only: %s", portalList(spec))}
}

// portalList returns the names of a job's portals for an error message.
func portalList(spec *jobfile.Spec) string {
	names := slices.Collect(portalNames(spec, nil))
	if more := len(names) - namedPortals; more > 0 {
		return strings.Join(names[:namedPortals], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// addOnly adds --only, and --portal as another name for it. what is the usage
// text.
func addOnly(flags *pflag.FlagSet, only *[]string, what string) {
	flags.StringSliceVar(only, "only", nil, what)
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "portal" {
			name = "only"
		}
		return pflag.NormalizedName(name)
	})
}

// eachPortal calls do with the dataset of each of the jobs' portals, or of the portals
// in only. It continues after an error, except if the program has to end or the sink
// cannot be reached. It returns all errors joined.
func (p *program) eachPortal(ctx context.Context, loaded []loadedJob, only []string, do func(loadedJob, *dataset) error) error {
	var errs []error
	for _, job := range loaded {
		if err := checkPortals(job.spec, only); err != nil {
			return err
		}
		for portal := range portalNames(job.spec, only) {
			data, err := p.openData(ctx, job.spec, portal)
			if err != nil {
				return errors.Join(append(errs, err)...)
			}
			err = errors.Join(do(job, data), data.close())
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", portal, err))
			}
			if ctx.Err() != nil || errors.Is(err, errReaderGone) || err != nil && codeOf(err) == jobs.ExitTemporary {
				return errors.Join(errs...) // the sink cannot be reached for the other portals either
			}
		}
	}
	return errors.Join(errs...)
}

// portalNames returns the job's portals in its order, or those named in only.
func portalNames(spec *jobfile.Spec, only []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range spec.Portals {
			name := spec.Portals[i].Name
			if len(only) > 0 && !slices.Contains(only, name) {
				continue
			}
			if !yield(name) {
				return
			}
		}
	}
}
