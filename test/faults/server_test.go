//go:build faults

package faults

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/bodega-hq/bodega/gen/bodega/inventory/v1/inventoryv1connect"
	"github.com/bodega-hq/bodega/internal/platform/pg/embedded"
)

// binary is the server under test, built with the crash points.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("BODEGA_BIN"); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(scratch, "bodega")
	out, err := exec.Command("go", "build", "-tags", "faults", "-o", path, "../../cmd/bodega").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, err
})

// scratch is a folder of this run of the tests.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "bodega-faults-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

// server is a running `bodega serve`.
type server struct {
	t       *testing.T
	dir     string
	address string
	token   string
	cmd     *exec.Cmd
	log     *lines
	exited  chan struct{}
	err     error // of cmd.Wait, once exited is closed
	// postgres is a handle on the database's main process, which sees its end.
	postgres    int
	postgresPID int
}

// lines is what the server logs; the first that announces the address is sent on.
type lines struct {
	mu        sync.Mutex
	text      bytes.Buffer
	announced chan string
}

var announcement = regexp.MustCompile(`msg=serving address=(\S+)`)

func (l *lines) read(r io.Reader) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		l.mu.Lock()
		fmt.Fprintln(&l.text, in.Text())
		l.mu.Unlock()
		if m := announcement.FindStringSubmatch(in.Text()); m != nil {
			l.announced <- m[1]
		}
	}
	close(l.announced)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// deadline bounds every wait of these tests: nothing that they wait for takes
// more than a fraction of it.
const deadline = 90 * time.Second

// environment is that of a server whose user is nobody else's: what it leaves
// for the command line goes to a folder of its own.
func environment(dir string, more ...string) []string {
	env := append(os.Environ(),
		"XDG_RUNTIME_DIR="+filepath.Join(filepath.Dir(dir), "runtime"),
		"BODEGA_INVENTORY_CHUNK_ROWS=40", "BODEGA_INVENTORY_STORES_AT_ONCE=1",
		"BODEGA_INVENTORY_HEARTBEAT_LIMIT=1s", "BODEGA_INVENTORY_SWEEP_EVERY=1s")
	return append(env, more...)
}

// launch starts a server on a data folder and does not wait until it serves.
func launch(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(filepath.Dir(dir), "runtime"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, dir: dir, log: &lines{announced: make(chan string, 1)}, exited: make(chan struct{}), postgres: -1}
	s.cmd = exec.Command(path, "serve", "--data-dir", dir, "--listen", "127.0.0.1:0")
	s.cmd.Env = environment(dir, env...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.log.read(out)
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("log of the server in %s:\n%s", dir, s.log)
		}
	})
	return s
}

// start starts a server and returns once it serves. The token is the
// template's.
func start(t *testing.T, dir string, env ...string) *server {
	t.Helper()
	s := launch(t, dir, env...)
	select {
	case address, ok := <-s.log.announced:
		if !ok {
			<-s.exited
			t.Fatalf("the server ended before it served: %v\n%s", s.err, s.log)
		}
		s.address = address
	case <-time.After(deadline):
		t.Fatalf("the server does not come up:\n%s", s.log)
	}
	s.hold()
	token, err := os.ReadFile(filepath.Join(dir, "token"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s.token = string(token)
	return s
}

// hold keeps a handle on the database's main process.
func (s *server) hold() {
	s.t.Helper()
	if s.postgres >= 0 {
		_ = unix.Close(s.postgres)
	}
	pid, _ := s.postmaster()
	var err error
	if s.postgres, err = unix.PidfdOpen(pid, 0); err != nil {
		s.t.Fatalf("hold PostgreSQL's process %d: %v", pid, err)
	}
	s.postgresPID = pid
}

// postmaster reads the database's process and the folder of its socket from
// the file that it keeps (PostgreSQL's documentation, "Server File postmaster.pid").
func (s *server) postmaster() (pid int, socket string) {
	s.t.Helper()
	raw, err := os.ReadFile(filepath.Join(s.dir, "postgres", "data", "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	l := strings.Split(string(raw), "\n")
	if len(l) < 5 {
		s.t.Fatalf("postmaster.pid is cut off: %q", raw)
	}
	if pid, err = strconv.Atoi(l[0]); err != nil {
		s.t.Fatal(err)
	}
	return pid, l[4]
}

// kill ends the server like a power cut of its own, and waits for its
// database to be gone with it.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
	s.databaseEnds()
}

// killed waits for the server to be killed by its crash point, or for done.
func (s *server) killed(done <-chan struct{}) bool {
	s.t.Helper()
	select {
	case <-s.exited:
		if status, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			s.t.Fatalf("the server ended by itself: %v", s.err)
		}
		s.databaseEnds()
		return true
	case <-done:
		return false
	case <-time.After(deadline):
		s.t.Fatal("the server neither dies nor comes to an end")
		return false
	}
}

// databaseEnds insists that no PostgreSQL outlives its server.
func (s *server) databaseEnds() {
	if s.postgres < 0 {
		return
	}
	fds := []unix.PollFd{{Fd: int32(s.postgres), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 20_000)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			s.t.Errorf("PostgreSQL, process %d, outlives its server (%v)", s.postgresPID, err)
		}
		break
	}
	_ = unix.Close(s.postgres)
	s.postgres = -1
}

// stop ends the server as an operator does, and insists on a clean end.
func (s *server) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(deadline):
		s.t.Fatal("the server does not stop")
	}
	if s.err != nil {
		s.t.Fatalf("the server stopped with %v", s.err)
	}
	s.databaseEnds()
}

