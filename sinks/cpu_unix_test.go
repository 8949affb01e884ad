//go:build unix

package sinks

import (
	"syscall"
	"testing"
	"time"
)

// reportCPU measures the processor time of the whole process, including the garbage
// collector, until the returned function is called. It reports seconds per operation,
// and rows per second. An operation has rows rows.
func reportCPU(b *testing.B, rows int) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	return func() {
		cpu := (used() - before).Seconds() / float64(b.N)
		b.ReportMetric(cpu, "cpu-s/op")
		b.ReportMetric(float64(rows)/cpu, "rows/cpu-s")
	}
}
