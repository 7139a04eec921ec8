package app

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// feedCheckSpill keeps sorted runs in a temporary folder of its own, made when
// the first one comes.
type feedCheckSpill struct {
	dir string
}

func (s *feedCheckSpill) path(run int) string {
	return filepath.Join(s.dir, strconv.Itoa(run)+".run")
}

func (s *feedCheckSpill) Create(run int) (io.WriteCloser, error) {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "bodega-feed-check-")
		if err != nil {
			return nil, err
		}
		s.dir = dir
	}
	return os.OpenFile(s.path(run), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

func (s *feedCheckSpill) Open(run int) (io.ReadCloser, error) { return os.Open(s.path(run)) }

func (s *feedCheckSpill) Remove(run int) error { return os.Remove(s.path(run)) }

// close removes what a check that was given up left behind.
func (s *feedCheckSpill) close() {
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // the report stands without it, and it is temporary
	}
}
