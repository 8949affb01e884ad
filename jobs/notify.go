package jobs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
)

// The limits of a notification. A run waits for it before it ends, and a receiver must
// not be able to delay that.
const (
	notifyTry   = 10 * time.Second
	notifyLimit = time.Minute
)

// signatureHeader has the form t=UNIX,v1=HEX: the second at which the notification was
// signed, and the HMAC-SHA256 of "UNIX." and the body, with notify.secret as the key.
const signatureHeader = "X-B24export-Signature"

// WantsNotice reports whether a job with n sends a notice of these outcomes. Rejects
// that the previous snapshot had as well do not count.
func WantsNotice(n *jobfile.NotifySpec, outcomes []Outcome) bool {
	on := func(event jobfile.Event) bool { return slices.Contains(n.On, event) }
	return n.URL != "" && slices.ContainsFunc(outcomes, func(o Outcome) bool {
		switch {
		case o.Exit != ExitComplete && o.Exit != ExitRejects:
			return on(jobfile.OnFailure)
		case o.NewRejects > 0 && on(jobfile.OnRejects):
			return true
		}
		return o.Skipped == nil && on(jobfile.OnSuccess)
	})
}

// Notify sends body, which is JSON, to n's address by POST. It retries for at most a
// minute, also after ctx is cancelled: an interrupted run sends a notice too. Errors
// contain only the host of the receiver's address. A nil transport means the network.
func Notify(ctx context.Context, n *jobfile.NotifySpec, body []byte, agent string, transport http.RoundTripper) error {
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyLimit)
	defer cancel()
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   notifyTry,
		// A redirect could send the notification to another address.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tries, last := 0, error(nil)
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		tries++
		err := send(ctx, client, n, body, agent)
		// If ctx ended the try, its error describes ctx, not the receiver.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		return struct{}{}, err
	}, backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(notifyLimit))
	if err == nil {
		return nil
	}
	if tries == 1 {
		return fmt.Errorf("notify %s: %w", receiverHost(n.URL), last)
	}
	return fmt.Errorf("notify %s: %w; %d tries in %.0f s", receiverHost(n.URL), last, tries, time.Since(start).Seconds())
}

func send(ctx context.Context, client *http.Client, n *jobfile.NotifySpec, body []byte, agent string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("notify.url is not an address"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", agent)
	if n.Secret != "" {
		req.Header.Set(signatureHeader, signature(n.Secret.Reveal(), time.Now(), body))
	}
	resp, err := client.Do(req)
	if err != nil {
		// The error's text contains the address, which may be a secret.
		u, ok := errors.AsType[*url.Error](err)
		switch {
		case ok && u.Timeout():
			return fmt.Errorf("no answer within %s", notifyTry)
		case ok:
			return u.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4096) // the text of the answer is not needed
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("the receiver answers %d", resp.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("the receiver answers %d: check notify.url", resp.StatusCode))
}

// signature signs body as of a moment. A receiver can then refuse messages that
// somebody else sent, or sends again later.
func signature(secret string, at time.Time, body []byte) string {
	second := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, second+".") // a hash returns no error
	mac.Write(body)
	return "t=" + second + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

func receiverHost(address bitrix.Secret) string {
	if u, err := url.Parse(address.Reveal()); err == nil {
		return u.Hostname()
	}
	return "the receiver"
}
