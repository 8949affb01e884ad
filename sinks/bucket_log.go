package sinks

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"
	"gocloud.dev/blob"
)

// logTo makes the client of S3 write its log lines to log. By default they go to
// standard error in the client's own format, whatever the format of the program is.
// Other clients have no logger that can be set here.
//
// It must be called before the first request. gocloud accepts no client together with a
// URL, so logTo changes the client that gocloud created. A bucket that is opened with a
// client would lose the parameters of the URL.
func logTo(b *blob.Bucket, log *slog.Logger) {
	var client *s3.Client
	if !b.As(&client) {
		return
	}
	*client = *s3.New(client.Options(), func(o *s3.Options) { o.Logger = &clientLog{log: log} })
}

// clientLog writes the lines of a cloud's client to a Logger. A warning is a WARN the
// first time and a DEBUG line after that, because a store without checksums causes the
// same one at each read. It is safe for concurrent use.
type clientLog struct {
	log  *slog.Logger
	seen sync.Map // the formats of warnings so far
}

var _ logging.Logger = (*clientLog)(nil)

// Logf implements logging.Logger. The client's debug lines can have headers of
// requests; it writes them only if its log mode is set, which this program never does.
func (l *clientLog) Logf(class logging.Classification, format string, args ...any) {
	level := slog.LevelDebug
	if class == logging.Warn {
		if _, again := l.seen.LoadOrStore(format, true); !again {
			level = slog.LevelWarn
		}
	}
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "storage client: "+fmt.Sprintf(format, args...))
	}
}
