package bitrixtest

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// FaultKind is what fails.
type FaultKind string

const (
	// FaultLostRequest closes the connection before the request is handled.
	FaultLostRequest FaultKind = "lost-request"
	// FaultLostAnswer handles the request, then closes the connection.
	FaultLostAnswer FaultKind = "lost-answer"
	// FaultTruncated handles the request and closes the connection halfway through the
	// answer.
	FaultTruncated FaultKind = "truncated"
	// FaultReset is like FaultTruncated, with a connection reset instead of an end.
	FaultReset FaultKind = "reset"
	// FaultHalfJSON handles the request and answers with the first half of the JSON as
	// a complete body.
	FaultHalfJSON FaultKind = "half-json"
	// FaultHTML answers with a page of HTML and Status, default 502.
	FaultHTML FaultKind = "html"
	// FaultSlow handles the request and sends the answer Delay later.
	FaultSlow FaultKind = "slow"
	// FaultEndless sends an endless body.
	FaultEndless FaultKind = "endless"
	// FaultBomb sends a small gzip body that unpacks to 64 GiB.
	FaultBomb FaultKind = "bomb"
	// FaultLarge handles the request and answers with Size bytes: the JSON, then blanks.
	FaultLarge FaultKind = "large"
	// FaultError answers the whole request with an error: Code, Status, Description.
	FaultError FaultKind = "error"
	// FaultCommand fails single calls, in a batch or not, with Code, Status and
	// Description.
	FaultCommand FaultKind = "command"
	// FaultWrongType handles the request and answers with a result of another type.
	FaultWrongType FaultKind = "wrong-type"
	// FaultResult handles single calls, in a batch or not, and returns Result instead
	// of their results. Totals do not change.
	FaultResult FaultKind = "result"
	// FaultBOM adds a byte order mark and blanks around the answer's JSON.
	FaultBOM FaultKind = "bom"
	// FaultComment adds an HTML comment after it, as some servers do.
	FaultComment FaultKind = "comment"
	// FaultWarning adds a PHP warning before it.
	FaultWarning FaultKind = "warning"
)

// around contains what these faults add before and after an answer's JSON.
var around = map[FaultKind][2]string{
	FaultBOM:     {"\ufeff \n", "\r\n "},
	FaultComment: {"<!-- cached -->", "\n<!-- 0.123 s -->\n"},
	FaultWarning: {"<br />\n<b>Warning</b>:  Undefined array key \"a\" in <b>/home/bitrix/www/x.php</b> on line <b>7</b><br />\n", ""},
}

var faultKinds = []FaultKind{
	FaultLostRequest, FaultLostAnswer, FaultTruncated, FaultReset, FaultHalfJSON, FaultHTML,
	FaultSlow, FaultEndless, FaultBomb, FaultLarge, FaultError, FaultCommand, FaultWrongType, FaultResult,
	FaultBOM, FaultComment, FaultWarning,
}

// ofCall reports whether the fault is about single calls, in a batch or not, instead of
// whole requests.
func (f *Fault) ofCall() bool { return f.Kind == FaultCommand || f.Kind == FaultResult }

// Fault defines what fails, and when. All given conditions must be true; a fault
// without conditions affects every request. Requests are numbered from 1 in the order
// of arrival, whatever their outcome.
type Fault struct {
	Kind FaultKind

	At       []int   // at these requests
	From, To int     // from this request to that one; 0: no bound
	Every    int     // at every n-th request
	Share    float64 // at this share of requests, or of calls for FaultCommand and FaultResult; seeded
	Method   string  // only at requests with this method (TokenMethod: for tokens); for those two, calls of it
	Times    int     // at most so often; 0: no bound

	// For FaultCommand and FaultResult, also:
	Places []int   // at these positions in a batch, from 0
	IDs    []int64 // at calls with one of these as the parameter id

	Status      int           // of FaultHTML and the errors; default by Code, else 500
	Code        string        // of the errors; default INTERNAL_SERVER_ERROR
	Description string        // of the errors
	Result      string        // of FaultResult: JSON; default null
	Delay       time.Duration // of FaultSlow; default 1 min. Not changed by Options.Speed
	Size        int           // of FaultLarge, in bytes; default 200 MB
}

