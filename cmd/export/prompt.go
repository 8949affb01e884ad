package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker asks a person, or a program that writes standard input. Questions go to
// standard error, because standard output is for results.
type asker struct {
	in     *bufio.Reader
	file   *os.File // the terminal, nil if there is none
	screen *screen
}

func newAsker(in io.Reader, s *screen) *asker {
	a := &asker{in: bufio.NewReader(in), screen: s}
	if f, ok := in.(*os.File); ok && isTerminal(f) {
		a.file = f
	}
	return a
}

// say prints a text for the person who is asked. It ignores an error of the terminal,
// because the answer then fails too.
func (a *asker) say(text string) { _, _ = a.screen.Write([]byte(text)) }

// until asks until take accepts the answer; "" means byDefault. A terminal does not
// echo a hidden answer. If no person is asked, the first error of take ends until.
func (a *asker) until(ctx context.Context, question, byDefault string, hidden bool, take func(answer string) error) error {
	for {
		prompt := question + ": "
		if byDefault != "" {
			prompt = fmt.Sprintf("%s [%s]: ", question, byDefault)
		}
		a.say(prompt)
		answer, err := a.answer(ctx, hidden)
		if a.file == nil || hidden {
			a.say("\n") // the answer did not end the line
		}
		if err != nil {
			return err
		}
		if answer = strings.TrimSpace(answer); answer == "" {
			answer = byDefault
		}
		if err = take(answer); err == nil || a.file == nil {
			return err
		}
		a.screen.say(err, "")
	}
}

// maxAnswer is the maximum length of an answer in bytes.
const maxAnswer = 64 << 10

var errNoAnswer = errors.New("standard input ended before all questions were answered; --yes accepts the defaults, and flags give the other answers")

// answer reads a line. A read cannot be stopped: if ctx ends first, the read continues
// until the program ends.
func (a *asker) answer(ctx context.Context, hidden bool) (string, error) {
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1)
	var before *term.State
	if hidden && a.file != nil {
		var err error
		if before, err = term.GetState(int(a.file.Fd())); err != nil {
			return "", fmt.Errorf("read from the terminal: %w", err)
		}
	}
	// The goroutine owns the input until it has sent its line.
	go func() {
		if before != nil {
			text, err := term.ReadPassword(int(a.file.Fd()))
			lines <- line{string(text), err}
			return
		}
		text, err := a.line()
		lines <- line{text, err}
	}()
	select {
	case l := <-lines:
		switch {
		case errors.Is(l.err, io.EOF) && l.text == "":
			return "", &startError{errNoAnswer}
		case l.err != nil && !errors.Is(l.err, io.EOF):
			return "", fmt.Errorf("read the answer: %w", l.err)
		}
		return l.text, nil
	case <-ctx.Done():
		if before != nil {
			_ = term.Restore(int(a.file.Fd()), before) // the program is about to end
		}
		return "", context.Cause(ctx)
	}
}

// line reads a line of limited length.
func (a *asker) line() (string, error) {
	var b strings.Builder
	for b.Len() < maxAnswer {
		c, err := a.in.ReadByte()
		if err != nil || c == '\n' {
			return b.String(), err
		}
		b.WriteByte(c)
	}
	return "", errors.New("it is too long")
}
