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

// errReaderGone says that whoever read standard output has left, as head does
// once it has enough. That is no failure, but a reason to stop for a command
// that does nothing else than print.
var errReaderGone = errors.New("standard output was closed by its reader")

// output is standard output: buffered, and with an error that stays. It may be
// used concurrently.
//
// That its reader has left is no error of Write and Flush: a run continues all the
// same. See untilGone.
type output struct {
	mu   sync.Mutex
	w    *bufio.Writer
	file *os.File // nil if it is none
	err  error
}

func newOutput(w io.Writer) *output {
	file, _ := w.(*os.File)
	return &output{w: bufio.NewWriterSize(w, 64<<10), file: file}
}

// Write writes to the buffer. After an error nothing more is written.
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

// Flush writes what is in the buffer and returns the first error that output
// has had.
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

// untilGone is an output for commands that have nothing else to do than to
// print: errReaderGone is an error of its Write.
type untilGone struct{ *output }

func (u untilGone) Write(b []byte) (int, error) {
	if err := u.write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// line writes v as one line of JSON, at once.
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

// isTerminal reports whether a person looks at it.
func (o *output) isTerminal() bool { return isTerminal(o.file) }

// width is how many columns a line may have: the terminal's, else those of the
// variable COLUMNS; 0 is any number.
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

// screen is standard error: log lines, errors and progress, which must not run
// into each other. It may be used concurrently.
type screen struct {
	mu   sync.Mutex
	w    io.Writer
	file *os.File // nil if it is none
	// bottom are lines that stay below everything else: progress bars. The cursor
	// stands behind the last one.
	bottom []string
}

func newScreen(w io.Writer) *screen {
	file, _ := w.(*os.File)
	return &screen{w: w, file: file}
}

// Write writes whole lines, above the lines at the bottom.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bottom) == 0 {
		return s.w.Write(b)
	}
	_, err := io.WriteString(s.w, s.erase()+string(b)+strings.Join(s.bottom, "\n"))
	return len(b), err
}

// setBottom writes whole lines and replaces those at the bottom. What is wrong with
// standard error shows to nobody.
func (s *screen) setBottom(above string, lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	erase := s.erase()
	s.bottom = lines
	if frame := erase + above + strings.Join(lines, "\n"); frame != "" {
		_, _ = io.WriteString(s.w, frame)
	}
}

// endBottom leaves the lines at the bottom where they are; what follows comes below
// them.
func (s *screen) endBottom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.bottom) > 0 {
		_, _ = io.WriteString(s.w, "\n")
	}
	s.bottom = nil
}

// erase returns what takes the lines at the bottom off the terminal. It counts the
// rows that they fill now: a terminal that has become narrower has wrapped them.
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

// width is the terminal's, 0 if it is none.
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

// outputError is why standard output could not be written. It has no hint: those of
// storage are about the sink.
type outputError struct{ err error }

func (e *outputError) Error() string { return "write standard output: " + e.err.Error() }

func (e *outputError) Unwrap() error { return e.err }
