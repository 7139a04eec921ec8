package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/bodega-hq/bodega/internal/platform/crash"
)

// Folder is a bucket in a directory. Put writes a temporary file beside the
// object, syncs it, renames it and syncs every folder whose entries changed,
// which is what makes a rename survive a power cut (fsync(2), rename(2)).
type Folder struct {
	root string
	tmp  string
}

// OpenFolder opens the bucket in dir, and makes the directory where it is
// missing. Leftovers of writes that a crash cut short are removed.
func OpenFolder(dir string) (*Folder, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolve object folder %s: %w", dir, err)
	}
	f := &Folder{root: root, tmp: filepath.Join(root, ".incoming")}
	if err := f.makeDir(f.tmp); err != nil {
		return nil, fmt.Errorf("make object folder %s: %w", root, err)
	}
	return f, f.sweepIncoming()
}

// sweepIncoming removes what writers left that no longer run: each names its
// file by its process id.
func (f *Folder) sweepIncoming() error {
	entries, err := os.ReadDir(f.tmp)
	if err != nil {
		return fmt.Errorf("list unfinished objects: %w", err)
	}
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscanf(e.Name(), "%d-", &pid); err == nil && pid != os.Getpid() && syscall.Kill(pid, 0) == nil {
			continue
		}
		if err := os.Remove(filepath.Join(f.tmp, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove unfinished object: %w", err)
		}
	}
	return nil
}

// Put implements Bucket.
func (f *Folder) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	path, err := f.path(key)
	if err != nil {
		return 0, err
	}
	tmp, err := os.CreateTemp(f.tmp, fmt.Sprintf("%d-*", os.Getpid()))
	if err != nil {
		return 0, storageError("create object", key, err)
	}
	kept := false
	defer func() {
		if !kept {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	n, err := io.Copy(tmp, contextReader{ctx, r})
	if err != nil {
		return n, storageError("write object", key, err)
	}
	if err := tmp.Sync(); err != nil {
		return n, storageError("sync object", key, err)
	}
	if err := tmp.Close(); err != nil {
		return n, storageError("close object", key, err)
	}
	dir := filepath.Dir(path)
	if err := f.makeDir(dir); err != nil {
		return n, storageError("make folder of object", key, err)
	}
	write := crash.Before("put " + key)
	if err := os.Rename(tmp.Name(), path); err != nil {
		return n, storageError("name object", key, err)
	}
	kept = true
	if err := syncDir(dir); err != nil {
		return n, storageError("sync folder of object", key, err)
	}
	write.After()
	return n, nil
}

// Open implements Bucket.
func (f *Folder) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	path, err := f.path(key)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, lookupError("open object", key, err)
	}
	err = isObject(file.Stat())
	if err == nil && offset > 0 {
		_, err = file.Seek(offset, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, lookupError("open object", key, err)
	}
	if length < 0 {
		return file, nil
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(file, length), file}, nil
}

// Size implements Bucket.
func (f *Folder) Size(_ context.Context, key string) (int64, error) {
	path, err := f.path(key)
	if err != nil {
		return 0, err
	}
	stat, err := os.Stat(path)
	if err := isObject(stat, err); err != nil {
		return 0, lookupError("stat object", key, err)
	}
	return stat.Size(), nil
}

// Delete implements Bucket.
func (f *Folder) Delete(_ context.Context, key string) error {
	path, err := f.path(key)
	if err != nil {
		return err
	}
	write := crash.Before("delete " + key)
	// Not os.Remove, which would take an empty folder for the object.
	if err := syscall.Unlink(path); err != nil && !absent(err) {
		return storageError("delete object", key, err)
	}
	write.After()
	return nil
}

// List implements Bucket.
func (f *Folder) List(ctx context.Context, folder string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		top, err := f.path(folder)
		if err != nil {
			yield(Object{}, err)
			return
		}
		err = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			var stat fs.FileInfo
			if err == nil && !entry.IsDir() {
				stat, err = entry.Info()
			}
			if err = errors.Join(err, ctx.Err()); absent(err) {
				return nil // it went away meanwhile
			}
			if err != nil || entry.IsDir() {
				return err
			}
			key, err := filepath.Rel(f.root, path)
			if err == nil && !yield(Object{Key: filepath.ToSlash(key), Written: stat.ModTime()}, nil) {
				err = fs.SkipAll
			}
			return err
		})
		if err != nil {
			yield(Object{}, fmt.Errorf("list objects below %s: %w", folder, err))
		}
	}
}

// Check implements Bucket by writing and removing a file.
func (f *Folder) Check(context.Context) error {
	probe, err := os.CreateTemp(f.tmp, fmt.Sprintf("%d-check-*", os.Getpid()))
	if err != nil {
		return storageError("create object", "check", err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func (f *Folder) path(key string) (string, error) {
	if key == "" || strings.HasPrefix(key, ".incoming") {
		return "", fmt.Errorf("object key %q is not allowed", key)
	}
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsRune(part, 0) {
			return "", fmt.Errorf("object key %q is not allowed", key)
		}
	}
	return filepath.Join(f.root, filepath.FromSlash(key)), nil
}

// makeDir makes dir and its missing parents, and syncs each folder that got a
// new entry.
func (f *Folder) makeDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil:
		return syncDir(filepath.Dir(dir))
	case errors.Is(err, fs.ErrExist):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := f.makeDir(filepath.Dir(dir)); err != nil {
			return err
		}
		return f.makeDir(dir)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// storageError is that of a write. That a folder is gone under it is no
// missing object.
func storageError(operation, key string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = errors.Join(ErrNoSpace, err)
	}
	return fmt.Errorf("%s %s: %w", operation, key, err)
}

// lookupError is that of a read.
func lookupError(operation, key string, err error) error {
	if absent(err) {
		err = errors.Join(ErrNotFound, err)
	}
	return fmt.Errorf("%s %s: %w", operation, key, err)
}

// absent says that no object has the key: there is nothing, or a folder of
// other objects, or what should be its folder is an object.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR)
}

// isObject is the error of a look-up that found a folder.
func isObject(stat fs.FileInfo, err error) error {
	if err == nil && stat.IsDir() {
		return syscall.EISDIR
	}
	return err
}

// contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
