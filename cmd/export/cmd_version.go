package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"b24export/schemas"
)

// version is the release, set by the linker: -ldflags "-X main.version=1.2.3".
// Without it, the module's version counts, as go install sets it.
var version string

// build is what the binary knows of itself.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	// Modified reports changes in the work tree that the commit does not have.
	Modified      bool   `json:"modified,omitempty"`
	Go            string `json:"go"`
	Platform      string `json:"platform"`
	SchemaVersion int    `json:"schema_version"`
}

func buildInfo() build {
	b := build{
		Version:       version,
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
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// programName is how manifests, checkpoints and the portal's log know us.
func programName() string { return "b24export/" + buildInfo().Version }

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Example: "b24export version",
		Short:   "Print version, commit, Go and schema version.",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			b := buildInfo()
			if p.json {
				return p.stdout.line(b)
			}
			commit := b.Commit
			switch {
			case commit == "":
				commit = "unknown"
			case b.Modified:
				commit += ", modified"
			}
			_, err := fmt.Fprintf(p.stdout, "b24export %s\ncommit    %s\ngo        %s %s\nschema    %d\n",
				b.Version, commit, b.Go, b.Platform, b.SchemaVersion)
			return err
		},
	}
}
