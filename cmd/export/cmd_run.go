package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"b24export/jobs"
	"b24export/jobs/jobfile"
)

// webhookVariable is the environment variable of the webhook for run without a job
// file. A flag would show the secret to every user of the machine.
const webhookVariable = "B24_WEBHOOK"

// loadedJob is a job and its file, "" if the job comes from flags. Then from has the
// flags that name its dataset, if there are any.
type loadedJob struct {
	file string
	from string
	spec *jobfile.Spec
}

func (p *program) runCommand() *cobra.Command {
	var (
		opts  jobs.RunOptions
		shard string
		shown metricsFlags
	)
	cmd := &cobra.Command{
		Use: "run [JOB…]",
		Example: `b24export run job.yaml
b24export run job.yaml --only acme --mode full
B24_WEBHOOK=https://acme.bitrix24.com/rest/1/SECRET/ b24export run --to ./data`,
		Short: "Export payments, or resume an interrupted export.",
		Long: `Lists the payments of each portal in the job file, fetches the new and changed
payments, and publishes a snapshot. A run resumes the unfinished work of an earlier
run automatically, also on another machine.

Without a job file, the webhook comes from the variable B24_WEBHOOK and everything
else from flags. Every non-secret key of the job file has a flag. A flag overrides
the file.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if opts.Parallel < 1 {
				return usagef(cmd, "--parallel %d: must be at least 1", opts.Parallel)
			}
			if opts.IfOlder < 0 {
				return usagef(cmd, "--if-older %s: must not be negative", opts.IfOlder)
			}
			var err error
			if opts.Shard, err = jobs.ShardFrom(shard, p.lookup); err != nil {
				return usagef(cmd, "%w", err)
			}
			shown.instance = strings.Join(args, " ")
			if opts.Shard != (jobs.Shard{}) {
				shown.instance += " " + opts.Shard.String()
			}
			loaded, err := p.load(cmd, args)
			if err != nil {
				p.notStarted(shown, args)
				return err
			}
			return p.runJobs(cmd.Context(), loaded, opts, shown)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&opts.Only, "only", nil, "export these `portals` only, comma-separated")
	flags.IntVar(&opts.Parallel, "parallel", 16, "number of portals to export at the same time")
	flags.StringVar(&shard, "shard", "", "export the portals of shard `I/N`, such as 0/4; by default the shard in the variables of an array job")
	flags.BoolVar(&opts.Restart, "restart", false, "discard an unfinished snapshot instead of resuming it")
	flags.BoolVar(&opts.AllowDeletes, "allow-deletes", false, "let this run delete more rows than deletes.max allows")
	flags.BoolVar(&opts.RejectsOK, "rejects-ok", false, "exit with 0 instead of 3 if payments were rejected, but fewer than rejects.max")
	flags.Var((*duration)(&opts.IfOlder), "if-older", "skip portals whose newest snapshot is younger than this `duration`, such as 12h")
	flags.StringVar(&shown.file, "metrics-file", "", "write Prometheus metrics to this `file`, every 15 s and at the end, for node_exporter's textfile collector")
	flags.StringVar(&shown.address, "metrics-addr", "", "serve metrics at this `address` during the run, such as 127.0.0.1:9424; without a host, on the loopback address only")
	flags.StringVar(&shown.push, "metrics-push", "", "push metrics to the Pushgateway at this `URL`, every 15 s and at the end; the label instance is the job file and shard, or the value of ?instance=")
	addKeyFlags(flags)
	return cmd
}

// duration is a flag that is written like a duration in the job file: 7d is allowed.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return "" // the help shows no default
	}
	return time.Duration(*d).String()
}

func (d *duration) Set(text string) error {
	v, err := jobfile.ParseDuration(text)
	*d = duration(v)
	return err
}

func (d *duration) Type() string { return "duration" }

// keyFlag is a key of the job file as a flag. The rules of the job file parse its text.
type keyFlag struct{ text, kind string }

func (f *keyFlag) String() string        { return f.text }
func (f *keyFlag) Set(text string) error { f.text = text; return nil }
func (f *keyFlag) Type() string          { return f.kind }

// keyAnnotation marks the flags of the job file's keys for the help.
const keyAnnotation = "job key"

// addKeyFlags adds a flag for each key of the job file that has one.
func addKeyFlags(flags *pflag.FlagSet) {
	for _, key := range jobfile.Keys() {
		if key.Flag == "" {
			continue
		}
		place := key.Path
		if key.Default != "" {
			place += ", default " + key.Default
		}
		usage := fmt.Sprintf("%s (%s)", strings.ReplaceAll(key.Text, "`", ""), place)
		kind, _, isList := strings.Cut(key.Type, ":")
		switch {
		case kind == "true or false":
			kind = "bool"
		case isList:
			kind = "list"
		default:
			kind = kind[strings.LastIndexByte(kind, ' ')+1:]
		}
		flag := flags.VarPF(&keyFlag{kind: kind}, key.Flag, "", usage)
		flag.Annotations = map[string][]string{keyAnnotation: {key.Path}}
		if kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
}

// keyFlags returns the given flags of the job file's keys, by name.
func keyFlags(flags *pflag.FlagSet) map[string]string {
	given := make(map[string]string)
	flags.Visit(func(f *pflag.Flag) {
		if f.Annotations[keyAnnotation] != nil {
			given[f.Name] = f.Value.String()
		}
	})
	return given
}

// load reads the job files, or makes a job of flags if there are none. It
// reports what is wrong with any of them before anything is started.
func (p *program) load(cmd *cobra.Command, files []string) ([]loadedJob, error) {
	given := keyFlags(cmd.Flags())
	if len(files) == 0 {
		webhook, _ := p.lookup(webhookVariable)
		if webhook == "" && len(given) == 0 {
			return nil, usagef(cmd, "a job file is missing, or %s and --to", webhookVariable)
		}
		spec, err := jobfile.FromFlags(given, webhook)
		if err != nil {
			return nil, &startError{err}
		}
		return []loadedJob{{spec: spec}}, nil
	}
	for _, file := range files {
		if !isJobFile(file) {
			return nil, usagef(cmd, "%s is no job file; a webhook's address goes into the variable %s", shownArg(file), webhookVariable)
		}
	}
	return loadFiles(files, func(file string) (*jobfile.Spec, error) { return jobfile.LoadWith(file, p.lookup, given) })
}

// runJobs does the jobs one after another, each with its portals side by side.
func (p *program) runJobs(ctx context.Context, loaded []loadedJob, opts jobs.RunOptions, shown metricsFlags) error {
	opts.Program, opts.Build = programName(), shortCommit()
	opts.Log, opts.Cache = p.log, p.cacheFolder()
	seen, err := startMetrics(ctx, shown, p.log)
	if err != nil {
		return err
	}
	defer seen.close()
	if p.json {
		if err := p.protocol("run"); err != nil {
			return err
		}
	}
	var all []jobs.Outcome
	var unshown error // a job is not left undone because another's outcome cannot be printed
	for _, job := range loaded {
		outcomes := p.runJob(ctx, job, opts, seen)
		p.noteEnds(ctx, seen, job, outcomes)
		seen.jobEnded(job.file, jobs.ExitOfAll(outcomes))
		unshown = errors.Join(unshown, p.show(job, outcomes))
		p.notify(ctx, job, outcomes)
		all = append(all, outcomes...)
	}
	if code := jobs.ExitOfAll(all); code != jobs.ExitComplete {
		return exitCode(code)
	}
	return unshown
}

// runJob runs a job and shows its progress meanwhile; in metrics too, unless seen
// is nil.
func (p *program) runJob(ctx context.Context, job loadedJob, opts jobs.RunOptions, seen *exporter) []jobs.Outcome {
	raiseMemoryLimit(max(1, min(len(job.spec.Portals), opts.Parallel)))
	m := p.startMonitor(ctx)
	defer m.close()
	opts.Ended = m.ended
	opts.Watch = func(w *jobs.Watch) {
		m.watch(w)
		if seen != nil {
			seen.watch(job.spec.Name, w)
		}
	}
	return jobs.Run(ctx, job.spec, &opts)
}

// show prints the outcome of a job: results on standard output, errors on
// standard error.
func (p *program) show(job loadedJob, outcomes []jobs.Outcome) error {
	defer p.stdout.Flush()
	for i := range outcomes {
		if o := &outcomes[i]; o.Err != nil {
			err := o.Err
			if o.Portal != "" {
				err = fmt.Errorf("%s: %w", o.Portal, err)
			}
			p.stderr.say(err, jobs.Hint(o.Err))
		}
		if rejected := rejectsText(&outcomes[i]); rejected != "" {
			p.stderr.say(fmt.Errorf("%s: %s", outcomes[i].Portal, rejected), hintFor(job, &outcomes[i]))
		}
	}
	if text := unpublishedText(outcomes); text != "" {
		p.stderr.say(errors.New(text), "")
	}
	if p.json {
		for i := range outcomes {
			if err := p.stdout.line(lineOf(job, &outcomes[i])); err != nil {
				return err
			}
		}
		return nil
	}
	published := slices.ContainsFunc(outcomes, func(o jobs.Outcome) bool { return o.Summary.Manifest != nil })
	switch {
	case len(outcomes) > 1:
		if err := writeOutcomes(p.stdout, outcomes, p.width()); err != nil || !published {
			return err
		}
	case !published:
		if len(outcomes) == 1 && outcomes[0].Skipped != nil {
			m := outcomes[0].Skipped
			_, err := fmt.Fprintf(p.stdout, "%s: skipped, snapshot %s is %s old\n", m.Portal, m.Snapshot, shortTime(time.Since(m.FinishedAt)))
			return err
		}
		return nil
	default:
		if err := writeSummary(p.stdout, job.spec.Sink.URL, &outcomes[0]); err != nil {
			return err
		}
	}
	return writeNextSteps(p.stdout, job, outcomes)
}

// protocolVersion is that of the JSON lines. It rises if what is there changes
// its meaning; new fields do not raise it.
const protocolVersion = 1

// protocol writes the first line of a command whose output is a stream of
// events.
func (p *program) protocol(command string) error {
	return p.stdout.line(struct {
		Protocol int       `json:"protocol"`
		Program  string    `json:"program"`
		Command  string    `json:"command"`
		Started  time.Time `json:"started_at"`
	}{protocolVersion, programName(), command, time.Now().UTC()})
}
