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

	"b24export/sinks/address"
)

// Store keeps objects under keys: slash-separated relative paths. Folder and
// Bucket are the two kinds. All methods may be called concurrently.
//
// A method that returns nil has made its effect durable; one that returns an
// error may or may not have had its effect. Temporary faults are retried
// inside. An absent object is an error that is fs.ErrNotExist, missing rights
// one that is fs.ErrPermission.
type Store interface {
	// Read returns a small object whole; above 64 MiB it is an error.
	Read(ctx context.Context, key string) ([]byte, error)
	// Open makes an object ready for reading in parts. ctx bounds all reads. All
	// of them are of the object that was opened, or ErrReplaced. The caller closes
	// it.
	Open(ctx context.Context, key string) (Object, error)
	// Put makes or replaces an object by what write writes. Readers see the
	// object before or the object after. An error of write is returned as it
	// is, and the object stays as it was. write may be called again after a
	// fault of the storage, and must then write the same from the start.
	Put(ctx context.Context, key string, write func(io.Writer) error) error
	// Create makes an object that must not exist: of all callers that name the
	// same key at once, one succeeds. ErrExists if the object is there with
	// other bytes. An object with these very bytes is a success, since it is
	// what an earlier attempt leaves behind whose answer got lost: callers that
	// compete must write different bytes.
	Create(ctx context.Context, key string, data []byte) error
	// Copy makes or replaces dst by the bytes of src, on the server if it can.
	Copy(ctx context.Context, dst, src string) error
	// Link makes or replaces dst by src, which nobody may ever change: a Folder returns
	// src's file a second name, a Bucket copies.
	Link(ctx context.Context, dst, src string) error
	// Delete removes an object; an absent one is no error.
	Delete(ctx context.Context, key string) error
	// DeleteAll removes objects as Delete does. If it fails, any of them may be gone.
	DeleteAll(ctx context.Context, keys []string) error
	// Sum returns the SHA-256 of an object of size bytes, in hexadecimal digits; "" if
	// the object has another size. It reads the object from its start to its end.
	Sum(ctx context.Context, key string, size int64) (string, error)
	// List yields the objects whose keys begin with prefix, in the byte order
	// of their keys. Objects in the making are not listed.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// SweepTemp removes what writers that died left unfinished below prefix, if
	// it is older than age. A store that keeps no such things does nothing.
	SweepTemp(ctx context.Context, prefix string, age time.Duration) error
	// Place names the server and the bucket; "" for a folder. It has no credentials.
	Place() string
	// String is the store's URL without parameters and credentials.
	String() string
	// Close frees the store's resources. Open objects stay usable.
	Close() error
}

// Object is an open object. Reads may run concurrently.
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
	// ErrExists says that an object is there that was to be created.
	ErrExists = errors.New("object exists already")
	// ErrUnavailable says that a store could not be reached, or did not answer
	// as it should, for longer than its patience. It may pass by itself.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrDamaged says that what a store holds is not what this program wrote.
	ErrDamaged = errors.New("damaged")
	// ErrReplaced says that an object was replaced while it was read in parts. What
	// was read of it so far is of the object before.
	ErrReplaced = errors.New("it was replaced while being read")
	// ErrNoBucket says that there is no such bucket, or none that may be seen.
	ErrNoBucket = errors.New("the bucket does not exist, or these credentials may not see it")
	// ErrChecksums says that a store refuses the checksums that newer clients of S3 send.
	ErrChecksums = errors.New("the store does not know the checksums of requests")
	// ErrNoLogin says that there are no credentials for a store.
	ErrNoLogin = errors.New("no credentials for the storage")
	// ErrNoFencing says that a store lets two writers create the same object, or that it
	// refuses conditional writes.
	ErrNoFencing = errors.New("the store does not honour conditional writes")
)

// StoreOptions configures OpenStore. The zero value is usable.
type StoreOptions struct {
	// Patience is how long an operation continues against temporary faults before it
	// gives up with ErrUnavailable. Default 2 minutes: longer than a restart of a
	// storage gateway, shorter than anybody's wait for a run.
	Patience time.Duration
	// Log gets a line for each retry. Default: none.
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

// OpenStore opens the store of a URL: a plain path or file:///path is a Folder;
// s3://, gs://, azblob:// and mem:// are Buckets, whose URL's path is put
// before each key and whose parameters are passed on. Nothing is written, and
// a bucket is not asked for anything.
func OpenStore(ctx context.Context, rawURL string, opts *StoreOptions) (Store, error) {
	at, err := address.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("open store %w", err)
	}
	return OpenAddress(ctx, at, opts)
}

// OpenAddress is OpenStore of an address that has been parsed.
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

// maxRead bounds Store.Read: checkpoints and manifests are far smaller, and
// what is larger was not written by this program.
const maxRead = 64 << 20

// checkKey refuses keys that two kinds of store would understand differently,
// or that lead out of one.
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

// contentType returns the content type of a key, for browsers and warehouses' consoles.
func contentType(key string) string {
	switch {
	case strings.HasSuffix(key, ".json"):
		return "application/json"
	case strings.HasSuffix(key, ".parquet"):
		return "application/vnd.apache.parquet"
	}
	return "application/octet-stream"
}
