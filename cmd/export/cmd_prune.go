package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (p *program) pruneCommand() *cobra.Command {
	var (
		r      reading
		dryRun bool
	)
	cmd := &cobra.Command{
		Use: "prune JOB…",
		Example: `b24export prune job.yaml --dry-run
b24export prune job.yaml`,
		Short: "Delete snapshots past retention and files that no manifest names.",
		Long: `Deletes the snapshots that exceed sink.history and the files that no manifest names,
and prints their paths. Each run does the same at its end. Unfinished work of a run is
kept. Portals that the job does not name are not touched, but named: forget deletes
them.`,
		Args: r.args(-1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := r.load(cmd.Context(), p, args)
			if err != nil {
				return err
			}
			total := 0
			err = p.eachPortal(cmd.Context(), loaded, r.only, func(job loadedJob, data *dataset) error {
				paths, err := data.Prune(cmd.Context(), dryRun)
				if err != nil {
					return err
				}
				total += len(paths)
				for _, path := range paths {
					if p.json {
						err = p.stdout.line(struct {
							Job     string `json:"job"`
							Portal  string `json:"portal"`
							Path    string `json:"path"`
							Deleted bool   `json:"deleted"`
						}{job.file, data.portal, path, !dryRun})
					} else {
						_, err = fmt.Fprintln(p.stdout, path)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err == nil && !p.json {
				verb := "deleted"
				if dryRun {
					verb = "would be deleted"
				}
				fmt.Fprintf(p.stderr, "%s %s\n", plural(int64(total), "object"), verb)
			}
			if err == nil && len(r.only) == 0 {
				err = p.eachLeftOver(cmd.Context(), loaded)
			}
			return err
		},
	}
	r.addFlags(cmd.Flags(), "prune these `portals` only, comma-separated")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be deleted")
	return cmd
}
