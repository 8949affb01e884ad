package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"b24export/bitrix"
	"b24export/jobs"
	"b24export/jobs/jobfile"
)

func (p *program) authCommand() *cobra.Command {
	var only []string
	cmd := &cobra.Command{
		Use: "auth JOB",
		Example: `b24export auth job.yaml
b24export auth job.yaml --only beta`,
		Short: "Get the first tokens of an OAuth portal, interactively.",
		Long: `Prints the address where an administrator of the portal approves the application.
It then reads the code, or the whole address that the browser was sent to, from
standard input. It exchanges the code for tokens, stores them where the job file
says, and tries them. A code is valid for 30 seconds, so paste it at once. From then
on, runs refresh the tokens automatically.`,
		Args: exactly(1, "a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := jobfile.Load(args[0], p.lookup)
			if err != nil {
				return &startError{err}
			}
			return p.authorize(cmd.Context(), spec, only, cmd.InOrStdin())
		},
	}
	addOnly(cmd.Flags(), &only, "get tokens for these `portals` only, comma-separated")
	return cmd
}

// authorize authorizes the portals, one after the other.
func (p *program) authorize(ctx context.Context, spec *jobfile.Spec, only []string, stdin io.Reader) error {
	ways, err := jobs.Authorizations(ctx, spec, &jobs.RunOptions{Program: programName(), Only: only, Log: p.log})
	if err != nil {
		return err
	}
	lines := newLines(stdin)
	for _, way := range ways {
		if err := p.showWay(way); err != nil {
			return err
		}
		pasted, err := lines.next(ctx)
		if err != nil {
			return err
		}
		done, err := way.Finish(ctx, pasted)
		if err != nil {
			return err
		}
		if p.json {
			if err := p.stdout.line(done); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(p.stdout, "tokens of %s are stored in %s and work; scopes: %s\n",
			done.Portal, printable(done.Tokens), printable(strings.Join(done.Scopes, ", "))); err != nil {
			return err
		}
		if err := p.stdout.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// codeLife is the time in seconds for which the authorization server accepts a code.
const codeLife = 30

func (p *program) showWay(way *jobs.Authorization) error {
	if p.json {
		return p.stdout.line(struct {
			Portal    string `json:"portal"`
			URL       string `json:"url"`
			CodeLives int    `json:"code_lives_s"`
		}{way.Portal, way.URL, codeLife})
	}
	if _, err := fmt.Fprintf(p.stdout, `%s: as an administrator of the portal, open

  %s

and paste here, within %d seconds, the address that the browser is sent to (or the
code in it):
`, way.Portal, way.URL, codeLife); err != nil {
		return err
	}
	return p.stdout.Flush()
}

// lines reads standard input line by line. A signal ends the wait for a line.
type lines struct {
	got chan line
}

type line struct {
	text string
	err  error
}

// longestLine is the maximum length of a pasted line in bytes. An address with a code
// has some 300 characters.
const longestLine = 16 << 10

// newLines starts a goroutine that reads r. A read cannot be interrupted, so the
// goroutine ends with its input or with the program.
func newLines(r io.Reader) *lines {
	l := &lines{got: make(chan line)}
	go func() {
		in := bufio.NewScanner(r)
		in.Buffer(make([]byte, 4096), longestLine)
		for in.Scan() {
			if strings.TrimSpace(in.Text()) != "" {
				l.got <- line{text: in.Text()}
			}
		}
		err := in.Err()
		if err == nil {
			err = io.EOF
		}
		l.got <- line{err: err}
	}()
	return l
}

func (l *lines) next(ctx context.Context) (bitrix.Secret, error) {
	select {
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case got := <-l.got:
		switch {
		case errors.Is(got.err, io.EOF):
			return "", &startError{errors.New("standard input ended before a code came: paste the address that the browser is sent to, or pipe it in")}
		case errors.Is(got.err, bufio.ErrTooLong):
			return "", &startError{errors.New("what was pasted is too long to be an address with a code")}
		case got.err != nil:
			return "", fmt.Errorf("read standard input: %w", got.err)
		}
		return bitrix.Secret(got.text), nil
	}
}
