package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// errReaderGone means that the reader of standard output has ended, as head does when
// it has enough. This is not a failure, but a command that only prints stops.
var errReaderGone = errors.New("standard output was closed by its reader")

// output is standard output. It is buffered and keeps its first error. It is safe for
// concurrent use.
//
// Write and Flush return no error if the reader has ended, because a run continues in
// that case. See untilGone.
type output struct {
	mu   sync.Mutex
	w    *bufio.Writer
	file *os.File // nil if it is not a file
	err  error
}

func newOutput(w io.Writer) *output {
	file, _ := w.(*os.File)
	return &output{w: bufio.NewWriterSize(w, 64<<10), file: file}
}

// Write writes to the buffer. After an error it writes nothing more.
func (o *output) Write(b []byte) (int, error) {
	if err := o.write(b); err != nil && !errors.Is(err, errReaderGone) {
		return 0, err
	}
	return len(b), nil
}

func (o *output) write(b []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		_, err := o.w.Write(b)
		o.note(err)
	}
	return o.err
}

// Flush writes the content of the buffer and returns the first error of output.
func (o *output) Flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.note(o.w.Flush())
	}
	if errors.Is(o.err, errReaderGone) {
		return nil
	}
	return o.err
}

func (o *output) note(err error) {
	switch {
	case err == nil:
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		o.err = errReaderGone
	default:
		o.err = &outputError{err}
	}
}

// untilGone is an output for commands that only print: its Write returns errReaderGone.
type untilGone struct{ *output }

func (u untilGone) Write(b []byte) (int, error) {
	if err := u.write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// line writes v as one line of JSON and flushes it.
func (o *output) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err := o.Write(append(b, '\n')); err != nil {
		return err
	}
	return o.Flush()
}

// isTerminal reports whether the output is a terminal.
func (o *output) isTerminal() bool { return isTerminal(o.file) }

// width returns the number of columns of a line: that of the terminal, else that of the
// variable COLUMNS. 0 means any number.
func (p *program) width() int {
	if p.stdout.isTerminal() {
		if w, _, err := term.GetSize(int(p.stdout.file.Fd())); err == nil && w > 0 {
			return w
		}
	}
	text, _ := p.lookup("COLUMNS")
	w, err := strconv.Atoi(text)
	if err != nil || w < 20 {
		return 0
	}
	return w
}

func isTerminal(f *os.File) bool { return f != nil && term.IsTerminal(int(f.Fd())) }

// screen is standard error. It keeps log lines, errors and progress from mixing. It is
// safe for concurrent use.
type screen struct {
	mu   sync.Mutex
	w    io.Writer
	file *os.File // nil if it is not a file
	// bottom are lines that stay below all others: progress bars. The cursor is after
	// the last one.
	bottom []string
}

func newScreen(w io.Writer) *screen {
	file, _ := w.(*os.File)
	return &screen{w: w, file: file}
}

// Write writes whole lines above the lines at the bottom.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bottom) == 0 {
		return s.w.Write(b)
	}
	_, err := io.WriteString(s.w, s.erase()+string(b)+strings.Join(s.bottom, "\n"))
	return len(b), err
}

// setBottom writes whole lines and replaces those at the bottom. It ignores errors of
// standard error, because no output is left to report them.
func (s *screen) setBottom(above string, lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	erase := s.erase()
	s.bottom = lines
	if frame := erase + above + strings.Join(lines, "\n"); frame != "" {
		_, _ = io.WriteString(s.w, frame)
	}
}

// endBottom leaves the lines at the bottom where they are. Later lines come below them.
func (s *screen) endBottom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bottom) > 0 {
		_, _ = io.WriteString(s.w, "\n")
	}
	s.bottom = nil
}

// erase returns the text that removes the lines at the bottom from the terminal. It
// counts the rows that they fill now: a terminal that has become narrower has wrapped
// them.
func (s *screen) erase() string {
	if len(s.bottom) == 0 {
		return ""
	}
	width, rows := s.width(), 0
	for _, line := range s.bottom {
		rows++
		if n := text.StringWidthWithoutEscSequences(line); width > 0 && n > width {
			rows += (n - 1) / width
		}
	}
	up := ""
	if rows > 1 {
		up = fmt.Sprintf("\x1b[%dA", rows-1)
	}
	return "\r" + up + "\x1b[J"
}

func (s *screen) isTerminal() bool { return isTerminal(s.file) }

// width returns the width of the terminal, 0 if there is none.
func (s *screen) width() int {
	if !s.isTerminal() {
		return 0
	}
	w, _, err := term.GetSize(int(s.file.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// outputError is the reason why standard output could not be written. It has no hint,
// because the hints of storage are about the sink.
type outputError struct{ err error }

func (e *outputError) Error() string { return "write standard output: " + e.err.Error() }

func (e *outputError) Unwrap() error { return e.err }
