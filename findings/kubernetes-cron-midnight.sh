#!/usr/bin/env bash
# robfig/cron v3.0.1, the parser and clock of Kubernetes' CronJob controller (k8s.io/kubernetes v1.37.2 requires it).
# Behaviour: a time that summer time skips is left out, not moved. Where the clock jumps at midnight, "0 0 * * *" has no
# run on that date at all. In autumn a time that occurs twice runs twice.
# Seen 2026-11-28: in Africa/Cairo no run on 2026-04-24; in America/Havana two on 2026-11-01; New York's "30 2 * * *" has
# none on 2026-03-08, and "30 1 * * *" two on 2026-11-01.
# Why it matters: "daily at midnight, local time" loses a day's partition once a year in some countries, and makes one
# twice in others, without a missed-run event, since no run was due. Schedule in UTC, or name partitions by their own date.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'END'
package main

import (
	"fmt"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func main() {
	for _, c := range [][2]string{
		{"0 0 * * *", "UTC"}, {"0 0 * * *", "Europe/Berlin"}, {"0 0 * * *", "Africa/Cairo"}, {"0 0 * * *", "America/Havana"},
		{"30 2 * * *", "America/New_York"}, {"30 1 * * *", "America/New_York"},
	} {
		zone, err := time.LoadLocation(c[1])
		if err != nil {
			panic(err)
		}
		schedule, err := cron.ParseStandard(c[0])
		if err != nil {
			panic(err)
		}
		runs := map[string]int{}
		end := time.Date(2027, 1, 1, 0, 0, 0, 0, zone)
		for t := schedule.Next(time.Date(2025, 12, 31, 23, 59, 59, 0, zone)); t.Before(end); t = schedule.Next(t) {
			runs[t.Format(time.DateOnly)]++
		}
		fmt.Printf("%s %s 2026:", c[0], c[1])
		for day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
			if n := runs[day.Format(time.DateOnly)]; n != 1 {
				fmt.Printf(" %d runs on %s", n, day.Format(time.DateOnly))
			}
		}
		fmt.Println()
	}
}
END
export GOWORK=off GOFLAGS=-mod=mod CGO_ENABLED=0
{ go mod init midnight && go get github.com/robfig/cron/v3@v3.0.1 && go build -o midnight .; } 2>log || { cat log >&2; exit 1; }
./midnight | tee saw

diff - saw <<'END' || { echo "the behaviour changed" >&2; exit 1; }
0 0 * * * UTC 2026:
0 0 * * * Europe/Berlin 2026:
0 0 * * * Africa/Cairo 2026: 0 runs on 2026-04-24
0 0 * * * America/Havana 2026: 0 runs on 2026-03-08 2 runs on 2026-11-01
30 2 * * * America/New_York 2026: 0 runs on 2026-03-08
30 1 * * * America/New_York 2026: 2 runs on 2026-11-01
END
