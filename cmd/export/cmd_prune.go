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
		Short: "Delete what is past retention, and what no manifest names.",
		Long: `Deletes snapshots beyond sink.history, and files that no manifest names, as the end
of a run does by itself. An unfinished run's work stays. It prints the paths.`,
		Args: r.args(1, -1, "a job file"),
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
			return err
		},
	}
	r.addFlags(cmd.Flags(), "these `portals` only; names between commas")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be deleted")
	return cmd
}
