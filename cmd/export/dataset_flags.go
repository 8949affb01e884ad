package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"b24export/jobs/jobfile"
	"b24export/sinks"
	"b24export/sinks/address"
)

// reading selects the datasets that a command reads, and their portals: the datasets of
// job files, or with --from the one at a URL. Such a command needs no secret.
type reading struct {
	from, name string
	only       []string
}

// addFlags adds --from, --name and --only. what is the usage of --only.
func (r *reading) addFlags(flags *pflag.FlagSet, what string) {
	r.addSource(flags)
	addOnly(flags, &r.only, what)
}

// addSource adds --from and --name.
func (r *reading) addSource(flags *pflag.FlagSet) {
	flags.StringVar(&r.from, "from", "", "read the dataset at this `URL` or path instead of a job's")
	flags.StringVar(&r.name, "name", "payments", "`name` of the dataset, with --from")
}

// args returns the rule for a command's arguments: one to most of them (-1 means any
// number). The first one is what, a job file. With --from there is one argument less.
func (r *reading) args(most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		less := 0
		switch {
		case r.from != "":
			less = 1
		case cmd.Flags().Changed("name"):
			return usagef(cmd, "--name is for --from; a job file has its own")
		}
		switch {
		case len(args) < 1-less:
			return usagef(cmd, "%s or --from is missing", what)
		case r.from != "" && most < 0 && len(args) > 0:
			return usagef(cmd, "--from and a job file exclude each other: %s", shownArg(args[0]))
		case most >= 0 && len(args) > most-less:
			return usagef(cmd, "one argument too many: %s", shownArg(args[most-less]))
		}
		return nil
	}
}

// load reads the job files, or makes a job from --from.
func (r *reading) load(ctx context.Context, p *program, files []string) ([]loadedJob, error) {
	if r.from != "" {
		job, err := r.loadFrom(ctx)
		return []loadedJob{job}, err
	}
	return loadFiles(files, func(file string) (*jobfile.Spec, error) { return jobfile.LoadReading(file, p.lookup) })
}

// loadFiles reads job files with load. Its error has the problems of all of them.
func loadFiles(files []string, load func(file string) (*jobfile.Spec, error)) ([]loadedJob, error) {
	var loaded []loadedJob
	var errs []error
	for _, file := range files {
		spec, err := load(file)
		if err == nil {
			err = checkFormerSink(spec)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		loaded = append(loaded, loadedJob{file: file, spec: spec})
	}
	if len(errs) > 0 {
		return nil, &startError{errors.Join(errs...)}
	}
	return loaded, nil
}

// loadOne is load for a command that handles one job, the first of args.
func (r *reading) loadOne(ctx context.Context, p *program, args []string) (loadedJob, error) {
	if r.from != "" {
		return r.loadFrom(ctx)
	}
	jobs, err := r.load(ctx, p, args[:1])
	if err != nil {
		return loadedJob{}, err
	}
	return jobs[0], nil
}

// loadFrom makes a job from the dataset at --from, with the portals of the dataset.
func (r *reading) loadFrom(ctx context.Context) (_ loadedJob, err error) {
	if _, err := jobfile.Reading(r.from, r.name, nil); err != nil {
		return loadedJob{}, &startError{err}
	}
	store, err := sinks.OpenStore(ctx, r.from, nil)
	if err != nil {
		return loadedJob{}, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	portals, err := sinks.Portals(ctx, store, r.name)
	if err != nil {
		return loadedJob{}, err
	}
	if len(portals) == 0 {
		return loadedJob{}, r.noDataset(ctx, store)
	}
	spec, err := jobfile.Reading(r.from, r.name, portals)
	if err != nil {
		return loadedJob{}, &startError{err}
	}
	from := "--from " + shellWord(r.from)
	if r.name != "payments" {
		from += " --name " + shellWord(r.name)
	}
	return loadedJob{from: from, spec: spec}, nil
}

// noDataset returns the error for a place that lacks the dataset. It names the datasets
// that are there.
func (r *reading) noDataset(ctx context.Context, store sinks.Store) error {
	at, err := address.Parse(r.from)
	if err != nil {
		return &startError{err}
	}
	if at.IsFolder() {
		if _, err := os.Stat(at.Folder()); errors.Is(err, fs.ErrNotExist) {
			return &startError{fmt.Errorf("--from %s: the folder does not exist", shownArg(r.from))}
		}
	}
	names, err := sinks.Datasets(ctx, store)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return &startError{fmt.Errorf("--from %s: there is no dataset; name the folder or the bucket that is sink.url in the job", shownArg(r.from))}
	}
	return &startError{fmt.Errorf("--from %s: there is no dataset %s; choose one with --name: %s", shownArg(r.from), r.name, strings.Join(names, ", "))}
}

// checkFormerSink returns an error if a relative sink.url had a dataset at the place
// where version 0.1.0 looked for it, and has none at the present place. A run would
// begin another dataset.
func checkFormerSink(spec *jobfile.Spec) error {
	if spec.Sink.Former == "" {
		return nil
	}
	has := func(folder string) bool {
		for _, place := range []string{"_runs", "_state"} {
			if _, err := os.Stat(filepath.Join(folder, place, spec.Name)); err == nil {
				return true
			}
		}
		return false
	}
	if !has(spec.Sink.Former) || has(spec.Sink.URL) {
		return nil
	}
	return fmt.Errorf("sink.url: %s is relative to the job file and means %s, where there is no dataset; version 0.1.0 exported to %s: move that folder, or write its whole path into the job file",
		spec.Sink.Former, spec.Sink.URL, absolute(spec.Sink.Former))
}

// absolute returns path as an absolute path, or unchanged if the working directory is
// not known.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}

// source returns what names the job on a command line: its file, or --from.
func (j *loadedJob) source() string {
	if j.file == "" {
		return j.from
	}
	return shellWord(j.file)
}

// isJobFile reports whether an argument can name a job file.
func isJobFile(arg string) bool { return !address.IsURL(arg) }
