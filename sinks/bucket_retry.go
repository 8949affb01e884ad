package sinks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/cenkalti/backoff/v5"
	"gocloud.dev/gcerrors"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"
)

// attemptLimit is the maximum duration of an attempt of a small operation. Otherwise a
// connection that ended silently would block it until the system's TCP gives up.
const attemptLimit = time.Minute

// copyLimit is the maximum duration of an attempt of a server-side copy, which may copy
// gigabytes and reports nothing until it is done.
const copyLimit = 10 * time.Minute

// stall returns the time for which a storage may send no answer and accept no bytes of
// an upload. Clients have their own retries, whose errors are more exact than a
// timeout, so stall leaves them enough time.
func (s *Bucket) stall() time.Duration { return min(attemptLimit, max(s.patience, 10*time.Second)) }

// retry repeats an operation whose attempts are short.
func retry[T any](ctx context.Context, s *Bucket, op, key string, attempt func(context.Context) (T, error)) (T, error) {
	return retryLong(ctx, s, op, key, func(ctx context.Context) (T, error) {
		ctx, cancel := context.WithTimeout(ctx, s.stall())
		defer cancel()
		return attempt(ctx)
	})
}

// retryLong repeats an operation until it succeeds, fails permanently, or has had only
// temporary faults for as long as the store's patience.
func retryLong[T any](ctx context.Context, s *Bucket, op, key string, attempt func(context.Context) (T, error)) (T, error) {
	if ctx.Err() != nil {
		return *new(T), context.Cause(ctx)
	}
	if op != "list" {
		if err := checkKey(key); err != nil {
			return *new(T), fmt.Errorf("%s: %w", op, err)
		}
	}
	limit := &patience{limit: s.patience, ExponentialBackOff: backoff.NewExponentialBackOff()}
	limit.MaxInterval = 15 * time.Second
	var telling error
	v, err := backoff.Retry(ctx, func() (T, error) {
		v, err := attempt(ctx)
		if err == nil {
			return v, nil
		}
		if !temporary(ctx, err) {
			return v, backoff.Permanent(err)
		}
		if telling == nil || !errors.Is(err, context.DeadlineExceeded) {
			telling = err
		}
		return v, err
	}, backoff.WithBackOff(limit), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, wait time.Duration) {
		s.log.Warn("storage fault, trying again", "op", op, "object", key, "error", scrub(err), "wait", wait.Round(time.Millisecond))
	}))
	if err == nil {
		return v, nil
	}
	var own ownError
	switch {
	case errors.As(err, &own):
		if errors.Is(own.error, ErrExists) || op == "read" {
			return v, fmt.Errorf("%s %s: %w", op, key, own.error)
		}
		return v, own.error
	case ctx.Err() != nil:
		return v, context.Cause(ctx)
	case lacksLogin(err):
		return v, fmt.Errorf("%s %s in %s: %w: %w", op, key, s.name, ErrNoLogin, scrub(err))
	case refusesChecksums(err):
		return v, fmt.Errorf("%s %s: %w: %w", op, key, ErrChecksums, scrub(err))
	case isNotFound(err) && (op == "list" || op == "put" || op == "create"):
		// Neither of these operations needs an existing object: the bucket does not
		// exist.
		return v, fmt.Errorf("%s %s in %s: %w: %w", op, key, s.name, ErrNoBucket, scrub(err))
	case isNotFound(err):
		return v, fmt.Errorf("%s %s: %w: %w", op, key, fs.ErrNotExist, scrub(err))
	case isDenied(err):
		return v, fmt.Errorf("%s %s: %w: check what the credentials may do in %s: %w", op, key, fs.ErrPermission, s.name, scrub(err))
	case temporary(ctx, err):
		return v, fmt.Errorf("%s %s: %w for %s: %w", op, key, ErrUnavailable, s.patience, scrub(telling))
	}
	return v, fmt.Errorf("%s %s: %w", op, key, scrub(err))
}

// ownError is an error of this program inside an attempt. It is permanent, and is not
// an error of the storage.
type ownError struct{ error }

func (e ownError) Unwrap() error { return e.error }

// patience computes the pauses between attempts until faults have lasted for limit. The
// time counts from the first fault, not from the start, because an upload may run for a
// long time before its first fault.
type patience struct {
	*backoff.ExponentialBackOff
	limit time.Duration
	since time.Time
}

// The retry loop calls Reset when it begins.
func (p *patience) Reset() {
	p.ExponentialBackOff.Reset()
	p.since = time.Time{}
}

// NextBackOff returns the pause before the next attempt, or backoff.Stop.
func (p *patience) NextBackOff() time.Duration {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	next := p.ExponentialBackOff.NextBackOff()
	if time.Since(p.since)+next > p.limit {
		return backoff.Stop
	}
	return next
}

