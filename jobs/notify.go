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

// Bounds of a notification: a run's end waits for it, a receiver must not be
// able to hold it up.
const (
	notifyTry   = 10 * time.Second
	notifyLimit = time.Minute
)

// SignatureHeader has t=UNIX,v1=HEX: the second at which a notification was
// signed, and the HMAC-SHA256 of "UNIX." and the body under notify.secret.
const SignatureHeader = "X-B24export-Signature"

// WantsNotice reports whether a job with n sends a notice of these outcomes.
func WantsNotice(n *jobfile.NotifySpec, outcomes []Outcome) bool {
	return n.URL != "" && slices.ContainsFunc(outcomes, func(o Outcome) bool {
		switch o.Exit {
		case ExitComplete:
			return slices.Contains(n.On, jobfile.OnSuccess)
		case ExitRejects:
			return slices.Contains(n.On, jobfile.OnRejects) || slices.Contains(n.On, jobfile.OnSuccess)
		}
		return slices.Contains(n.On, jobfile.OnFailure)
	})
}

// Notify sends body, which is JSON, to n's address by POST. It tries again for a
// minute at most, also after ctx was cancelled: an interrupted run sends a notice
// too. Errors name the receiver's host and nothing else of its address. A nil
// transport is the network.
func Notify(ctx context.Context, n *jobfile.NotifySpec, body []byte, agent string, transport http.RoundTripper) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyLimit)
	defer cancel()
	if transport == nil {
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	}
	client := &http.Client{
		Transport: transport,
		Timeout:   notifyTry,
		// What was meant for this address is for no other one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, send(ctx, client, n, body, agent) },
		backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxElapsedTime(notifyLimit))
	if err != nil {
		return fmt.Errorf("notify %s: %w", receiverHost(n.URL), err)
	}
	return nil
}

func send(ctx context.Context, client *http.Client, n *jobfile.NotifySpec, body []byte, agent string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.URL.Reveal(), bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(errors.New("notify.url is no address"))
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", agent)
	if n.Secret != "" {
		req.Header.Set(SignatureHeader, signature(n.Secret.Reveal(), time.Now(), body))
	}
	resp, err := client.Do(req)
	if err != nil {
		// The error's text has the address in it, and the address may be a secret.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4096) // what it says is nobody's business
	switch {
	case resp.StatusCode < 300:
		return nil
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	return backoff.Permanent(fmt.Errorf("it answers %d: look at notify.url", resp.StatusCode))
}

// signature signs body as of a moment, so that a receiver can refuse what
// somebody else sent, or sends again later.
func signature(secret string, at time.Time, body []byte) string {
	second := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	io.WriteString(mac, second+".") // a hash takes everything
	mac.Write(body)
	return "t=" + second + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

func receiverHost(address bitrix.Secret) string {
	if u, err := url.Parse(address.Reveal()); err == nil {
		return u.Hostname()
	}
	return "the receiver"
}
