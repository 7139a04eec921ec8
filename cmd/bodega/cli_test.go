package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/bodega-hq/bodega/internal/testkit/script"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"bodega": main})
}

// TestScripts runs the command line against a server: one that all scripts
// share, each with merchants of its own, and where a script says `serve` one
// of its own.
func TestScripts(t *testing.T) {
	shared := start(t, t.TempDir(), runtimeFolder(t), "--data-dir", "data")
	commands := script.Commands()
	commands["serve"] = serveCommand
	commands["unserve"] = unserveCommand
	commands["http"] = httpCommand
	commands["mode"] = modeCommand
	commands["await"] = awaitCommand
	commands["certificate"] = certificateCommand
	corpora := os.Getenv("BODEGA_CORPORA")
	if corpora == "" {
		corpora = "../shared/data"
	}
	if !filepath.IsAbs(corpora) {
		corpora = filepath.Join("..", "..", corpora)
	}
	corpora, err := filepath.Abs(corpora)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), Cmds: commands, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("BODEGA_SERVER", shared.url)
			env.Setenv("XDG_RUNTIME_DIR", shared.runtime)
			env.Setenv("CORPORA", corpora)
			return nil
		},
		Condition: func(name string) (bool, error) {
			if folder, ok := strings.CutPrefix(name, "corpus:"); ok {
				_, err := os.Stat(filepath.Join(corpora, filepath.FromSlash(folder)))
				return err == nil, nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
	})
}

// server is a running `bodega serve`.
type server struct {
	url     string
	runtime string
	process *exec.Cmd
	ended   chan error
	log     *bytes.Buffer
}

func runtimeFolder(t testing.TB) string {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// failer is what a test and a script have in common.
type failer interface {
	Fatalf(format string, args ...any)
}

// startLimit is how long a server may take on a machine that is busy.
const startLimit = 2 * time.Minute

// launch runs `bodega serve` on a free port and waits until it is ready.
func launch(t failer, dir, runtime string, environ []string, args ...string) *server {
	s := &server{runtime: runtime, ended: make(chan error, 1), log: &bytes.Buffer{}}
	s.process = exec.Command("bodega", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s.process.Dir, s.process.Env = dir, append(environ, "XDG_RUNTIME_DIR="+runtime)
	out, err := s.process.StderrPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		t.Fatalf("start bodega serve: %v", err)
	}
	address := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			s.log.WriteString(lines.Text() + "\n")
			if _, after, ok := strings.Cut(lines.Text(), "msg=serving address="); ok {
				address <- strings.Fields(after)[0]
			}
		}
		s.ended <- s.process.Wait()
	}()
	limit := time.After(startLimit)
	select {
	case s.url = <-address:
	case err := <-s.ended:
		s.ended <- err
		t.Fatalf("bodega serve ended before it served: %v\n%s", err, s.log)
	case <-limit:
		s.kill()
		t.Fatalf("bodega serve was not there in time\n%s", s.log)
	}
	for {
		status, body, err := get(s.url + "/readyz")
		if err == nil && status == http.StatusOK {
			return s
		}
		select {
		case <-limit:
			s.kill()
			t.Fatalf("not ready in time: %d %s %v", status, body, err)
		default:
		}
	}
}

func start(t *testing.T, dir, runtime string, args ...string) *server {
	s := launch(t, dir, runtime, os.Environ(), args...)
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("bodega serve: %v\n%s", err, s.log)
		}
	})
	return s
}

// stop asks the server to end, and says how it did.
func (s *server) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return <-s.ended
}

// kill ends a server that did not come up; how it ends tells nothing more.
func (s *server) kill() {
	_ = s.process.Process.Kill()
	s.ended <- <-s.ended
}

// trusting takes any certificate: what is tested is that there is one.
var trusting = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

func get(url string) (int, string, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := trusting.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

var running = map[*testscript.TestScript]*server{}

// serveCommand starts a server of the script's own: serve ARG...
func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve cannot be negated: use `! exec bodega serve`")
	}
	runtime := ts.MkAbs("run")
	ts.Check(os.MkdirAll(runtime, 0o700))
	environ := append(os.Environ(), "HOME="+ts.Getenv("HOME"))
	s := launch(ts, ts.MkAbs("."), runtime, environ, args...)
	running[ts] = s
	ts.Setenv("BODEGA_SERVER", s.url)
	ts.Setenv("XDG_RUNTIME_DIR", runtime)
	ts.Setenv("PORT", s.url[strings.LastIndex(s.url, ":")+1:])
	ts.Defer(func() {
		if running[ts] == s {
			_ = s.stop()
		}
	})
}

// unserveCommand stops the script's server, which has to end with success.
func unserveCommand(ts *testscript.TestScript, _ bool, _ []string) {
	s := running[ts]
	delete(running, ts)
	if err := s.stop(); err != nil {
		ts.Fatalf("bodega serve: %v\n%s", err, s.log)
	}
}

// httpCommand is `http METHOD PATH STATUS [BODY [HEADER VALUE]...]`.
func httpCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http METHOD PATH STATUS [BODY [HEADER VALUE]...]")
	}
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	var body io.Reader
	if len(args) > 3 {
		body = strings.NewReader(args[3])
	}
	req, err := http.NewRequestWithContext(context.Background(), args[0], ts.Getenv("BODEGA_SERVER")+args[1], body)
	ts.Check(err)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 4; i+1 < len(args); i += 2 {
		req.Header.Set(args[i], args[i+1])
	}
	resp, err := trusting.Do(req)
	ts.Check(err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s", answer)
	if resp.StatusCode != want {
		ts.Fatalf("%s %s: %d, want %d: %s", args[0], args[1], resp.StatusCode, want, answer)
	}
}

// modeCommand compares a file's permissions: mode OCTAL FILE
func modeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	stat, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", stat.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// awaitCommand waits until a unit of work has ended: await FEED
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FEED")
	}
	for limit := time.Now().Add(startLimit); time.Now().Before(limit); {
		ts.Check(ts.Exec("bodega", "feed", "show", "-o", "json", args[0]))
		if strings.Contains(ts.ReadFile("stdout"), `"status": "done"`) {
			return
		}
	}
	ts.Fatalf("%s did not end in time", args[0])
}

// certificateCommand makes a certificate for 127.0.0.1: certificate CERT KEY
func certificateCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}
