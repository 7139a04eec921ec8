package embedded

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// Bounds of what is unpacked, many times what a server's programs take, so that
// a broken archive cannot fill the disk.
const (
	maxUnpacked    = 1 << 30
	maxUnpackFiles = 50_000
)

// unpackJar unpacks the one .txz archive that the jar holds into dir.
func unpackJar(jar *os.File, size int64, dir string) error {
	archive, err := zip.NewReader(jar, size)
	if err != nil {
		return fmt.Errorf("read jar: %w", err)
	}
	for _, entry := range archive.File {
		if !strings.HasSuffix(entry.Name, ".txz") {
			continue
		}
		content, err := entry.Open()
		if err != nil {
			return fmt.Errorf("read %s in jar: %w", entry.Name, err)
		}
		defer content.Close()
		if err := unpackTXZ(content, dir); err != nil {
			return fmt.Errorf("unpack %s: %w", entry.Name, err)
		}
		return nil
	}
	return errors.New("the jar holds no .txz archive")
}

// unpackTXZ unpacks a tar archive compressed with xz into dir; see unpackTar.
func unpackTXZ(r io.Reader, dir string) error {
	plain, err := xz.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return fmt.Errorf("read xz: %w", err)
	}
	return unpackTar(plain, dir)
}

// unpackTar unpacks a tar archive into dir. What an entry would put outside dir
// is an error, and so is any kind of entry but folders, files and symbolic
// links.
func unpackTar(r io.Reader, dir string) error {
	// A root refuses to leave dir, also by way of a link unpacked before.
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	defer root.Close()
	var written, entries int64
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read tar: %w", err)
		}
		if entries++; entries > maxUnpackFiles {
			return fmt.Errorf("more than %d entries", maxUnpackFiles)
		}
		if written += header.Size; header.Size < 0 || written > maxUnpacked {
			return fmt.Errorf("more than %d MiB", maxUnpacked>>20)
		}
		if err := unpackEntry(root, header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	name := path.Clean(header.Name)
	if !filepath.IsLocal(name) {
		return errors.New("the name leads outside the archive")
	}
	if header.Typeflag == tar.TypeDir {
		return root.MkdirAll(name, 0o755)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeReg:
		// The server may run as another user: what the owner may, all may.
		mode := fs.FileMode(0o644)
		if header.Mode&0o100 != 0 {
			mode = 0o755
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		target := path.Join(path.Dir(name), header.Linkname)
		if path.IsAbs(header.Linkname) || !filepath.IsLocal(target) {
			return fmt.Errorf("the link leads outside the archive, to %s", header.Linkname)
		}
		return root.Symlink(header.Linkname, name)
	}
	return fmt.Errorf("unexpected kind of entry %q", header.Typeflag)
}
