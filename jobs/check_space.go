package jobs

import (
	"context"
	"fmt"

	"b24export/jobs/jobfile"
	"b24export/sinks"
)

// leastSpace is the smallest space that a run needs, for the segments of what it
// fetches.
const leastSpace = 64 << 20

// space checks whether the disk of a local sink has room for a run of each portal: for
// the segments, the table and its snapshot, each as large as the last table.
func (r *report) space(ctx context.Context, store sinks.Store, spec *jobfile.Spec, portals []*jobfile.PortalSpec, o *RunOptions) {
	free, known := sinks.FreeSpace(store)
	if !known {
		return
	}
	need := int64(leastSpace)
	for _, portal := range portals {
		m, err := sinks.New(store, datasetOptions(spec, portal, o)).Newest(ctx)
		if err != nil || m == nil {
			continue // another line reports what is wrong with it
		}
		for _, f := range m.Files {
			need += 3 * f.Bytes
		}
	}
	if free < need {
		r.warn("sink.space", "make room on the disk of sink.url, or lower sink.history",
			"%s free, a run may need %s", mebibytes(free), mebibytes(need))
		return
	}
	r.ok("sink.space", "%s free", mebibytes(free))
}

func mebibytes(n int64) string {
	if n < 10<<30 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d GiB", n>>30)
}
