package main

import (
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"b24export/pipeline"
)

// snapshotLine is a snapshot of snapshots --json.
type snapshotLine struct {
	Job        string              `json:"job,omitempty"`
	Portal     string              `json:"portal"`
	Snapshot   pipeline.SnapshotID `json:"snapshot"`
	Previous   pipeline.SnapshotID `json:"previous,omitempty"`
	Mode       pipeline.Mode       `json:"mode"`
	FinishedAt time.Time           `json:"finished_at"`
	Rows       int64               `json:"rows"`
	Changes    pipeline.Changes    `json:"changes"`
	Rejected   int64               `json:"rejected"`
	// Bytes is the size of the snapshot's own files.
	Bytes   int64  `json:"bytes"`
	Program string `json:"program"`
}

func (p *program) snapshotsCommand() *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use: "snapshots JOB…",
		Example: `b24export snapshots job.yaml
b24export snapshots job.yaml --json | jq -r .snapshot`,
		Short: "List the retained snapshots.",
		Long: `Lists each portal's snapshots, newest first, with their rows and changes. Wherever a
command takes a snapshot, it accepts an id from this list, the start of an id, a day
(the newest snapshot of that day, UTC), latest or previous.`,
		Args: r.args(-1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := r.load(cmd.Context(), p, args)
			if err != nil {
				return err
			}
			return p.eachPortal(cmd.Context(), loaded, r.only, func(job loadedJob, data *dataset) error {
				manifests, err := data.Snapshots(cmd.Context())
				if err != nil {
					return err
				}
				lines := make([]snapshotLine, len(manifests))
				for i, m := range manifests {
					lines[i] = snapshotOf(job.file, m)
					if !p.json {
						continue
					}
					if err := p.stdout.line(lines[i]); err != nil {
						return err
					}
				}
				if p.json {
					return nil
				}
				return writeSnapshots(p.stdout, data.portal, lines, time.Now(), p.width())
			})
		},
	}
	r.addFlags(cmd.Flags(), "list these `portals` only, comma-separated")
	return cmd
}

func snapshotOf(job string, m *pipeline.Manifest) snapshotLine {
	line := snapshotLine{
		Job: job, Portal: m.Portal, Snapshot: m.Snapshot, Previous: m.Previous, Mode: m.Mode, FinishedAt: m.FinishedAt,
		Rows: m.Ledger.Rows(), Changes: m.Changes, Rejected: m.Ledger.Rejected, Program: m.Program,
	}
	for _, f := range m.Files {
		line.Bytes += f.Bytes
	}
	return line
}

// snapshotColumns are the columns of the table of snapshots; see fitTable.
var snapshotColumns = []rankedColumn{
	{"snapshot", 0}, {"age", 1}, {"mode", 3}, {"rows", 0}, {"+", 2}, {"~", 2}, {"-", 2}, {"rejected", 1}, {"size", 4},
}

// writeSnapshots writes a portal's snapshots as a table.
func writeSnapshots(w io.Writer, portal string, lines []snapshotLine, now time.Time, width int) error {
	if len(lines) == 0 {
		_, err := io.WriteString(w, portal+"\n  none yet\n")
		return err
	}
	rows := make([]table.Row, len(lines))
	for i := range lines {
		l := &lines[i]
		rows[i] = table.Row{
			l.Snapshot, shortTime(now.Sub(l.FinishedAt)), string(l.Mode), grouped(l.Rows), grouped(l.Changes.Insert),
			grouped(l.Changes.Update), grouped(l.Changes.Delete), grouped(l.Rejected), byteSize(l.Bytes),
		}
	}
	if width > 0 {
		width -= 2 // the indent
	}
	_, err := io.WriteString(w, portal+"\n"+indentRight(fitTable(snapshotColumns, []string{"snapshot", "mode"}, rows, width).Render()))
	return err
}
