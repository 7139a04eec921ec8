package check

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

var httpType = Type{
	Name:     "http",
	Present:  func(c *health.Check) bool { return c.HTTP != nil },
	Validate: validateHTTP,
	Target: func(c *health.Check) string {
		if u, err := url.Parse(c.HTTP.URL); err == nil {
			return u.Host
		}
		return c.HTTP.URL
	},
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) {
		var out []Access
		for _, h := range c.HTTP.Headers {
			if h.ValueFrom != nil {
				out = append(out, secretAccess(h.ValueFrom.Namespace, h.ValueFrom.Name))
			}
		}
		return append(out, tlsAccess(c.HTTP.TLS)...), nil
	},
	New: newHTTP,
}

var (
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_|~-]+$")
	methods    = map[string]bool{"": true, "GET": true, "HEAD": true, "POST": true, "PUT": true, "PATCH": true, "DELETE": true, "OPTIONS": true}
)

func validateHTTP(c *health.Check, at *field.Path) field.ErrorList {
	h := c.HTTP
	errs := tooLong(h.URL, at.Child("url"), 2048)
	u, err := url.Parse(h.URL)
	switch {
	case err != nil:
		errs = append(errs, field.Invalid(at.Child("url"), h.URL, "is not a URL"))
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Hostname() == "":
		errs = append(errs, field.Invalid(at.Child("url"), h.URL, "is not absolute with scheme http or https"))
	case u.Port() != "" && !validPort(u.Port()):
		errs = append(errs, field.Invalid(at.Child("url"), h.URL, "has a port that is not from 1 to 65535"))
	case u.User != nil:
		errs = append(errs, field.Invalid(at.Child("url"), u.Redacted(), "holds user information; send a header from a secret instead"))
	}
	if !methods[h.Method] {
		errs = append(errs, field.NotSupported(at.Child("method"), h.Method, []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}))
	}
	errs = append(errs, tooLong(h.Body, at.Child("body"), 8192)...)
	if h.Body != "" && h.Method != http.MethodPost && h.Method != http.MethodPut && h.Method != http.MethodPatch {
		errs = append(errs, field.Invalid(at.Child("body"), "", "only POST, PUT and PATCH send a body"))
	}
	if len(h.Headers) > 16 {
		errs = append(errs, field.TooMany(at.Child("headers"), len(h.Headers), 16))
	}
	seen := map[string]bool{}
	for i, header := range h.Headers {
		here := at.Child("headers").Index(i)
		if !headerName.MatchString(header.Name) || len(header.Name) > 128 {
			errs = append(errs, field.Invalid(here.Child("name"), header.Name, "is not a header name of at most 128 characters"))
		}
		if canonical := strings.ToLower(header.Name); seen[canonical] {
			errs = append(errs, field.Duplicate(here.Child("name"), header.Name))
		} else {
			seen[canonical] = true
		}
		if (header.Value != nil) == (header.ValueFrom != nil) {
			errs = append(errs, field.Invalid(here, header.Name, "has exactly one of value and valueFrom"))
		}
		if header.Value != nil {
			errs = append(errs, tooLong(*header.Value, here.Child("value"), 4096)...)
			if strings.ContainsAny(*header.Value, "\r\n\x00") {
				errs = append(errs, field.Invalid(here.Child("value"), "", "holds a line break"))
			}
		}
		if from := header.ValueFrom; from != nil {
			errs = append(errs, validateNamespace(from.Namespace, here.Child("valueFrom", "namespace"))...)
			errs = append(errs, validateName(from.Name, here.Child("valueFrom", "name"))...)
			errs = append(errs, validateName(from.Key, here.Child("valueFrom", "key"))...)
		}
	}
	if len(h.ExpectedStatus) > 32 {
		errs = append(errs, field.TooMany(at.Child("expectedStatus"), len(h.ExpectedStatus), 32))
	}
	for i, code := range h.ExpectedStatus {
		if code < 100 || code > 599 {
			errs = append(errs, field.Invalid(at.Child("expectedStatus").Index(i), code, "is not from 100 to 599"))
		}
	}
	errs = append(errs, validatePattern(h.BodyMatches, at.Child("bodyMatches"))...)
	errs = append(errs, validateDuration(h.MaxLatency, at.Child("maxLatency"), time.Nanosecond, 10*time.Minute)...)
	return append(errs, validateTLS(h.TLS, at.Child("tls"))...)
}

type httpCheck struct {
	probe   probe.HTTP
	headers []health.HTTPHeader // those from secrets
	tls     *tlsSource
	env     *Env
}

