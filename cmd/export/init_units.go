package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// serviceText and timerText are the units of one job. They do the same as those in
// deploy/systemd, for the user who created the job.
const serviceText = `# Export of %[1]s, once. Written by b24export init.
[Unit]
Description=Export of Bitrix24 payments (%[1]s)
StartLimitIntervalSec=6h
StartLimitBurst=8

[Service]
Type=oneshot
ExecStart=%[2]s
# Secrets that the job file refers to, as NAME=value; mode 0600.
EnvironmentFile=-%[3]s
# A failure, another run's lease, something temporary (1, 5, 75): again after ten
# minutes, and it resumes. A wrong job file and missing rights (2, 4) wait for a person.
Restart=on-failure
RestartSec=10min
RestartPreventExitStatus=2 4
TimeoutStopSec=30
TimeoutStartSec=infinity
`

const timerText = `# Every night. Written by b24export init.
[Unit]
Description=Nightly export of Bitrix24 payments (%[1]s)

[Timer]
OnCalendar=*-*-* %[2]s:00
Persistent=true

[Install]
WantedBy=timers.target
`

// writeUnits writes a service and a timer for the nightly run if a folder for them is
// set. It returns their paths.
func (n *newJob) writeUnits(name string) ([]string, error) {
	if n.systemd == "" {
		return nil, nil
	}
	if err := os.MkdirAll(n.systemd, 0o755); err != nil {
		return nil, &startError{fmt.Errorf("--systemd: %w", err)}
	}
	at := n.at
	if at == "" || at == noHour {
		at = "02:00"
	}
	unit := "b24export-" + name
	environment := strings.TrimSuffix(absolute(n.file), filepath.Ext(n.file)) + ".env"
	var units []string
	for _, u := range []struct{ kind, text string }{
		{"service", fmt.Sprintf(serviceText, unitText(name), unitText(n.command()+" --progress log"), unitText(environment))},
		{"timer", fmt.Sprintf(timerText, unitText(name), at)},
	} {
		path := filepath.Join(n.systemd, unit+"."+u.kind)
		if err := writeNew(path, []byte(u.text), 0o644, n.force); err != nil {
			return nil, err
		}
		units = append(units, path)
	}
	return units, nil
}

// unitText escapes a text for a unit.
func unitText(text string) string { return strings.NewReplacer("%", "%%", "$", "$$").Replace(text) }