func (f *Fault) validate() error {
	switch {
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("kind: %q: is none of %v", f.Kind, faultKinds)
	case f.Share < 0 || f.Share > 1:
		return fmt.Errorf("share: %v: must be from 0 to 1", f.Share)
	case !f.ofCall() && (f.Places != nil || f.IDs != nil):
		return fmt.Errorf("places and ids: are for a Kind of %s or %s only", FaultCommand, FaultResult)
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: %d: must be 200 to 599", f.Status)
	case f.Every < 0 || f.Times < 0 || f.Delay < 0:
		return fmt.Errorf("every, times and delay: must not be negative")
	case f.Size < 0:
		return fmt.Errorf("size: must not be negative")
	}
	return nil
}

// error returns the error that the fault sends.
func (f *Fault) error() *apiError {
	e := &apiError{f.Status, f.Code, isNumber(f.Code), f.Description}
	fill(&e.code, "INTERNAL_SERVER_ERROR")
	fill(&e.status, statuses[e.code])
	fill(&e.status, 500)
	fill(&e.text, "A fault of the fake portal")
	return e
}

// faultLog counts how often each fault has occurred. It is safe for concurrent use.
type faultLog struct {
	mu    sync.Mutex
	times []int
	total int64
	calls uint64 // calls checked for faults
}

// spend counts an occurrence of fault i. It returns false if that has occurred Times
// times.
func (l *faultLog) spend(i int, f *Fault) bool {
	for len(l.times) <= i {
		l.times = append(l.times, 0)
	}
	if f.Times > 0 && l.times[i] >= f.Times {
		return false
	}
	l.times[i]++
	l.total++
	return true
}

// atRequest returns the fault that occurs at a request, or nil.
func (l *faultLog) atRequest(c *config, number int64, method string) *Fault {
	if len(c.Faults) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range c.Faults {
		f := &c.Faults[i]
		if f.ofCall() || f.Method != "" && f.Method != method || !f.during(number) {
			continue
		}
		if f.Share > 0 && !c.faults.hit(uint64(number)<<8|uint64(i&255), f.Share) {
			continue
		}
		if l.spend(i, f) {
			return f
		}
	}
	return nil
}

func (f *Fault) during(number int64) bool {
	n := int(number)
	return (f.At == nil || slices.Contains(f.At, n)) &&
		n >= f.From && (f.To == 0 || n <= f.To) &&
		(f.Every == 0 || n%f.Every == 0)
}

// atCall returns the fault that occurs at a call, or nil. place is the call's position
// in its batch; id is its parameter of that name.
func (l *faultLog) atCall(c *config, number int64, method string, place int, id int64) *Fault {
	if len(c.Faults) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	for i := range c.Faults {
		f := &c.Faults[i]
		if !f.ofCall() || f.Method != "" && f.Method != method || !f.during(number) ||
			f.Places != nil && !slices.Contains(f.Places, place) ||
			f.IDs != nil && !slices.Contains(f.IDs, id) {
			continue
		}
		// By the call's number, so that a second attempt may succeed.
		if f.Share > 0 && !c.commandFaults.hit(l.calls<<8|uint64(i&255), f.Share) {
			continue
		}
		if l.spend(i, f) {
			return f
		}
	}
	return nil
}

// wrongResults have types that no method returns.
var wrongResults = []string{
	`null`, `"ok"`, `17`, `[[]]`, `true`, `{"result":"ok","payments":7}`,
}

const htmlPage = `<html>
<head><title>%d %s</title></head>
<body>
<center><h1>%[1]d %[2]s</h1></center>
<hr><center>nginx</center>
</body>
</html>
`
