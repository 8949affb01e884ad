package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"b24export/jobs"
	"b24export/jobs/jobfile"
	"b24export/sinks/address"
	"b24export/sinks/durable"
)

func (p *program) initCommand() *cobra.Command {
	n := newJob{p: p, flags: map[string]string{}}
	var name, portal, to, mode, plan, enrich string
	cmd := &cobra.Command{
		Use: "init",
		Example: `b24export init
B24_WEBHOOK=https://acme.bitrix24.com/rest/1/SECRET/ b24export init --to ./data --yes
b24export init --file acme.yaml --webhook-file acme.webhook --to gs://warehouse/bitrix24`,
		Short: "Create a job file, and check what it says.",
		Long: `Asks for the settings that no flag has set, on the terminal or from standard input.
It then checks portal and sink as the command check does, and writes a commented job
file. It overwrites an existing file only with --force.

The webhook is never written to the job file. If the variable B24_WEBHOOK is set, the
job file refers to the variable, which must then be set for each run. Otherwise init
asks for the webhook without showing it, and stores it in a separate file with mode
0600 beside the job file (see --webhook-file). If that file exists already, init uses
it unchanged.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, value := range map[string]string{"name": name, "portal": portal, "to": to, "mode": mode, "plan": plan, "enrich": enrich} {
				if cmd.Flags().Changed(flag) {
					n.flags[flag] = value
				}
			}
			if n.at != "" && n.at != noHour && !hourOfDay.MatchString(n.at) {
				return usagef(cmd, "--at %s: must be an hour such as 02:00, or none", shownArg(n.at))
			}
			n.asker = newAsker(cmd.InOrStdin(), p.stderr)
			return n.make(cmd)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.file, "file", "job.yaml", "the job `file` to write")
	flags.StringVar(&to, "to", "", "`URL` of the sink: s3://…, gs://…, azblob://…, file:///… or a path")
	flags.StringVar(&name, "name", "payments", "`name` of the dataset and its folder")
	flags.StringVar(&portal, "portal", "", "`name` of the portal; by default from its host")
	flags.StringVar(&mode, "mode", "incremental", "mode of the job, a `name`: incremental or full")
	flags.StringVar(&plan, "plan", "", "plan of the portal, a `name`: standard, enterprise or unlimited")
	flags.StringVar(&enrich, "enrich", "get", "where values come from, a `name`: get or list")
	flags.StringVar(&n.systemd, "systemd", "", "write a systemd service and timer for the nightly run into this `folder`, such as ~/.config/systemd/user")
	flags.StringVar(&n.secretFile, "webhook-file", "", "`file` that holds the webhook, or will hold it; by default beside the job file")
	flags.StringVar(&n.at, "at", "", "`time` of a nightly run, such as 02:00, for a crontab line in the job file; none: no such line")
	flags.BoolVar(&n.yes, "yes", false, "ask nothing: use defaults for everything that no flag sets")
	flags.BoolVar(&n.noCheck, "no-check", false, "write the job file without checking portal and sink")
	flags.BoolVar(&n.force, "force", false, "overwrite existing files")
	return cmd
}

// noHour is the value of --at for no nightly run.
const noHour = "none"

var hourOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// newJob is a job file while init creates it.
type newJob struct {
	p     *program
	asker *asker
	flags map[string]string // of the job's keys, given or answered

	file, secretFile, at, systemd string
	yes, noCheck, force           bool

	webhook   string // the secret itself
	reference string // the text in the job file that stands for the secret
	typed     bool   // the webhook was typed and belongs in secretFile
}

// initLine is the last line of init --json.
type initLine struct {
	File    string `json:"file"`
	Webhook string `json:"webhook"`
	// WebhookFile is the file with the webhook, "" if init did not write one.
	WebhookFile string   `json:"webhook_file"`
	Units       []string `json:"units,omitempty"`
	Portal      string   `json:"portal"`
	Exit        int      `json:"exit"`
}

// make asks for values, checks them, and writes the job file.
func (n *newJob) make(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if err := n.free(n.file); err != nil {
		return err
	}
	if err := n.findWebhook(ctx); err != nil {
		return err
	}
	if err := n.askKeys(ctx); err != nil {
		return err
	}
	asked, err := jobfile.FromFlags(n.flags, n.webhook)
	if err != nil {
		return &startError{err}
	}
	portal := asked.Portals[0].Name
	costs := n.costs(ctx, asked)
	if err := n.askEnrich(ctx, costs); err != nil {
		return err
	}
	to, err := n.sinkInFile()
	if err != nil {
		return err
	}
	command := n.command()
	file := jobfile.NewFile{
		Name: asked.Name, Mode: string(asked.Mode), Plan: n.flags["plan"], Portal: portal, To: to,
		Webhook: n.reference, Enrich: cmp.Or(n.flags["enrich"], "get"), Command: command, At: strings.TrimSuffix(n.at, noHour),
	}
	if costs != nil {
		file.Payments, file.Get, file.List = costs.ToList, costs.Job.Requests, costs.List.Requests
	}
	text := file.Bytes()
	spec, err := jobfile.Parse(n.file, text, n.p.lookup, n.readFile)
	if err != nil {
		return &startError{err}
	}
	if !n.noCheck {
		if err := n.try(ctx, spec); err != nil {
			return err
		}
	}
	written := ""
	if n.typed {
		if err := writeNew(n.secretFile, []byte(n.webhook+"\n"), 0o600, n.force); err != nil {
			return err
		}
		written = n.secretFile
	}
	if err := writeNew(n.file, text, 0o644, n.force); err != nil {
		return err
	}
	units, err := n.writeUnits(asked.Name)
	if err != nil {
		return err
	}
	if n.p.json {
		return n.p.stdout.line(initLine{File: n.file, Webhook: n.reference, WebhookFile: written, Units: units, Portal: portal})
	}
	return n.showNext(written, command, units)
}

// sinkInFile returns the sink as the job file names it. A relative path in a job file
// begins at the file's folder.
func (n *newJob) sinkInFile() (string, error) {
	to := n.flags["to"]
	if address.IsURL(to) || filepath.Dir(n.file) == "." {
		return to, nil
	}
	return relativeTo(n.file, to)
}

// costs predicts a first run with get and with list. It returns nil if the portal must
// not be asked, or if the prediction fails.
func (n *newJob) costs(ctx context.Context, asked *jobfile.Spec) *jobs.PortalPlan {
	if n.noCheck {
		return nil
	}
	plan, err := jobs.MakePlan(ctx, asked, asked.Portals[0].Name, &jobs.RunOptions{Program: programName(), Log: n.p.log, Cache: n.p.cacheFolder()})
	if err != nil {
		n.p.log.Debug("no prediction", "error", err) // the checks report what is wrong
		return nil
	}
	return &plan
}

// askEnrich asks where values come from, and shows what each choice costs.
func (n *newJob) askEnrich(ctx context.Context, costs *jobs.PortalPlan) error {
	if _, given := n.flags["enrich"]; given || n.yes {
		return nil
	}
	if costs != nil {
		n.asker.say(fmt.Sprintf("A run of %s takes %s if it gets each one, %s if it takes what the listing shows\n"+
			"(which may show dates otherwise on some servers, and payments that this user may not read).\n",
			plural(costs.ToList, "payment"), plural(costs.Job.Requests, "request"), grouped(costs.List.Requests)))
	}
	return n.asker.until(ctx, "Where values come from: get or list", "get", false, func(answer string) error {
		n.flags["enrich"] = answer
		return n.probe("enrich", answer)
	})
}

// command returns a command that runs the job from any folder. It has absolute paths,
// for cron and systemd.
func (n *newJob) command() string {
	program, err := os.Executable()
	if err != nil {
		program = "b24export"
	}
	return shellWord(program) + " run " + shellWord(absolute(n.file)) + " --rejects-ok --if-older 12h"
}

// free checks that a file can be created, before init asks for anything.
func (n *newJob) free(file string) error {
	info, err := os.Lstat(file)
	switch {
	case err == nil && info.IsDir():
		return &startError{fmt.Errorf("%s is a folder", printable(file))}
	case err == nil && !n.force:
		return &startError{fmt.Errorf("%s is there already; --force replaces it, --file names another one", printable(file))}
	}
	return nil
}

// findWebhook reads the webhook from its source, or asks for it.
func (n *newJob) findWebhook(ctx context.Context) error {
	if n.secretFile == "" {
		if webhook, ok := n.p.lookup(webhookVariable); ok && webhook != "" {
			n.webhook, n.reference = webhook, "${"+webhookVariable+"}"
			return n.probe("", "")
		}
		n.secretFile = strings.TrimSuffix(n.file, filepath.Ext(n.file)) + ".webhook"
	}
	inJob, err := relativeTo(n.file, n.secretFile)
	if err != nil {
		return err
	}
	if strings.ContainsAny(inJob, "}\n\r") || filepath.Clean(n.secretFile) == filepath.Clean(n.file) {
		return &startError{fmt.Errorf("--webhook-file %s: the webhook cannot be kept there; name another file", shownArg(n.secretFile))}
	}
	n.reference = "${file:" + inJob + "}"
	data, err := os.ReadFile(n.secretFile)
	switch {
	case err == nil:
		n.webhook = strings.TrimRight(string(data), "\r\n")
		return n.probe("", "")
	case !errors.Is(err, fs.ErrNotExist):
		return &startError{fmt.Errorf("read the webhook: %w", err)}
	case n.yes:
		return &startError{fmt.Errorf("no webhook: set the variable %s, or name a file that has it with --webhook-file", webhookVariable)}
	}
	n.typed = true
	n.asker.say("The webhook is the portal's address with its secret, https://HOST/rest/USER/SECRET/:\n" +
		"Bitrix24, Developer resources, Other, Inbound webhook, by an administrator, with the\n" +
		"scopes crm and sale. It will be kept in " + printable(n.secretFile) + ", which only you can read.\n")
	return n.asker.until(ctx, "Webhook (not shown)", "", true, func(answer string) error {
		n.webhook = answer
		return n.probe("", "")
	})
}

// probe returns what is wrong with the webhook, or with the value of one more key.
func (n *newJob) probe(flag, value string) error {
	flags := map[string]string{"to": "data"}
	if flag != "" {
		flags[flag] = value
	}
	if _, err := jobfile.FromFlags(flags, n.webhook); err != nil {
		return &startError{err}
	}
	return nil
}

// askKeys asks for the values that no flag has.
func (n *newJob) askKeys(ctx context.Context) error {
	spec, err := jobfile.FromFlags(map[string]string{"to": "data"}, n.webhook)
	if err != nil {
		return &startError{err}
	}
	for _, q := range []struct{ flag, question, byDefault string }{
		{"portal", "Name of the portal", spec.Portals[0].Name},
		{"to", "Where to: s3://…, gs://…, azblob://… or a folder", "./data"},
		{"mode", "What a run gets: incremental or full", "incremental"},
	} {
		if _, given := n.flags[q.flag]; given {
			continue
		}
		if n.yes {
			n.flags[q.flag] = q.byDefault
			continue
		}
		err := n.asker.until(ctx, q.question, q.byDefault, false, func(answer string) error {
			n.flags[q.flag] = answer
			return n.probe(q.flag, answer)
		})
		if err != nil {
			return err
		}
	}
	if n.at != "" || n.yes {
		return nil
	}
	return n.asker.until(ctx, "Hour of a nightly run, such as 02:00, or none", "02:00", false, func(answer string) error {
		if n.at = answer; answer != noHour && !hourOfDay.MatchString(answer) {
			return errors.New("must be an hour such as 02:00, or none")
		}
		return nil
	})
}

// readFile reads a file that the job refers to. The file of the webhook may not be
// written yet.
func (n *newJob) readFile(path string) ([]byte, error) {
	if filepath.Clean(path) == filepath.Clean(n.secretFile) || n.typed {
		return []byte(n.webhook), nil
	}
	return os.ReadFile(path)
}

// try checks what the job needs. If something is missing, the user can still choose to
// write the file.
func (n *newJob) try(ctx context.Context, spec *jobfile.Spec) error {
	c := checker{p: n.p, files: 1}
	width := len(spec.Portals[0].Name)
	for line := range jobs.Check(ctx, spec, &jobs.RunOptions{Program: programName(), Log: n.p.log, Cache: n.p.cacheFolder()}) {
		if err := c.show(n.file, width, line); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	failed := c.finish()
	if failed == nil || n.yes {
		return failed
	}
	again := false
	err := n.asker.until(ctx, "Write the job file anyway: yes or no", "no", false, func(answer string) error {
		again = answer == "yes" || answer == "y"
		return nil
	})
	if err != nil || again {
		return err
	}
	return failed
}

// showNext prints what init created, and what to do next.
func (n *newJob) showNext(secretFile, command string, units []string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\nwrote %s\n", printable(n.file))
	if secretFile != "" {
		fmt.Fprintf(&b, "wrote %s (the webhook; mode 0600: keep it out of repositories and backups that others read)\n", printable(secretFile))
	} else if strings.HasPrefix(n.reference, "${file:") {
		fmt.Fprintf(&b, "the webhook stays in %s\n", printable(n.secretFile))
	} else {
		fmt.Fprintf(&b, "the webhook stays in the variable %s, which each run needs\n", webhookVariable)
	}
	fmt.Fprintf(&b, "\nthe first export:\n  b24export run %s\n", printable(n.file))
	if len(units) > 0 {
		fmt.Fprintf(&b, "every night, by systemd (wrote %s):\n  systemctl --user daemon-reload && systemctl --user enable --now %s\n",
			printable(strings.Join(units, ", ")), filepath.Base(units[len(units)-1]))
	} else if hour, minute, ok := strings.Cut(n.at, ":"); ok {
		fmt.Fprintf(&b, "every night, by crontab -e:\n  %s %s * * * %s\n", minute, hour, printable(strings.ReplaceAll(command, "%", `\%`)))
		fmt.Fprintf(&b, "or by systemd, whose units init --systemd ~/.config/systemd/user writes\n")
	}
	_, err := io.Copy(untilGone{n.p.stdout}, &b)
	return err
}

// relativeTo returns path as a job file in its folder refers to it.
func relativeTo(file, path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	folder, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(folder, whole)
}

// writeNew writes a file completely or not at all. An existing file is replaced if
// force is true, and is an error otherwise.
func writeNew(path string, data []byte, mode fs.FileMode, force bool) error {
	err := durable.WriteFile(path, data, mode, force)
	switch {
	case errors.Is(err, fs.ErrExist):
		return &startError{fmt.Errorf("%s is there already; --force replaces it", printable(path))}
	case err != nil:
		return fmt.Errorf("write %s: %w", printable(path), err)
	}
	return nil
}