func newHTTP(c *health.Check, env *Env) (Check, error) {
	u, err := url.Parse(c.HTTP.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	h := &httpCheck{env: env, probe: probe.HTTP{
		Method: c.HTTP.Method, URL: u, Header: http.Header{}, Body: []byte(c.HTTP.Body),
		FollowRedirects: c.HTTP.FollowRedirects,
	}}
	if h.probe.Method == "" {
		h.probe.Method = http.MethodGet
	}
	for _, code := range c.HTTP.ExpectedStatus {
		h.probe.ExpectedStatus = append(h.probe.ExpectedStatus, int(code))
	}
	if c.HTTP.MaxLatency != nil {
		h.probe.MaxLatency = c.HTTP.MaxLatency.Duration
	}
	if c.HTTP.BodyMatches != "" {
		if h.probe.BodyMatches, err = compilePattern(c.HTTP.BodyMatches); err != nil {
			return nil, fmt.Errorf("bodyMatches: %w", err)
		}
	}
	for _, header := range c.HTTP.Headers {
		if header.ValueFrom != nil {
			h.headers = append(h.headers, header)
		} else {
			h.probe.Header.Set(header.Name, *header.Value)
		}
	}
	if h.tls, err = newTLSSource(c.HTTP.TLS, env); err != nil {
		return nil, err
	}
	if (len(h.headers) > 0 || h.tls.secret != nil) && env.Cluster == nil {
		return nil, ErrNoCluster
	}
	// Settings without a secret share one transport among all runs and checks.
	if h.tls.secret == nil {
		h.probe.Transport = env.transports.get(c.HTTP.TLS, h.tls.config, env.Dialer)
	}
	return h, nil
}

func (h *httpCheck) Run(ctx context.Context) Outcome {
	extra := make(http.Header, len(h.headers))
	for _, header := range h.headers {
		value, bad := secretValue(ctx, h.env.Cluster, header.ValueFrom)
		if bad != nil {
			return *bad
		}
		extra.Set(header.Name, strings.TrimRight(string(value), "\r\n"))
	}
	p := h.probe
	if p.Transport == nil {
		config, bad := h.tls.load(ctx)
		if bad != nil {
			return *bad
		}
		p.Transport = probe.NewTransport(h.env.Dialer, config)
	}
	return outcome(p.Run(ctx, extra))
}

func secretAccess(namespace, name string) Access {
	return Access{Verb: "get", Resource: "secrets", Namespace: namespace, Name: name}
}

func tlsAccess(t *health.TLSClient) []Access {
	if t == nil || t.ClientCertificate == nil {
		return nil
	}
	return []Access{secretAccess(t.ClientCertificate.Namespace, t.ClientCertificate.Name)}
}

func secretValue(ctx context.Context, cluster *Cluster, ref *health.SecretKeyReference) ([]byte, *Outcome) {
	secret, bad := readSecret(ctx, cluster, ref.Namespace, ref.Name)
	if bad != nil {
		return nil, bad
	}
	value, ok := secret.Data[ref.Key]
	if !ok {
		out := Errorf("secret %s/%s has no key %s", ref.Namespace, ref.Name, ref.Key)
		return nil, &out
	}
	return value, nil
}

// readSecret reads a secret anew for every run, so that a rotated one is used
// at once and none is kept in memory.
func readSecret(ctx context.Context, cluster *Cluster, namespace, name string) (*corev1.Secret, *Outcome) {
	var secret corev1.Secret
	err := cluster.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		out := Errorf("secret %s/%s does not exist", namespace, name)
		return nil, &out
	}
	if err != nil {
		out := apiError(fmt.Sprintf("get secret %s/%s", namespace, name), err)
		return nil, &out
	}
	return &secret, nil
}

// tlsSource is the TLS settings of a check; those with a client certificate
// are completed for each run.
type tlsSource struct {
	config *tls.Config // nil for the defaults
	secret *health.SecretReference
	env    *Env
}

func newTLSSource(t *health.TLSClient, env *Env) (*tlsSource, error) {
	if t == nil {
		return &tlsSource{env: env}, nil
	}
	config := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if t.CABundle != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(t.CABundle)) {
			return nil, fmt.Errorf("tls.caBundle holds no certificate in PEM")
		}
	}
	return &tlsSource{config: config, secret: t.ClientCertificate, env: env}, nil
}

func (s *tlsSource) load(ctx context.Context) (*tls.Config, *Outcome) {
	if s.secret == nil {
		return s.config, nil
	}
	secret, bad := readSecret(ctx, s.env.Cluster, s.secret.Namespace, s.secret.Name)
	if bad != nil {
		return nil, bad
	}
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		out := Errorf("secret %s/%s holds no usable tls.crt and tls.key", s.secret.Namespace, s.secret.Name)
		return nil, &out
	}
	config := s.config.Clone()
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func validateTLS(t *health.TLSClient, at *field.Path) field.ErrorList {
	if t == nil {
		return nil
	}
	errs := tooLong(t.ServerName, at.Child("serverName"), 253)
	if t.CABundle != "" {
		errs = append(errs, tooLong(t.CABundle, at.Child("caBundle"), 65536)...)
		if !x509.NewCertPool().AppendCertsFromPEM([]byte(t.CABundle)) {
			errs = append(errs, field.Invalid(at.Child("caBundle"), "", "holds no certificate in PEM"))
		}
	}
	if ref := t.ClientCertificate; ref != nil {
		errs = append(errs, validateNamespace(ref.Namespace, at.Child("clientCertificate", "namespace"))...)
		errs = append(errs, validateName(ref.Name, at.Child("clientCertificate", "name"))...)
	}
	return errs
}

// transports shares one transport among the checks with equal TLS settings: a
// transport of its own would cost each check more than all its state.
type transports struct {
	mu   sync.Mutex
	open map[string]*http.Transport
}

func (t *transports) get(settings *health.TLSClient, config *tls.Config, dialer *probe.Dialer) *http.Transport {
	key := ""
	if settings != nil {
		sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %v", settings.ServerName, settings.CABundle, settings.InsecureSkipVerify))
		key = hex.EncodeToString(sum[:])
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.open[key]; known != nil {
		return known
	}
	// Transports keep no connections, so an unused one costs a map entry; but
	// settings that come and go must not add up.
	if len(t.open) >= 1000 {
		clear(t.open)
	}
	transport := probe.NewTransport(dialer, config)
	t.open[key] = transport
	return transport
}
