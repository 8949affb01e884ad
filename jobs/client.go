package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"b24export/bitrix"
	"b24export/jobs/jobfile"
	"b24export/sinks"
	"b24export/sinks/address"
)

var _ bitrix.TokenStore = (*sinks.Tokens)(nil)

func clientOptions(spec *jobfile.Spec, portal *jobfile.PortalSpec, o *RunOptions, log *slog.Logger) *bitrix.Options {
	return &bitrix.Options{
		Transport:  o.Transport,
		Limits:     portal.EffectiveLimits(),
		Patience:   spec.Patience,
		BatchNever: spec.Source.Batch == jobfile.BatchNever,
		Log:        log,
		UserAgent:  o.Program,
	}
}

// accessOf returns how to access a portal: its webhook, or its application.
func accessOf(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, log *slog.Logger) (bitrix.Access, error) {
	if portal.OAuth != nil {
		return applicationOf(ctx, spec, portal, log)
	}
	return bitrix.ParseWebhook(portal.Webhook.Reveal())
}

// applicationOf returns a portal's application, with the store of its tokens. It sends
// no request and reads no file.
func applicationOf(ctx context.Context, spec *jobfile.Spec, portal *jobfile.PortalSpec, log *slog.Logger) (*bitrix.Application, error) {
	o := portal.OAuth
	store, err := tokenStore(ctx, o.Tokens.Reveal(), &sinks.StoreOptions{Patience: spec.Patience, Log: log})
	if err != nil {
		return nil, err
	}
	return bitrix.NewApplication(o.Portal, o.ClientID, o.ClientSecret, o.Server, store)
}

// tokenStore opens the place where tokens are stored: a file, or an object of a bucket.
func tokenStore(ctx context.Context, place string, opts *sinks.StoreOptions) (bitrix.TokenStore, error) {
	at, err := address.Parse(place)
	if err != nil {
		return nil, fmt.Errorf("open the store of tokens: %w", err)
	}
	if at.IsFolder() {
		return bitrix.NewTokenFile(at.AsWritten()), nil
	}
	store, err := sinks.OpenTokens(ctx, at, opts)
	if err != nil {
		return nil, fmt.Errorf("open the store of tokens: %w", err)
	}
	return store, nil
}
