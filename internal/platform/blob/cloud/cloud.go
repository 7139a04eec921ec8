// Package cloud opens object stores of the cloud providers (s3://, gs://,
// azblob://) through gocloud.dev, and folders (file://). It stands apart
// because the providers' libraries are large: only the main binary links it.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"

	gocloud "gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"

	"github.com/bodega-hq/bodega/internal/platform/blob"
)

// Open opens the bucket that rawURL names.
func Open(ctx context.Context, rawURL string) (blob.Bucket, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("parse blob URL: %w", err)
	}
	if u.Scheme == "file" {
		return blob.OpenFolder(u.Path)
	}
	b, err := gocloud.OpenBucket(ctx, rawURL)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", u.Redacted(), err)
	}
	return &bucket{b}, nil
}

type bucket struct{ b *gocloud.Bucket }

// Put relies on the providers' own promise that a closed upload is durable.
func (b *bucket) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := b.b.NewWriter(ctx, key, nil)
	if err != nil {
		return 0, fmt.Errorf("create object %s: %w", key, err)
	}
	n, err := io.Copy(w, r)
	if err != nil {
		cancel() // an upload whose context has ended leaves no object
		return n, errors.Join(fmt.Errorf("write object %s: %w", key, err), w.Close())
	}
	if err := w.Close(); err != nil {
		return n, fmt.Errorf("finish object %s: %w", key, err)
	}
	return n, nil
}

func (b *bucket) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := b.b.NewRangeReader(ctx, key, offset, length, nil)
	if err != nil {
		return nil, notFound("open", key, err)
	}
	return r, nil
}

func (b *bucket) Size(ctx context.Context, key string) (int64, error) {
	attrs, err := b.b.Attributes(ctx, key)
	if err != nil {
		return 0, notFound("stat", key, err)
	}
	return attrs.Size, nil
}

func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := b.b.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("delete object %s: %w", key, err)
	}
	return nil
}

func (b *bucket) List(ctx context.Context, folder string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		for found := b.b.List(&gocloud.ListOptions{Prefix: folder + "/"}); ; {
			o, err := found.Next(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(blob.Object{}, fmt.Errorf("list objects below %s: %w", folder, err))
				return
			}
			if !yield(blob.Object{Key: o.Key, Written: o.ModTime}, nil) {
				return
			}
		}
	}
}

func (b *bucket) Check(ctx context.Context) error {
	ok, err := b.b.IsAccessible(ctx)
	if err == nil && !ok {
		err = errors.New("bucket is not accessible")
	}
	return err
}

func notFound(operation, key string, err error) error {
	if gcerrors.Code(err) == gcerrors.NotFound {
		err = errors.Join(blob.ErrNotFound, err)
	}
	return fmt.Errorf("%s object %s: %w", operation, key, err)
}
