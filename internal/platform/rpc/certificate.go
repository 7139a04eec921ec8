package rpc

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificate is a key pair that is read again when its file changes, so that
// a renewed certificate needs no restart.
type certificate struct {
	certFile, keyFile string
	now               func() time.Time

	mu       sync.Mutex
	pair     *tls.Certificate
	modified time.Time
	looked   time.Time
}

// lookEvery bounds how often a handshake asks the file system.
const lookEvery = 10 * time.Second

func (c *certificate) load() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.pair != nil && now.Sub(c.looked) < lookEvery {
		return c.pair, nil
	}
	c.looked = now
	info, err := os.Stat(c.certFile)
	if err == nil && c.pair != nil && info.ModTime().Equal(c.modified) {
		return c.pair, nil
	}
	var pair tls.Certificate
	if err == nil {
		pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile)
	}
	switch {
	case err == nil:
		c.pair, c.modified = &pair, info.ModTime()
		return c.pair, nil
	case c.pair != nil:
		// A renewal that is half written must not take the server down; the
		// certificate it has is good for some time yet.
		return c.pair, nil
	default:
		return nil, fmt.Errorf("certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.load() },
	}
}
