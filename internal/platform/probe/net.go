package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// TCP opens a connection and closes it.
type TCP struct {
	// Address as host:port.
	Address string
	Dialer  *Dialer
}

// Run dials once.
func (p *TCP) Run(ctx context.Context) Result {
	start := time.Now()
	conn, err := p.Dialer.DialContext(ctx, "tcp", p.Address)
	took := time.Since(start)
	if err != nil {
		res := failure(ctx, "connect to "+p.Address, err, took)
		res.Latency = took
		return res
	}
	conn.Close()
	return Result{Verdict: Up, Message: "connected in " + round(took).String(), Latency: took}
}

// TLS completes a handshake and wants every certificate that was presented to
// stay valid for a while.
type TLS struct {
	// Address as host:port.
	Address     string
	MinValidity time.Duration
	// Config to connect with; nil takes the system's roots. Config.Time is the
	// clock that certificates are read by.
	Config *tls.Config
	Dialer *Dialer
}

// Run shakes hands once.
func (p *TLS) Run(ctx context.Context) Result {
	start := time.Now()
	res := p.run(ctx, start)
	res.Latency = time.Since(start)
	return res
}

func (p *TLS) run(ctx context.Context, start time.Time) Result {
	doing := "TLS handshake with " + p.Address
	config := &tls.Config{}
	if p.Config != nil {
		config = p.Config.Clone()
	}
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(p.Address)
		if err != nil {
			return Result{Verdict: Broken, Message: fmt.Sprintf("%s: %v", doing, err)}
		}
		config.ServerName = host
	}
	raw, err := p.Dialer.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return failure(ctx, doing, err, time.Since(start))
	}
	defer raw.Close()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return failure(ctx, doing, err, time.Since(start))
	}
	now := time.Now
	if config.Time != nil {
		now = config.Time
	}
	at := now()
	var soonest time.Time
	var subject string
	for _, cert := range conn.ConnectionState().PeerCertificates {
		if soonest.IsZero() || cert.NotAfter.Before(soonest) {
			soonest, subject = cert.NotAfter, cert.Subject.String()
		}
	}
	left := soonest.Sub(at)
	switch {
	case left <= 0:
		return down("%s: certificate of %s expired at %s", doing, subject, soonest.UTC().Format(time.RFC3339))
	case left < p.MinValidity:
		return down("%s: certificate of %s expires at %s, in %s, want at least %s", doing, subject,
			soonest.UTC().Format(time.RFC3339), left.Round(time.Minute), p.MinValidity)
	}
	return Result{Verdict: Up, Message: fmt.Sprintf("certificate valid until %s", soonest.UTC().Format(time.RFC3339))}
}

// DNS resolves a name.
type DNS struct {
	Name string
	// RecordType is A, AAAA, CNAME, TXT, MX, NS or SRV.
	RecordType string
	// Server as host:port; the system's resolver where empty.
	Server string
	// ExpectedValues that must be among the answers: addresses, names without
	// their last dot, texts, or SRV targets as host:port.
	ExpectedValues []string
	Dialer         *Dialer
}

// Run looks the name up once.
func (p *DNS) Run(ctx context.Context) Result {
	start := time.Now()
	res := p.run(ctx, start)
	res.Latency = time.Since(start)
	return res
}

func (p *DNS) run(ctx context.Context, start time.Time) Result {
	doing := "look up " + p.RecordType + " of " + p.Name
	resolver := &net.Resolver{PreferGo: true}
	if p.Server != "" {
		doing += " at " + p.Server
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return p.Dialer.DialContext(ctx, network, p.Server)
		}
	}
	values, err := lookUp(ctx, resolver, p.RecordType, p.Name)
	if err != nil {
		res := failure(ctx, doing, err, time.Since(start))
		// Here the server is the target: that it does not answer is its failure.
		if p.Server != "" && res.Verdict == Broken && context.Cause(ctx) != context.Canceled {
			res.Verdict = Down
		}
		return res
	}
	if len(values) == 0 {
		return down("%s: no records", doing)
	}
	for _, want := range p.ExpectedValues {
		if !slices.Contains(values, strings.TrimSuffix(want, ".")) {
			return down("%s: %s is not among the %d answers", doing, want, len(values))
		}
	}
	return Result{Verdict: Up, Message: fmt.Sprintf("%d answers in %s", len(values), round(time.Since(start)))}
}

func lookUp(ctx context.Context, resolver *net.Resolver, recordType, name string) ([]string, error) {
	var out []string
	switch recordType {
	case "A", "AAAA":
		network := map[string]string{"A": "ip4", "AAAA": "ip6"}[recordType]
		ips, err := resolver.LookupNetIP(ctx, network, name)
		for _, ip := range ips {
			out = append(out, ip.Unmap().String())
		}
		return out, err
	case "CNAME":
		host, err := resolver.LookupCNAME(ctx, name)
		return []string{strings.TrimSuffix(host, ".")}, err
	case "TXT":
		return resolver.LookupTXT(ctx, name)
	case "MX":
		records, err := resolver.LookupMX(ctx, name)
		for _, mx := range records {
			out = append(out, strings.TrimSuffix(mx.Host, "."))
		}
		return out, err
	case "NS":
		records, err := resolver.LookupNS(ctx, name)
		for _, ns := range records {
			out = append(out, strings.TrimSuffix(ns.Host, "."))
		}
		return out, err
	case "SRV":
		_, records, err := resolver.LookupSRV(ctx, "", "", name)
		for _, srv := range records {
			out = append(out, net.JoinHostPort(strings.TrimSuffix(srv.Target, "."), strconv.Itoa(int(srv.Port))))
		}
		return out, err
	default:
		return nil, fmt.Errorf("record type %q is not one of A, AAAA, CNAME, TXT, MX, NS and SRV", recordType)
	}
}
