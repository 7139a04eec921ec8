package admission

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SelfSigned keeps a serving certificate for the webhook where there is no
// cert-manager: in a secret that all replicas share, renewed long before it
// expires, and made known to the API server through the webhook's caBundle.
type SelfSigned struct {
	// Client reads and writes past any cache.
	Client client.Client
	// Secret holds the certificate.
	Secret client.ObjectKey
	// DNSName is what the API server calls the webhook's service.
	DNSName string
	// Webhook is the name of the ValidatingWebhookConfiguration.
	Webhook string
	Now     func() time.Time
	Log     *slog.Logger

	current atomic.Pointer[tls.Certificate]
	expiry  atomic.Int64 // unix seconds
}

const (
	renewEvery = time.Minute
	// client-go's generator signs for a year; a third of that is time enough to
	// notice that renewals fail.
	renewBefore = 120 * 24 * time.Hour
)

// NeedLeaderElection says that every replica serves the webhook.
func (*SelfSigned) NeedLeaderElection() bool { return false }

// Start keeps the certificate until ctx ends.
func (s *SelfSigned) Start(ctx context.Context) error {
	ticker := time.NewTicker(renewEvery)
	defer ticker.Stop()
	for {
		wait := ticker.C
		if err := s.Ensure(ctx); err != nil {
			s.Log.Warn("keep the webhook's certificate", "error", err)
			if s.current.Load() == nil {
				wait = time.After(time.Second)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-wait:
		}
	}
}

// Ensure loads the certificate, makes a new one where it is missing or about to
// expire, and sees that the API server trusts it. Replicas that do so at once
// end up with the same certificate, since only one of them can write it.
func (s *SelfSigned) Ensure(ctx context.Context) error {
	var secret corev1.Secret
	err := s.Client.Get(ctx, s.Secret, &secret)
	switch {
	case apierrors.IsNotFound(err):
		secret = corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.Secret.Namespace, Name: s.Secret.Name},
			Type:       corev1.SecretTypeTLS,
		}
		if err := s.generate(&secret); err != nil {
			return err
		}
		if err := s.Client.Create(ctx, &secret); err != nil {
			return fmt.Errorf("create secret %s: %w", s.Secret, err)
		}
	case err != nil:
		return fmt.Errorf("get secret %s: %w", s.Secret, err)
	}
	pair, leaf, err := parsePair(&secret)
	if err != nil || s.Now().After(leaf.NotAfter.Add(-renewBefore)) || leaf.VerifyHostname(s.DNSName) != nil {
		if err := s.generate(&secret); err != nil {
			return err
		}
		// The version read makes a second writer fail and read again.
		if err := s.Client.Update(ctx, &secret); err != nil {
			return fmt.Errorf("renew secret %s: %w", s.Secret, err)
		}
		if pair, leaf, err = parsePair(&secret); err != nil {
			return err
		}
	}
	s.current.Store(pair)
	s.expiry.Store(leaf.NotAfter.Unix())
	return s.publish(ctx, secret.Data[corev1.TLSCertKey])
}

func (s *SelfSigned) generate(secret *corev1.Secret) error {
	certificate, key, err := cert.GenerateSelfSignedCertKey(s.DNSName, nil, nil)
	if err != nil {
		return fmt.Errorf("generate a certificate for %s: %w", s.DNSName, err)
	}
	secret.Data = map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: key}
	return nil
}

func parsePair(secret *corev1.Secret) (*tls.Certificate, *x509.Certificate, error) {
	pair, err := tls.X509KeyPair(secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, nil, fmt.Errorf("read secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read secret %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return &pair, leaf, nil
}

// publish writes the certificates' authority where the API server looks for it.
func (s *SelfSigned) publish(ctx context.Context, bundle []byte) error {
	var config admissionregistrationv1.ValidatingWebhookConfiguration
	if err := s.Client.Get(ctx, client.ObjectKey{Name: s.Webhook}, &config); err != nil {
		return fmt.Errorf("get ValidatingWebhookConfiguration %s: %w", s.Webhook, err)
	}
	authority, err := authorities(bundle)
	if err != nil {
		return err
	}
	before := config.DeepCopy()
	for i := range config.Webhooks {
		config.Webhooks[i].ClientConfig.CABundle = authority
	}
	changed := false
	for i := range config.Webhooks {
		changed = changed || !bytes.Equal(before.Webhooks[i].ClientConfig.CABundle, authority)
	}
	if !changed {
		return nil
	}
	if err := s.Client.Patch(ctx, &config, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write the caBundle of ValidatingWebhookConfiguration %s: %w", s.Webhook, err)
	}
	return nil
}

// authorities keeps the CA certificates of a chain.
func authorities(chain []byte) ([]byte, error) {
	var out bytes.Buffer
	for rest := chain; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err == nil && parsed.IsCA {
			if err := pem.Encode(&out, block); err != nil {
				return nil, err
			}
		}
	}
	if out.Len() == 0 {
		return nil, errors.New("the webhook's chain holds no authority")
	}
	return out.Bytes(), nil
}

// GetCertificate implements tls.Config.GetCertificate.
func (s *SelfSigned) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := s.current.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("the webhook's certificate has yet to be made")
}

// Expiry of the certificate being served; zero if there is none.
func (s *SelfSigned) Expiry() time.Time {
	if at := s.expiry.Load(); at != 0 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}