// temporary reports whether a later attempt may succeed. An error that no rule knows is
// temporary: network errors have many forms, and patience is limited.
func temporary(ctx context.Context, err error) bool {
	var own ownError
	if ctx.Err() != nil || errors.As(err, &own) || lacksLogin(err) || isNotFound(err) || isDenied(err) {
		return false
	}
	switch code := httpStatus(err); {
	case code == http.StatusConflict:
		return passingConflict(err)
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code == http.StatusTooEarly:
		return true
	case code >= 400 && code < 500, code == http.StatusNotImplemented, code >= 300 && code < 400:
		return false
	}
	switch gcerrors.Code(err) {
	case gcerrors.InvalidArgument, gcerrors.AlreadyExists, gcerrors.FailedPrecondition, gcerrors.Unimplemented:
		return false
	}
	return true
}

// passingConflict reports whether a 409 is temporary, such as S3's for a write of the
// same key at the same time. Other 409s report an obstacle, such as an object at the
// place of the key's folder (versitygw: ObjectParentIsFile).
func passingConflict(err error) bool {
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) {
		return true
	}
	switch coded.ErrorCode() {
	case "", "Conflict", "ConditionalRequestConflict", "OperationAborted":
		return true
	}
	return false
}

// refusesConditions reports whether a server answered that it does not support
// conditional writes: 501, or 400 with the code of that status.
func refusesConditions(err error) bool {
	var coded interface{ ErrorCode() string }
	notImplemented := errors.As(err, &coded) && coded.ErrorCode() == "NotImplemented"
	status := httpStatus(err)
	return (status == http.StatusNotImplemented || status == http.StatusBadRequest && notImplemented) && !refusesChecksums(err)
}

// checksumWords are quoted by servers that do not know the checksums of requests.
// Backblaze names the header, and R2 the form in which the checksum follows the body.
var checksumWords = [...]string{"x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer", "payload-trailer"}

// refusesChecksums reports whether a server refused a request because of its checksum.
func refusesChecksums(err error) bool {
	if status := httpStatus(err); status != http.StatusNotImplemented && status != http.StatusBadRequest {
		return false
	}
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(checksumWords[:], func(word string) bool { return strings.Contains(text, word) })
}

// httpStatus returns the status of a server's answer, 0 if it is not known.
func httpStatus(err error) int {
	var (
		aws    interface{ HTTPStatusCode() int }
		google *googleapi.Error
		token  *oauth2.RetrieveError // of Google's login, which precedes the storage
		azure  *azcore.ResponseError
	)
	switch {
	case errors.As(err, &aws):
		return aws.HTTPStatusCode()
	case errors.As(err, &google):
		return google.Code
	case errors.As(err, &token) && token.Response != nil:
		return token.Response.StatusCode
	case errors.As(err, &azure):
		return azure.StatusCode
	}
	return 0
}

// isNotFound checks the status first. gocloud calls some refusals of Google "not
// found", and an object that may not be read is not absent.
func isNotFound(err error) bool {
	if code := httpStatus(err); code != 0 {
		return code == http.StatusNotFound
	}
	return gcerrors.Code(err) == gcerrors.NotFound
}

// isConflict reports whether a condition did not hold.
func isConflict(err error) bool {
	return gcerrors.Code(err) == gcerrors.FailedPrecondition || httpStatus(err) == http.StatusPreconditionFailed
}

func isDenied(err error) bool {
	code := httpStatus(err)
	return code == http.StatusUnauthorized || code == http.StatusForbidden || gcerrors.Code(err) == gcerrors.PermissionDenied
}

// canStream reports whether a failed server-side copy can be replaced by a download and
// an upload.
func canStream(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, ErrUnavailable) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// urlParameters matches text in a URL that may be a signature.
var urlParameters = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://[^\s?"'<>]*)\?[^\s"'<>]*`)

// urlUser matches credentials before a URL's host.
var urlUser = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?"'<>@]*@`)

// blobPrefix matches the prefix of gocloud's errors: the key, which the error already
// has, and a code.
var blobPrefix = regexp.MustCompile(`blob( \(key "[^"]*"\))? \(code=\w+\): `)

// scrub removes parameters and credentials of URLs from an error's text, and also text
// without information. The text is one line.
func scrub(err error) error {
	text := err.Error()
	if azure, ok := errors.AsType[*azcore.ResponseError](err); ok {
		text = strings.Replace(text, azure.Error(), azureText(azure), 1)
	}
	text = blobPrefix.ReplaceAllString(text, "")
	text = urlParameters.ReplaceAllString(text, "$1")
	text = urlUser.ReplaceAllString(text, "$1")
	if strings.ContainsAny(text, "\r\n") {
		text = strings.Join(strings.Fields(text), " ")
	}
	if text == err.Error() {
		return err
	}
	return &scrubbed{text: text, err: err}
}

// azureText returns the request, the status and the code of Azure's answer. The error's
// own text is several lines, with the whole body, which may quote what a client signed.
func azureText(err *azcore.ResponseError) string {
	text := fmt.Sprintf("status %d", err.StatusCode)
	if answer := err.RawResponse; answer != nil {
		text = answer.Status
		if r := answer.Request; r != nil {
			text = fmt.Sprintf("%s %s://%s%s: %s", r.Method, r.URL.Scheme, r.URL.Host, r.URL.EscapedPath(), text)
		}
	}
	if err.ErrorCode != "" {
		text += ": " + err.ErrorCode
	}
	return text
}

type scrubbed struct {
	text string
	err  error
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.err }
