// Package probe asks a target over the network whether it is well: HTTP, the
// standard gRPC health protocol, DNS, TCP and TLS. A probe tells a target that
// is not well from a probe that could not be made, since only the first says
// anything about the target.
//
// A probe holds no connection between two runs, so that each run meets the
// target as a new client would, and a probe that is not running costs nothing.
package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Verdict is what a run says.
type Verdict int

const (
	// Up: the target is as expected.
	Up Verdict = iota
	// Down: the target is not as expected, does not answer, or refuses.
	Down
	// Broken: the probe could not be made, so nothing is known of the target.
	Broken
)

// Result of one run. Message is one line and holds neither a secret nor a part
// of what the target sent: only status codes, names, and this side's errors.
type Result struct {
	Verdict Verdict
	Message string
	Latency time.Duration
}

func down(format string, args ...any) Result {
	return Result{Verdict: Down, Message: fmt.Sprintf(format, args...)}
}

// MetadataRanges are where clouds serve instance credentials to whoever asks
// from inside. Probes that others write must not reach them.
func MetadataRanges() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("fe80::/10"),
		netip.MustParsePrefix("64:ff9b::a9fe:0/112"), // the first of these, through NAT64
		netip.MustParsePrefix("fd00:ec2::/32"),       // Amazon
		netip.MustParsePrefix("fd20:ce::254/128"),    // Google
		netip.MustParsePrefix("168.63.129.16/32"),    // Azure
		netip.MustParsePrefix("100.100.100.200/32"),  // Alibaba
	}
}

// ErrDenied is the error of a dial to an address that the Dialer denies.
var ErrDenied = errors.New("address is not allowed for probes")

// Dialer opens connections, except to denied addresses. The zero value denies
// nothing.
type Dialer struct {
	Deny []netip.Prefix
}

// DialContext is net.Dialer.DialContext with the addresses checked after the
// name was resolved, so that a name cannot stand in for a denied address.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Control: d.control, KeepAlive: -1}).DialContext(ctx, network, address)
}

func (d *Dialer) control(_, address string, _ syscall.RawConn) error {
	if len(d.Deny) == 0 {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	ip := at.Addr().Unmap().WithZone("")
	for _, prefix := range d.Deny {
		if prefix.Contains(ip) {
			return fmt.Errorf("%s: %w", ip, ErrDenied)
		}
	}
	return nil
}

// failure classifies the error of a run: whose fault is it.
func failure(ctx context.Context, doing string, err error, waited time.Duration) Result {
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrDenied):
		return Result{Verdict: Broken, Message: fmt.Sprintf("%s: %v", doing, rootCause(err))}
	case context.Cause(ctx) == context.Canceled:
		return Result{Verdict: Broken, Message: doing + ": cancelled"}
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return down("%s: no such host %s", doing, dns.Name)
		}
		return Result{Verdict: Broken, Message: fmt.Sprintf("%s: look up %s: %s", doing, dns.Name, dnsCause(dns.Err))}
	case isTimeout(err), ctx.Err() != nil:
		return down("%s: no answer in %s", doing, round(waited))
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL),
		errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return Result{Verdict: Broken, Message: fmt.Sprintf("%s: %v", doing, rootCause(err))}
	case errors.Is(err, io.EOF):
		return down("%s: the connection was closed before an answer", doing)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return down("%s: the connection was closed in the middle of an answer", doing)
	default:
		return down("%s: %v", doing, rootCause(err))
	}
}

// dnsCause drops the addresses of a failed look-up: this side's port is another
// each time, and a message that changes with it looks like news.
func dnsCause(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 && strings.Contains(text, "->") {
		return text[i+len(": "):]
	}
	return text
}

// rootCause drops what the probe's message says already: operation, network
// and address.
func rootCause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
