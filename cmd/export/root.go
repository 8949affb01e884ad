package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/spf13/cobra"
)

// program is one invocation: its environment, its output and its flags.
type program struct {
	// lookup reads the environment. Nothing below this package does.
	lookup func(name string) (string, bool)
	stdout *output
	stderr *screen
	// log writes to stderr. It is set before a command begins.
	log *slog.Logger

	json      bool
	logLevel  string
	logFormat string
	progress  string
}

// run executes the command in args and returns the exit code. It reads the
// environment through lookup only. When ctx ends, it saves a checkpoint and returns;
// the cause errInterrupted means a signal.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{
		lookup: lookup,
		stdout: newOutput(stdout),
		stderr: newScreen(stderr),
		log:    slog.New(slog.DiscardHandler),
	}
	root := p.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	return p.finish(root.ExecuteContext(ctx))
}

// keepOrder makes the library list commands in the order of the manual, not by name.
var keepOrder = sync.OnceFunc(func() { cobra.EnableCommandSorting = false })

func (p *program) rootCommand() *cobra.Command {
	keepOrder()
	var version bool
	root := &cobra.Command{
		Use: "b24export",
		Example: `b24export demo              # no account needed: a fake portal, exported to ./b24export-demo
b24export run job.yaml      # export, or resume an interrupted export
b24export cat job.yaml      # print the rows`,
		Short: "Export the payments of Bitrix24 portals to Parquet files.",
		Long: `The files go to a folder or a bucket, for DuckDB, BigQuery, ClickHouse and other
engines. An export uses a portal's limits fully and never exceeds them. It resumes
interrupted runs automatically.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return p.showVersion()
			}
			return cmd.Help()
		},
		PersistentPreRun: func(*cobra.Command, []string) { p.setUp() },
	}
	// The library's completion command keeps the output that is set when it is added.
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetHelpFunc(help)
	root.SetHelpCommand(helpCommand())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	root.SuggestionsMinimumDistance = 2
	root.Flags().BoolVar(&version, "version", false, "print version, commit, date, Go and schema version")
	flags := root.PersistentFlags()
	flags.BoolVar(&p.json, "json", false, "print one JSON object per line to standard output, for scripts")
	flags.Var(oneOf(&p.logLevel, "auto", "debug", "info", "warn", "error"), "log-level",
		"lowest level of log lines on standard error: debug, info, warn, error; auto: warn with a progress bar, otherwise info")
	flags.Var(oneOf(&p.logFormat, "text", "json"), "log-format", "format of log lines: text, json")
	flags.Var(oneOf(&p.progress, "auto", "bar", "log", "none"), "progress",
		"how progress is shown: bar, log (a line every 30 s), none; auto: bar on a terminal, none with --json, otherwise log")
	for _, cmd := range p.commands() {
		cmd.Flags().SortFlags = false
		p.addCompletions(cmd)
		root.AddCommand(cmd)
	}
	addCompletion(root)
	p.addCompletions(root)
	return root
}

// commands returns the program's own commands, in the order of the manual.
func (p *program) commands() []*cobra.Command {
	return []*cobra.Command{
		p.demoCommand(),
		p.initCommand(),
		p.runCommand(),
		p.checkCommand(),
		p.planCommand(),
		p.statusCommand(),
		p.snapshotsCommand(),
		p.catCommand(),
		p.diffCommand(),
		p.verifyCommand(),
		p.reportCommand(),
		p.authCommand(),
		p.sqlCommand(),
		p.pruneCommand(),
		p.forgetCommand(),
		p.renameCommand(),
		p.schemaCommand(),
		p.portalCommand(),
		p.versionCommand(),
	}
}

// unknownCommand rejects an argument that is not a command, and suggests a similar one.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := ""
	if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
		near = fmt.Sprintf("; did you mean %s?", names[0])
	}
	return usagef(cmd, "unknown command %s%s", shownArg(args[0]), near)
}

// noArgs, exactly and atLeastOne check the number of a command's arguments.
func noArgs(cmd *cobra.Command, args []string) error { return exactly(0, "")(cmd, args) }

func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < n:
			return usagef(cmd, "%s is missing", what)
		case len(args) > n:
			return usagef(cmd, "one argument too many: %s", shownArg(args[n]))
		}
		return nil
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef(cmd, "%s is missing", what)
		}
		return nil
	}
}