// run runs the command line against the server.
func (s *server) run(args ...string) []byte {
	s.t.Helper()
	path, err := binary()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(path, append(args, "--server", s.address)...)
	cmd.Env = environment(s.dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("bodega %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// bearer adds the token to what a Connect client sends.
type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return http.DefaultTransport.RoundTrip(r)
}

func (s *server) merchants() inventoryv1connect.MerchantServiceClient {
	return inventoryv1connect.NewMerchantServiceClient(&http.Client{Transport: bearer{s.token}}, s.address)
}

func (s *server) feeds() inventoryv1connect.FeedServiceClient {
	return inventoryv1connect.NewFeedServiceClient(&http.Client{Transport: bearer{s.token}}, s.address)
}

func (s *server) items() inventoryv1connect.ItemServiceClient {
	return inventoryv1connect.NewItemServiceClient(&http.Client{Transport: bearer{s.token}}, s.address)
}

// sent is a feed as its sender knows it.
type sent struct {
	Store, Kind, Key string
	At               time.Time
	Body             string
}

// refused is an answer of the server that is not the receipt.
type refused struct {
	status int
	body   string
}

func (r *refused) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.body) }

// put sends a feed once, and returns the id that the server acknowledged.
func (s *server) put(ctx context.Context, f sent, body io.Reader) (string, error) {
	q := url.Values{"kind": {f.Kind}, "idempotency_key": {f.Key}, "source_time": {f.At.Format(time.RFC3339)}}
	if f.Store != "" {
		q.Set("store", f.Store)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.address+"/v1/feeds/corner?"+q.Encode(), body)
	if err != nil {
		return "", err
	}
	resp, err := (&http.Client{Transport: bearer{s.token}}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusAccepted {
		return "", &refused{resp.StatusCode, string(answer)}
	}
	var receipt struct {
		Feed string `json:"feed_id"`
	}
	return receipt.Feed, json.Unmarshal(answer, &receipt)
}

func (s *server) mustPut(f sent) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	id, err := s.put(ctx, f, strings.NewReader(f.Body))
	if err != nil {
		s.t.Fatalf("submit feed %s: %v", f.Key, err)
	}
	return id
}

// databaseAddress is that of the server's PostgreSQL, as the prod tenant.
func (s *server) databaseAddress() string {
	s.t.Helper()
	_, socket := s.postmaster()
	address := url.URL{Scheme: "postgres", User: url.User(embedded.Role), Path: "/bodega", RawQuery: url.Values{
		"host": {socket}, "search_path": {"prod_inventory"},
	}.Encode()}
	return address.String()
}

func (s *server) database() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(context.Background(), s.databaseAddress())
	if err != nil {
		s.t.Fatalf("connect to the server's database: %v", err)
	}
	s.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
