package bitrix

import (
	"context"
	"log/slog"
	"time"
)

// logAttempts is the layer that logs each request, for debugging: the method, never the
// address or the parameters. It is left out if the log does not show it.
func logAttempts(log *slog.Logger, next handler) handler {
	if !log.Enabled(context.Background(), slog.LevelDebug) {
		return next
	}
	return func(ctx context.Context, x *exchange) (*answer, error) {
		start, before := time.Now(), x.waited
		a, err := next(ctx, x)
		waited := x.waited - before
		attrs := []slog.Attr{
			slog.String("method", x.method), slog.Int("commands", x.commands()), slog.Int("attempt", x.attempts),
			slog.Duration("waited", waited.Round(time.Millisecond)),
			slog.Duration("took", (time.Since(start) - waited).Round(time.Millisecond)),
		}
		if a != nil {
			attrs = append(attrs, slog.Int("status", a.status), slog.Int("bytes", len(a.body)))
		}
		if err != nil {
			attrs = append(attrs, slog.String("error", err.Error())) // no error contains a secret
		}
		log.LogAttrs(ctx, slog.LevelDebug, "request", attrs...)
		return a, err
	}
}
