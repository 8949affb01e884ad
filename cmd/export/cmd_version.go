package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"b24export/schemas"
)

// These are set by the linker for a release:
//
//	-ldflags "-X main.version=1.2.3 -X main.commit=82a61c2… -X main.date=2026-11-28T10:00:00Z"
//
// Without them, version is the module's version, as go install sets it, and
// commit and date describe the checkout that was built.
var version, commit, date string

// build is the information that the binary has about its build.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Date is the date of the commit, in RFC 3339.
	Date string `json:"date,omitempty"`
	// Modified reports whether the work tree had changes that the commit does not have.
	Modified      bool   `json:"modified,omitempty"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	SchemaVersion int    `json:"schema_version"`
}

func buildInfo() build {
	b := build{
		Version:       version,
		Commit:        commit,
		Date:          date,
		Go:            runtime.Version(),
		Platform:      runtime.GOOS + "/" + runtime.GOARCH,
		SchemaVersion: schemas.Version,
	}
	info, ok := debug.ReadBuildInfo()
	if ok {
		if b.Version == "" && info.Main.Version != "(devel)" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = cmp.Or(b.Commit, s.Value)
			case "vcs.time":
				b.Date = cmp.Or(b.Date, s.Value)
			case "vcs.modified":
				b.Modified = commit == "" && s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// programName returns the name of the program in manifests, in checkpoints and in the
// portal's log.
func programName() string { return "b24export/" + buildInfo().Version }

// shortCommit returns the commit as Git shortens it, "" if the build does not know it.
func shortCommit() string { return fmt.Sprintf("%.7s", buildInfo().Commit) }

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Example: "b24export version",
		Short:   "Print version, commit, date, Go and schema version.",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return p.showVersion() },
	}
}

// showVersion prints the information about the build.
func (p *program) showVersion() error {
	b := buildInfo()
	if p.json {
		return p.stdout.line(b)
	}
	commit := cmp.Or(b.Commit, "unknown")
	if b.Modified {
		commit += ", modified"
	}
	_, err := fmt.Fprintf(p.stdout, "b24export %s\ncommit    %s\ndate      %s\ngo        %s %s\nschema    %d\n",
		b.Version, commit, cmp.Or(b.Date, "unknown"), b.Go, b.Platform, b.SchemaVersion)
	return err
}
