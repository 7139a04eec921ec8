package embedded

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"

	"go.temporal.io/server/common/config"
)

// serverName is what the server's certificate says; nothing resolves it.
const serverName = "temporal.bodega.internal"

// authority is a certificate authority with the one certificate that server
// and clients of this process share. It lives in memory alone.
type authority struct {
	root    *x509.CertPool
	pair    tls.Certificate
	rootPEM string
	certPEM string
	keyPEM  string
}

func newAuthority() (*authority, error) {
	now := time.Now()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority key: %w", err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bodega embedded Temporal"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("sign authority certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: serverName},
		DNSNames: []string{serverName}, IPAddresses: []net.IP{net.ParseIP(loopback)},
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return nil, fmt.Errorf("sign server certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode server key: %w", err)
	}
	rootPEM, certPEM, keyPEM := encodePEM("CERTIFICATE", rootDER), encodePEM("CERTIFICATE", leafDER), encodePEM("EC PRIVATE KEY", keyDER)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("pair server key: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(rootPEM)
	b64 := base64.StdEncoding.EncodeToString
	return &authority{root: pool, pair: pair, rootPEM: b64(rootPEM), certPEM: b64(certPEM), keyPEM: b64(keyPEM)}, nil
}

func encodePEM(kind string, der []byte) []byte {
	var b bytes.Buffer
	// Writing to memory cannot go wrong.
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der})
	return b.Bytes()
}

// serverConfig asks every client, inside the server and outside, for a
// certificate of this authority.
func (a *authority) serverConfig() config.RootTLS {
	client := config.ClientTLS{ServerName: serverName, RootCAData: []string{a.rootPEM}}
	group := config.GroupTLS{
		Server: config.ServerTLS{
			CertData: a.certPEM, KeyData: a.keyPEM, ClientCAData: []string{a.rootPEM}, RequireClientAuth: true,
		},
		Client: client,
	}
	return config.RootTLS{
		Internode: group, Frontend: group,
		SystemWorker: config.WorkerTLS{CertData: a.certPEM, KeyData: a.keyPEM, Client: client},
	}
}

func (a *authority) clientConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: serverName,
		RootCAs: a.root, Certificates: []tls.Certificate{a.pair},
	}
}
