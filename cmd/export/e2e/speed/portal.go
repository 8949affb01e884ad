package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// portal starts a fake portal without limits, and writes a job for it. A fleet is one
// portal at as many addresses of this machine. To the program they are different
// portals.
func (s *settings) portal(ctx context.Context, program, dir string, i int, f fleet) (job, webhook string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, program, "portal", "--json", "--addr", "0.0.0.0:0", "--payments", fmt.Sprint(f.payments),
		"--latency", s.latency.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", "", nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		return "", "", nil, fmt.Errorf("start a portal: %w", err)
	}
	var told struct {
		Webhook string `json:"webhook"`
	}
	if err := json.Unmarshal(line, &told); err != nil {
		return "", "", nil, fmt.Errorf("start a portal: %w", err)
	}
	hook, err := url.Parse(told.Webhook)
	if err != nil {
		return "", "", nil, err
	}
	var b strings.Builder
	b.WriteString("version: 1\nname: payments\nmode: full\nportals:\n")
	for n := range f.portals {
		hook.Host = fmt.Sprintf("127.0.0.%d:%s", n+1, hook.Port())
		fmt.Fprintf(&b, "  - name: p%d\n    webhook: %s\n    plan: unlimited\n", n, hook)
	}
	fmt.Fprintf(&b, "source:\n  enrich: %s\nsink:\n  url: ${SPEED_OUT}\n", s.enrich)
	job = filepath.Join(dir, fmt.Sprintf("job%d.yaml", i))
	return job, told.Webhook, stop, os.WriteFile(job, []byte(b.String()), 0o600)
}
