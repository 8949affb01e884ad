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

// startPortal serves a fake portal until stop is called.
func startPortal(ctx context.Context, program, addr string, flags ...string) (webhook string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"portal", "--json", "--addr", addr}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var told struct {
		Webhook string `json:"webhook"`
	}
	if err == nil {
		err = json.Unmarshal(line, &told)
	}
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start a portal: %w", err)
	}
	return told.Webhook, stop, nil
}

// portal starts a fake portal without limits, and writes a job for it. A fleet is one
// portal at as many addresses of this machine. To the program they are different
// portals.
func (s *settings) portal(ctx context.Context, program, dir string, i int, f fleet) (job, webhook string, stop func(), err error) {
	webhook, stop, err = startPortal(ctx, program, "0.0.0.0:0", "--payments", fmt.Sprint(f.payments), "--latency", s.latency.String())
	if err != nil {
		return "", "", nil, err
	}
	defer func() {
		if err != nil {
			stop()
		}
	}()
	hook, err := url.Parse(webhook)
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
	return job, webhook, stop, os.WriteFile(job, []byte(b.String()), 0o600)
}
