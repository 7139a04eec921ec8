package rpc

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"
)

// ServerConfig is how a server listens and what it bears.
type ServerConfig struct {
	Listen         string        `name:"listen" default:"127.0.0.1:8080" help:"Address to listen on, host:port."`
	TLSCert        string        `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; with it the server speaks TLS. Read again when it changes."`
	TLSKey         string        `name:"tls-key" placeholder:"FILE" help:"The certificate's private key in PEM."`
	TrustedOrigins []string      `name:"trusted-origins" placeholder:"ORIGIN" help:"Origins, such as https://bodega.example.com, of pages that are the server's own although a proxy in front of it changes the Host header."`
	Reflection     bool          `name:"reflection" default:"true" negatable:"" help:"Answer gRPC server reflection."`
	MaxMessage     int           `name:"max-message-bytes" default:"8388608" help:"Largest message of an RPC, in bytes."`
	UnaryTimeout   time.Duration `name:"unary-timeout" default:"60s" help:"Longest deadline of a call with one request and one response."`
	StreamTimeout  time.Duration `name:"stream-timeout" default:"1h" help:"Longest deadline of a stream, an upload or a download."`
	HeaderTimeout  time.Duration `name:"header-timeout" default:"10s" help:"Time that a client has to send a request's headers."`
	StallTimeout   time.Duration `name:"stall-timeout" default:"60s" help:"Time after which a body that does not move is given up, in either direction."`
	IdleTimeout    time.Duration `name:"idle-timeout" default:"2m" help:"Time after which an unused connection is closed."`
	DrainTimeout   time.Duration `name:"drain-timeout" default:"30s" help:"Time that running calls have to finish when the server stops."`
}

// DefaultServerConfig is what the flags default to.
func DefaultServerConfig() ServerConfig {
	return ServerConfig{
		Listen: "127.0.0.1:8080", Reflection: true, MaxMessage: 8 << 20,
		UnaryTimeout: time.Minute, StreamTimeout: time.Hour,
		HeaderTimeout: 10 * time.Second, StallTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, DrainTimeout: 30 * time.Second,
	}
}

// TLS says whether the server speaks TLS.
func (c ServerConfig) TLS() bool { return c.TLSCert != "" }

// Validate says what is wrong with the configuration.
func (c ServerConfig) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen %q: want host:port, such as 127.0.0.1:8080", c.Listen))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("tls-cert and tls-key: give both or neither"))
	} else if c.TLS() {
		if _, err := (&certificate{certFile: c.TLSCert, keyFile: c.TLSKey, now: time.Now}).load(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, origin := range c.TrustedOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("trusted-origins %q: want scheme://host[:port]", origin))
		}
	}
	if c.MaxMessage < 1 {
		errs = append(errs, fmt.Errorf("max-message-bytes %d: want at least 1", c.MaxMessage))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"unary-timeout", c.UnaryTimeout}, {"stream-timeout", c.StreamTimeout},
		{"header-timeout", c.HeaderTimeout}, {"stall-timeout", c.StallTimeout},
		{"idle-timeout", c.IdleTimeout}, {"drain-timeout", c.DrainTimeout},
	} {
		if d.value <= 0 {
			errs = append(errs, fmt.Errorf("%s %s: want a time above zero", d.name, d.value))
		}
	}
	return errors.Join(errs...)
}
