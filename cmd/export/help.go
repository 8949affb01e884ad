package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is the maximum width of the descriptions of flags.
const helpWidth = 100

// help writes a command's help: what the command does, examples, details, flags.
// The flags that all commands share are one line.
func help(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	writeHelp(&b, cmd)
	if shared := sharedFlags(cmd); len(shared) > 0 {
		fmt.Fprintf(&b, "\nFlags of every command: %s.\nb24export help all describes them.\n", strings.Join(shared, ", "))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help shows the help of one command", cmd.CommandPath())
		if !cmd.HasParent() {
			b.WriteString(", b24export help all that of every command")
		}
		b.WriteString(".\n")
	}
	io.WriteString(cmd.OutOrStdout(), b.String()) // the error shows when output is flushed
}

// sharedFlags returns the flags that the command has because every command has them.
func sharedFlags(cmd *cobra.Command) []string {
	var names []string
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// helpCommand returns the command help, which shows the help of one command or of all.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND | all]",
		Example: `b24export help run
b24export help all | less`,
		Short: "Show the help of a command, or of all commands on one page.",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			if len(args) == 1 && args[0] == "all" {
				helpAll(root)
				return nil
			}
			asked, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef(cmd, "no command %s", shownArg(strings.Join(args, " ")))
			}
			asked.InitDefaultHelpFlag()
			return asked.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			names := []string{"all"}
			for _, sub := range cmd.Root().Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// completionExamples has an example for each command of the library.
var completionExamples = map[string]string{
	"completion": "b24export completion bash > /etc/bash_completion.d/b24export",
	"bash":       "source <(b24export completion bash)",
	"zsh":        `b24export completion zsh > "${fpath[1]}/_b24export"`,
	"fish":       "b24export completion fish > ~/.config/fish/completions/b24export.fish",
	"powershell": "b24export completion powershell | Out-String | Invoke-Expression",
}

// addCompletion adds the command that prints completion scripts, with examples.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if cmd, _, err := root.Find([]string{"completion"}); err == nil {
		cmd.Short, cmd.Long = "Print the completion script for a shell.", ""
		cmd.Example = completionExamples[cmd.Name()]
		for _, shell := range cmd.Commands() {
			shell.Short = "Print the completion script for " + shell.Name() + "."
			_, shell.Long, _ = strings.Cut(shell.Long, "\n") // the first line is the same as Short
			shell.Example = completionExamples[shell.Name()]
		}
	}
}

// helpAll writes the help of the program and of each command as one page.
func helpAll(root *cobra.Command) {
	var b strings.Builder
	root.InitDefaultHelpFlag()
	writeHelp(&b, root)
	var write func(cmd *cobra.Command)
	write = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if !sub.IsAvailableCommand() {
				continue
			}
			title := sub.CommandPath()
			fmt.Fprintf(&b, "\n\n%s\n%s\n\n", title, strings.Repeat("=", len(title)))
			writeHelp(&b, sub)
			write(sub)
		}
	}
	write(root)
	io.WriteString(root.OutOrStdout(), b.String()) // the error shows when output is flushed
}

// writeHelp writes a command's help without the flags that all commands share.
func writeHelp(b *strings.Builder, cmd *cobra.Command) {
	b.WriteString(cmd.Short + "\n")
	if cmd.HasExample() {
		b.WriteString("\nExamples:\n" + indent(cmd.Example) + "\n")
	}
	if cmd.Long != "" {
		b.WriteString("\n" + strings.TrimSpace(cmd.Long) + "\n")
	}
	if cmd.HasParent() {
		fmt.Fprintf(b, "\nUsage: %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(b, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	own, keys := new(pflag.FlagSet), new(pflag.FlagSet)
	own.SortFlags, keys.SortFlags = false, false
	cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[keyAnnotation] != nil {
			keys.AddFlag(f)
		} else {
			own.AddFlag(f)
		}
	})
	title := "Flags"
	if !cmd.HasParent() {
		title = "Flags of every command"
	}
	writeFlags(b, title, own)
	writeFlags(b, "Flags that replace keys of the job file", keys)
	if !cmd.HasParent() {
		b.WriteString("\nExit codes:\n" + exitCodesHelp + "\n")
	}
}

func writeFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(b, "\n%s:\n%s", title, flags.FlagUsagesWrapped(helpWidth))
	}
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// exitCodesHelp is the short form of the manual's table.
const exitCodesHelp = `    0  complete
    1  failed; readers see no unfinished work, and running again resumes
    2  usage or job file wrong; nothing was started
    3  published, with rejects below the job's threshold
    4  the portal refuses: token, rights, scope, plan or block
    5  another run holds this job's lease
   75  gave up on something temporary; running again resumes
  130  interrupted by a signal; running again resumes`

// choice is a flag whose value is one of several names.
type choice struct {
	value *string
	names []string
}

// oneOf returns a choice of names. The first name is the default.
func oneOf(value *string, names ...string) *choice {
	*value = names[0]
	return &choice{value: value, names: names}
}

// String returns the chosen name.
func (c *choice) String() string {
	if c.value == nil { // the zero value, which the flag library asks for
		return ""
	}
	return *c.value
}

// Set chooses a name.
func (c *choice) Set(name string) error {
	if !slices.Contains(c.names, name) {
		return fmt.Errorf("must be one of %s", strings.Join(c.names, ", "))
	}
	*c.value = name
	return nil
}

// Type returns the type that the help shows for the flag.
func (c *choice) Type() string { return "name" }
