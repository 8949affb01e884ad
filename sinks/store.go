package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"b24export/sinks/address"
)

// Store stores objects under keys, which are slash-separated relative paths. Folder and
// Bucket implement it. All methods are safe for concurrent use.
//
// If a method returns nil, its effect is durable. If it returns an error, it may or may
// not have had its effect. Stores retry temporary faults themselves. The error for an
// absent object is fs.ErrNotExist, that for missing rights is fs.ErrPermission.
type Store interface {
	// Read returns a whole small object. An object above 64 MiB is an error.
	Read(ctx context.Context, key string) ([]byte, error)
	// Open opens an object for reading in parts. ctx applies to all reads. All reads
	// are of the object that was opened, or return ErrReplaced. The caller closes the
	// object.
	Open(ctx context.Context, key string) (Object, error)
	// Put creates or replaces an object with what write writes. Readers see the old
	// object or the new one. Put returns an error of write unchanged, and the object
	// then stays as it was. Put may call write again after a fault of the storage, and
	// write must then write the same bytes from the start.
	Put(ctx context.Context, key string, write func(io.Writer) error) error
	// Create creates an object that must not exist. Of all callers that create the same
	// key at once, one succeeds. It returns ErrExists if the object exists with other
	// bytes. It succeeds if the object has the same bytes, because an earlier attempt
	// may have created it although its answer was lost. Callers that compete must
	// therefore write different bytes.
	Create(ctx context.Context, key string, data []byte) error
	// Copy creates or replaces dst with the bytes of src, on the server if possible.
	Copy(ctx context.Context, dst, src string) error
	// Link creates or replaces dst with the content of src, which must never change. A
	// Folder makes dst a second name of src's file, a Bucket copies.
	Link(ctx context.Context, dst, src string) error
	// Delete deletes an object. An absent object is not an error.
	Delete(ctx context.Context, key string) error
	// DeleteAll deletes objects as Delete does. If it fails, any of them may be
	// deleted.
	DeleteAll(ctx context.Context, keys []string) error
	// Sum returns the SHA-256 of an object of size bytes in hexadecimal digits, or ""
	// if the object has another size. It reads the object from beginning to end.
	Sum(ctx context.Context, key string, size int64) (string, error)
	// List yields the objects whose keys begin with prefix, in the byte order of their
	// keys. It does not list objects that are still being written.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// SweepTemp deletes temporary files of writers that died, below prefix and older
	// than age. A store without temporary files does nothing.
	SweepTemp(ctx context.Context, prefix string, age time.Duration) error
	// Place returns the server and the bucket without credentials, "" for a folder.
	Place() string
	// String returns the store's URL without parameters and credentials.
	String() string
	// Close releases the store's resources. Open objects stay usable.
	Close() error
}

// Object is an open object. Reads are safe for concurrent use.
type Object interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Entry is a listed object.
type Entry struct {
	Key     string
	Size    int64
	ModTime time.Time
}

var (
	// ErrExists means that the object that was to be created exists.
	ErrExists = errors.New("object exists already")
	// ErrUnavailable means that a store could not be reached, or did not answer
	// correctly, for longer than its patience. It may be temporary.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrDamaged means that a store does not have the bytes that this program wrote.
	ErrDamaged = errors.New("damaged")
	// ErrReplaced means that an object was replaced while it was read in parts. The
	// parts read so far are of the old object.
	ErrReplaced = errors.New("it was replaced while being read")
	// ErrNoBucket means that the bucket does not exist, or that these credentials may
	// not see it.
	ErrNoBucket = errors.New("the bucket does not exist, or these credentials may not see it")
	// ErrChecksums means that a store refuses the checksums that newer clients of S3
	// send.
	ErrChecksums = errors.New("the store does not know the checksums of requests")
	// ErrNoLogin means that there are no credentials for a store.
	ErrNoLogin = errors.New("no credentials for the storage")
	// ErrRowGroups means that a file would have more row groups than Parquet allows.
	ErrRowGroups = parquet.ErrTooManyRowGroups
	// ErrNoFencing means that a store accepts two writers that create the same object,
	// or that it refuses conditional writes.
	ErrNoFencing = errors.New("the store does not honour conditional writes")
)

// StoreOptions configures OpenStore. The zero value is usable.
type StoreOptions struct {
	// Patience is the time for which an operation retries temporary faults before it
	// returns ErrUnavailable. Default 2 minutes, which is longer than a restart of a
	// storage gateway, and shorter than people wait for a run.
	Patience time.Duration
	// Log receives a line for each retry. Default: none.
	Log *slog.Logger
}

func (o *StoreOptions) withDefaults() StoreOptions {
	var opts StoreOptions
	if o != nil {
		opts = *o
	}
	if opts.Patience <= 0 {
		opts.Patience = 2 * time.Minute
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return opts
}

// OpenStore opens the store of a URL. A plain path or file:///path is a Folder. s3://,
// gs://, azblob:// and mem:// are Buckets: the URL's path is put before each key, and
// its parameters configure the client. OpenStore writes nothing, and sends no request
// to a bucket.
func OpenStore(ctx context.Context, rawURL string, opts *StoreOptions) (Store, error) {
	at, err := address.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open store %w", err)
	}
	return OpenAddress(ctx, at, opts)
}

// OpenAddress is OpenStore for a parsed address.
func OpenAddress(ctx context.Context, at address.Address, opts *StoreOptions) (Store, error) {
	switch {
	case at.HasHome():
		return nil, errors.New("open store: only a shell knows the home folder as ~: write the whole path, or ./~ for a folder with that name")
	case at.HasFragment():
		return nil, fmt.Errorf("open store %s: # begins the part of a URL that no server gets: write %%23 for the character", at.Bare())
	case at.Query().Has("prefix"), at.Query().Has("key"):
		return nil, fmt.Errorf("open store %[1]s: the parameters prefix and key are not known: write the folder as the URL's path, as in %[2]s://BUCKET/FOLDER", at.Bare(), at.Scheme())
	case at.HasUser():
		return nil, fmt.Errorf("open store %s: credentials do not belong in the URL; the environment holds them", at.Bare())
	case !at.IsFolder():
		return openBucket(ctx, at, opts)
	case at.HasOtherHost():
		return nil, fmt.Errorf("open store %s: a file URL has three slashes, as in file:///%s%s", at.Bare(), at.Bucket(), at.Path())
	case at.HasQuery():
		return nil, fmt.Errorf("open store %s: a file URL takes no parameters", at.Bare())
	}
	return OpenFolder(at.Folder())
}

// maxRead is the maximum size for Store.Read. Checkpoints and manifests are far
// smaller, and this program writes no larger objects of this kind.
const maxRead = 64 << 20

// checkKey rejects keys that two kinds of store would interpret differently, or that
// lead out of a store.
func checkKey(key string) error {
	if !fs.ValidPath(key) || key == "." || strings.ContainsAny(key, "\\\x00") {
		return fmt.Errorf("key %q: must be a relative path with single slashes", key)
	}
	if isTemp(key) {
		return fmt.Errorf("key %q: is a name for temporary files", key)
	}
	return nil
}

// whole returns what Store.Put writes an object of these bytes with.
func whole(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// contentType returns the content type of a key, for browsers and the consoles of
// warehouses.
func contentType(key string) string {
	switch {
	case strings.HasSuffix(key, ".json"):
		return "application/json"
	case strings.HasSuffix(key, ".parquet"):
		return "application/vnd.apache.parquet"
	}
	return "application/octet-stream"
}
