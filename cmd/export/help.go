package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWidth is how wide the descriptions of flags may be.
const helpWidth = 100

// help writes a command's help: how it is used first, then what it does, then
// all its flags.
func help(cmd *cobra.Command, _ []string) {
	var b strings.Builder
	if cmd.HasExample() {
		b.WriteString(indent(cmd.Example) + "\n\n")
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	b.WriteString(strings.TrimSpace(text) + "\n")
	if cmd.HasParent() {
		fmt.Fprintf(&b, "\nUsage: %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands:\n")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-*s  %s\n", sub.NamePadding(), sub.Name(), sub.Short)
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
	writeFlags(&b, title, own)
	writeFlags(&b, "Flags in the place of the job's keys", keys)
	writeFlags(&b, "Flags of every command", cmd.InheritedFlags())
	if !cmd.HasParent() {
		b.WriteString("\nExit codes:\n" + exitCodesHelp + "\n")
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help tells more of a command.\n", cmd.CommandPath())
	}
	io.WriteString(cmd.OutOrStdout(), b.String()) // its error shows when output is flushed
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
    1  failed; nothing half-done is visible, and running again resumes
    2  usage or job file wrong; nothing was started
    3  published, with rejects below the job's threshold
    4  the portal refuses: token, rights, scope, plan or block
    5  another run holds this job's lease
   75  gave up on something temporary; running again resumes
  130  interrupted by a signal; running again resumes`

// choice is a flag that takes one of a few words.
type choice struct {
	value *string
	words []string
}

// oneOf makes a choice of words; the first one is the default.
func oneOf(value *string, words ...string) *choice {
	*value = words[0]
	return &choice{value: value, words: words}
}

// String is the chosen word.
func (c *choice) String() string {
	if c.value == nil { // the zero value, which the flag library asks for
		return ""
	}
	return *c.value
}

// Set chooses a word.
func (c *choice) Set(word string) error {
	for _, w := range c.words {
		if w == word {
			*c.value = word
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", strings.Join(c.words, ", "))
}

// Type names the kind of value in a help text that has no word for it.
func (c *choice) Type() string { return "word" }
