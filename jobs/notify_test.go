package jobs

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/pipeline"
)

// notifySecret is wherever a secret may be. No error may show it.
const notifySecret = "MARKEDSECRET"

// receiver sends its answers one after another, and 200 after the last one. An answer
// of 0 is no answer at all.
type receiver struct {
	t       *testing.T
	answers []int
	got     []*http.Request
	bodies  []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.got, r.bodies = append(r.got, req), append(r.bodies, string(body))
	status := http.StatusOK
	if len(r.answers) > 0 {
		status, r.answers = r.answers[0], r.answers[1:]
	}
	if status == 0 {
		<-req.Context().Done() // a receiver that never answers
		return nil, req.Context().Err()
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Location": {"https://elsewhere.example.org/"}},
		Body: io.NopCloser(strings.NewReader("what it says: " + notifySecret)), Request: req,
	}, nil
}

func TestNotify(t *testing.T) {
	endless := make([]int, 1000)
	busy := make([]int, 1000)
	for i := range busy {
		busy[i] = http.StatusServiceUnavailable
	}
	for _, tt := range []struct {
		name    string
		answers []int
		tries   int // 0: more than one
		want    string
	}{
		{"at once", nil, 1, ""},
		{"after a fault", []int{500, 429}, 3, ""},
		{"after a time-out", []int{0}, 2, ""},
		{"wrong address", []int{404}, 1, "notify hooks.example.org: the receiver answers 404: check notify.url"},
		{"sent elsewhere", []int{302}, 1, "notify hooks.example.org: the receiver answers 302: check notify.url"},
		{"down", busy, 0, "notify hooks.example.org: the receiver answers 503; "},
		{"endless", endless, 0, "notify hooks.example.org: no answer within 10s; "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := jobfile.NotifySpec{URL: "https://hooks.example.org/" + notifySecret, Secret: bitrix.Secret(notifySecret)}
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // interrupted runs are notified too
				r := &receiver{t: t, answers: tt.answers}
				start := time.Now()
				err := Notify(ctx, &n, []byte(`{"exit":1}`), "b24export/1", r)
				if took := time.Since(start); took > notifyLimit+notifyTry {
					t.Errorf("took %s", took)
				}
				if text := fmt.Sprint(err); err == nil && tt.want != "" || err != nil && (tt.want == "" || !strings.HasPrefix(text, tt.want) || strings.Contains(text, notifySecret)) {
					t.Errorf("error %v, want %q", err, tt.want)
				}
				if text := fmt.Sprint(err); err != nil && len(r.got) > 1 && !strings.Contains(text, fmt.Sprintf("; %d tries in ", len(r.got))) {
					t.Errorf("error %v after %d tries", err, len(r.got))
				}
				if tt.tries > 0 && len(r.got) != tt.tries || tt.tries == 0 && len(r.got) < 2 {
					t.Errorf("%d attempts, want %d", len(r.got), tt.tries)
				}
				for i, req := range r.got {
					if req.Method != http.MethodPost || req.URL.Path != "/"+notifySecret || r.bodies[i] != `{"exit":1}` {
						t.Errorf("attempt %d: %s %s with %s", i, req.Method, req.URL.Path, r.bodies[i])
					}
					if err := checkSignature(req.Header.Get(signatureHeader), r.bodies[i]); err != nil {
						t.Errorf("attempt %d: %v", i, err)
					}
				}
			})
		})
	}
}

// checkSignature checks a signature as a receiver does.
func checkSignature(header, body string) error {
	at, sum, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	if !ok {
		return fmt.Errorf("signature %q", header)
	}
	mac := hmac.New(sha256.New, []byte(notifySecret))
	mac.Write([]byte(at + "." + body))
	if hex.EncodeToString(mac.Sum(nil)) != sum {
		return errors.New("wrong signature")
	}
	return nil
}

func TestNotifyWants(t *testing.T) {
	good, failed, skipped := Outcome{}, Outcome{Exit: ExitTemporary}, Outcome{Skipped: new(pipeline.Manifest)}
	interrupted, refused := Outcome{Exit: ExitInterrupted}, Outcome{Exit: ExitRefused}
	oldRejects, newRejects := Outcome{Exit: ExitRejects}, Outcome{Exit: ExitRejects, NewRejects: 2}
	allowed := Outcome{NewRejects: 2} // with RejectsOK
	for _, tt := range []struct {
		name     string
		on       []jobfile.Event
		outcomes []Outcome
		want     bool
	}{
		{"rejects are no failure", []jobfile.Event{jobfile.OnFailure}, []Outcome{good, newRejects}, false},
		{"failure", []jobfile.Event{jobfile.OnFailure}, []Outcome{good, failed}, true},
		{"interruption", []jobfile.Event{jobfile.OnFailure}, []Outcome{interrupted}, true},
		{"new rejects", []jobfile.Event{jobfile.OnRejects}, []Outcome{good, newRejects}, true},
		{"new rejects that are no failure", []jobfile.Event{jobfile.OnRejects}, []Outcome{good, allowed}, true},
		{"rejects of the night before", []jobfile.Event{jobfile.OnRejects}, []Outcome{good, oldRejects}, false},
		{"no rejects", []jobfile.Event{jobfile.OnRejects}, []Outcome{good, failed}, false},
		{"success", []jobfile.Event{jobfile.OnSuccess}, []Outcome{good}, true},
		{"success with rejects", []jobfile.Event{jobfile.OnSuccess}, []Outcome{oldRejects}, true},
		{"no success", []jobfile.Event{jobfile.OnSuccess}, []Outcome{refused}, false},
		{"nothing was run", []jobfile.Event{jobfile.OnSuccess}, []Outcome{skipped}, false},
		{"nobody asks", nil, []Outcome{good, failed, newRejects}, false},
	} {
		n := jobfile.NotifySpec{URL: "https://hooks.example.org/", On: tt.on}
		if got := WantsNotice(&n, tt.outcomes); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
	if WantsNotice(&jobfile.NotifySpec{On: []jobfile.Event{jobfile.OnSuccess}}, []Outcome{good}) {
		t.Error("nobody is named, and a notice is sent")
	}
}
