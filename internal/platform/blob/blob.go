// Package blob keeps objects: raw feeds, segments, before/after objects,
// menus, attachments, images. An object is written once, whole, and is on
// durable storage when Put returns; readers see all of it or nothing.
//
// A folder is the default. Buckets of the cloud providers come from package
// blob/cloud.
package blob

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/bodega-hq/bodega/internal/platform/fault"
)

// ErrNotFound says that no object has this key.
var ErrNotFound = fault.New(fault.NotFound, "object not found")

// ErrNoSpace says that the store is full; nothing of the object was kept.
var ErrNoSpace = fault.New(fault.ResourceExhausted, "storage is full: free some space, then send it again")

// Bucket is a set of objects by key. Keys are slash-separated, without empty,
// "." or ".." parts.
type Bucket interface {
	// Put writes an object from r to its end and returns its size in bytes.
	// An object that was there before is replaced as a whole. When Put
	// returns nil the bytes survive a crash of process and machine.
	Put(ctx context.Context, key string, r io.Reader) (int64, error)
	// Open reads length bytes of the object from offset; a negative length
	// reads to the end. The error is ErrNotFound where no object has the key.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)
	// Size returns an object's length in bytes, or ErrNotFound.
	Size(ctx context.Context, key string) (int64, error)
	// Delete removes an object; one that is not there is no error.
	Delete(ctx context.Context, key string) error
	// List walks the objects whose keys lie below a folder, in no order, a page
	// at a time. Those that come or go meanwhile may be among them or not.
	List(ctx context.Context, folder string) iter.Seq2[Object, error]
	// Check says whether the bucket takes writes, for readiness.
	Check(ctx context.Context) error
}

// Object is an object as it is listed.
type Object struct {
	Key string
	// Written is when its last byte was stored.
	Written time.Time
}

// ReadAll returns a whole object.
func ReadAll(ctx context.Context, b Bucket, key string) ([]byte, error) {
	r, err := b.Open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
