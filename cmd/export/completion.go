package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"b24export/jobs/jobfile"
)

// completeLimit is the most time that a completion spends reading names from a sink.
const completeLimit = 3 * time.Second

// addCompletions adds the completions that a shell offers for arguments and flags: job
// files, and the names, portals, snapshots and columns that a flag accepts. If a source
// of completions cannot be read, the shell offers none; a completion prints no error.
func (p *program) addCompletions(cmd *cobra.Command) {
	flags := cmd.Flags()
	completes := func(name string, offer cobra.CompletionFunc) {
		if cmd.Flag(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, offer) // it fails for an unknown flag only
		}
	}
	choices := func(f *pflag.Flag) {
		if c, ok := f.Value.(*choice); ok {
			completes(f.Name, cobra.FixedCompletions(c.names, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	flags.VisitAll(choices)
	cmd.PersistentFlags().VisitAll(choices)
	for _, key := range jobfile.Keys() {
		if key.Type == "name" && key.Names != nil && key.Flag != "" && flags.Lookup(key.Flag) != nil && flags.Lookup(key.Flag).Annotations[keyAnnotation] != nil {
			completes(key.Flag, cobra.FixedCompletions(key.Names, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	completes("only", p.completeList(p.portalsOf))
	completes("columns", p.completeList(columnsOf))
	completes("snapshot", func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return p.snapshotsOf(cmd, args), cobra.ShellCompDirectiveNoFileComp
	})
	if cmd.ValidArgsFunction == nil && strings.Contains(cmd.Use, "JOB") {
		cmd.ValidArgsFunction = p.completeArgs
	}
}

// completeArgs returns job files, for cat also Parquet files, and snapshots after the
// job file of diff.
func (p *program) completeArgs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	extensions := []string{"yaml", "yml"}
	switch {
	case cmd.Name() == "diff" && len(args) > 0:
		if len(args) > 2 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return p.snapshotsOf(cmd, args), cobra.ShellCompDirectiveNoFileComp
	case cmd.Name() == "cat":
		extensions = append(extensions, "parquet")
	}
	if len(args) > 0 && !strings.Contains(cmd.Use, "JOB…") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return extensions, cobra.ShellCompDirectiveFilterFileExt
}

// completeList returns names for a flag that accepts several, separated by commas. It
// omits names that the flag already has.
func (p *program) completeList(names func(*cobra.Command, []string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
		given, prefix := []string(nil), ""
		if at := strings.LastIndexByte(text, ','); at >= 0 {
			given, prefix = strings.Split(text[:at], ","), text[:at+1]
		}
		var offered []string
		for _, name := range names(cmd, args) {
			if !slices.Contains(given, name) {
				offered = append(offered, prefix+name)
			}
		}
		return offered, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// jobsOf returns the jobs that a command line names, by files or by --from.
func (p *program) jobsOf(cmd *cobra.Command, files []string) []loadedJob {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), completeLimit)
	defer cancel()
	var r reading
	if from := cmd.Flag("from"); from != nil && from.Changed {
		r.from, r.name = from.Value.String(), cmd.Flag("name").Value.String()
	}
	loaded, err := r.load(ctx, p, files)
	if err != nil {
		return nil
	}
	return loaded
}

// portalsOf returns the portals of the job on the command line.
func (p *program) portalsOf(cmd *cobra.Command, args []string) []string {
	var names []string
	for _, job := range p.jobsOf(cmd, args) {
		names = slices.AppendSeq(names, portalNames(job.spec, nil))
	}
	return names
}

// columnsOf returns the columns of the table that cat or diff prints.
func columnsOf(cmd *cobra.Command, _ []string) []string {
	is := func(flag string) bool { return cmd.Flags().Changed(flag) }
	table := payments
	switch {
	case is("changes"), cmd.Name() == "diff":
		table = changes
	case is("rejects"):
		table = rejects
	}
	var names []string
	for _, f := range table.schema().Fields() {
		names = append(names, f.Name)
	}
	return names
}

// snapshotsOf returns the snapshots of the portal on the command line, newest first.
// The words latest and previous precede them.
func (p *program) snapshotsOf(cmd *cobra.Command, args []string) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), completeLimit)
	defer cancel()
	names := []string{snapshotLatest, snapshotPrevious}
	found := p.jobsOf(cmd, args[:min(1, len(args))])
	if len(found) != 1 {
		return names
	}
	spec := found[0].spec
	only, _ := cmd.Flags().GetStringSlice("only") // none if the command lacks the flag
	for portal := range portalNames(spec, only) {
		data, err := p.openData(ctx, spec, portal)
		if err != nil {
			return names
		}
		ids, err := data.SnapshotIDs(ctx)
		if err == nil {
			for _, id := range slices.Backward(ids) {
				if !slices.Contains(names, string(id)) {
					names = append(names, string(id))
				}
			}
		}
		if err := data.close(); err != nil || ctx.Err() != nil {
			return names
		}
	}
	return names
}
