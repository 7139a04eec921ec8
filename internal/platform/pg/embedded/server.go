package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Server is a running PostgreSQL.
type Server struct {
	cfg     Config
	cluster cluster
	socket  string // folder of the socket
	lock    *os.File
	log     *serverLog
	process *os.Process
	// ownSocket says that the socket's folder is this server's, to be removed.
	ownSocket bool

	done     chan struct{} // closed when the process has ended
	exit     error         // how it ended; read after done
	stopping atomic.Bool   // somebody waits for the end and sees to the rest
	freed    sync.Once
}

// dataName is PostgreSQL's own folder inside the data folder.
const dataName = "data"

// Start starts the server of cfg.DataDir, after making the data folder where
// there is none, and returns when it answers. A server that a crashed bodega
// left behind on the same folder is stopped first.
//
// Errors wrap [ErrInUse] where another bodega has the folder, [ErrNoBinaries]
// where no PostgreSQL is to be had, and [ErrMajorVersion] where none of the
// right version is.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := start(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start postgres in %s: %w", cfg.DataDir, err)
	}
	return s, nil
}

func start(ctx context.Context, cfg Config) (_ *Server, err error) {
	if err := makeDataDir(cfg.DataDir); err != nil {
		return nil, err
	}
	// One folder reached by two names is one folder.
	if cfg.DataDir, err = filepath.EvalSymlinks(cfg.DataDir); err != nil {
		return nil, fmt.Errorf("resolve data folder: %w", err)
	}
	held, err := lock(filepath.Join(cfg.DataDir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, lock: held, log: &serverLog{logger: cfg.Logger}, done: make(chan struct{})}
	defer func() {
		if err != nil {
			s.release()
		}
	}()
	if s.cluster, err = open(ctx, cfg); err != nil {
		return nil, err
	}
	if s.socket, err = runtimeDir(cfg); err != nil {
		return nil, err
	}
	if err := clearLeftovers(ctx, s.cluster.pgdata, cfg.Logger); err != nil {
		return nil, err
	}
	if err := makeRuntimeDir(s.socket, s.cluster.account); err != nil {
		return nil, err
	}
	s.ownSocket = true
	if err := s.cluster.configure(cfg); err != nil {
		return nil, err
	}
	if err := s.spawn(); err != nil {
		return nil, err
	}
	if err := s.awaitReady(ctx); err != nil {
		return nil, errors.Join(err, s.kill())
	}
	return s, nil
}

// makeDataDir makes the folder where it is absent. It is open to be passed
// through, since the server may run as another user; what is inside is not.
func makeDataDir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	return nil
}

// open finds the data folder, or makes it, and what is to run it.
func open(ctx context.Context, cfg Config) (cluster, error) {
	c := cluster{pgdata: filepath.Join(cfg.DataDir, dataName)}
	major, err := majorOf(c.pgdata)
	if err != nil {
		return c, err
	}
	c.clearHalfMade()
	if major == 0 {
		if err := refuseHalfUpgraded(cfg.DataDir); err != nil {
			return c, err
		}
	}
	if c.binaries, err = choose(ctx, cfg, major); err != nil {
		return c, err
	}
	if c.account, err = chooseAccount(cfg, c.pgdata); err != nil {
		return c, err
	}
	// A capability that a process gets at its start is no help in finding the
	// program to start.
	if c.account.other && !c.account.reaches(c.binaries.path("postgres")) {
		return c, fmt.Errorf("user %s, whom root runs PostgreSQL as, cannot enter every folder above %s: open them (chmod o+x), or install PostgreSQL where every user gets to", c.account.name, c.binaries.Dir)
	}
	c.confined = c.account.other && !c.account.reaches(c.pgdata)
	if major == 0 {
		if err := c.create(ctx, cfg.Volatile); err != nil {
			return c, err
		}
		cfg.Logger.Info("postgres data folder made", slog.String("data_dir", c.pgdata), slog.Int("major", c.binaries.Major))
	}
	return c, nil
}

// onLockedThread runs f on a thread that lives until f returns. The signal on
// the parent's death comes when the parent's thread dies, and Go ends threads
// as it likes.
func onLockedThread[T any](f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		value, err := f()
		results <- result{value, err}
	}()
	r := <-results
	return r.value, r.err
}

// spawn starts the server process and a goroutine that waits for its end.
func (s *Server) spawn() error {
	c := s.cluster
	out, in, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe for the server's log: %w", err)
	}
	// Not through a shell or pg_ctl: the child must be the server itself. The
	// settings given here are those that ALTER SYSTEM must not change.
	cmd := exec.Command(c.binaries.path("postgres"), "-D", c.pgdata,
		"-c", "listen_addresses=", "-c", "port="+port, "-c", "unix_socket_directories="+s.socket, "-c", "unix_socket_permissions=0777")
	cmd.Dir = "/"
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = in, in
	cmd.SysProcAttr = attributes(c.account, c.confined)
	logged := make(chan struct{})
	go func() {
		s.log.read(out)
		out.Close()
		close(logged)
	}()
	started := make(chan error, 1)
	go func() {
		// The thread lives as long as the server: see onLockedThread.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		in.Close()
		started <- err
		if err != nil {
			return
		}
		s.exit = cmd.Wait()
		// Its last words tell why it ended. Children that outlive a killed
		// server keep the pipe open, and are not waited for.
		select {
		case <-logged:
		case <-time.After(200 * time.Millisecond):
		}
		if !s.stopping.Load() {
			s.release()
		}
		close(s.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("run %s as user %s: %w", cmd.Path, c.account.name, c.explain(err))
	}
	s.process = cmd.Process
	return nil
}

// awaitReady returns when the server answers and has bodega's role.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.StartTimeout,
		fmt.Errorf("postgres did not answer within %s", s.cfg.StartTimeout))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ensureRole(ctx)
		if err == nil {
			return nil
		}
		if refused := new(pgconn.PgError); errors.As(err, &refused) && refused.Code != "57P03" {
			return fmt.Errorf("first connection: %w", err)
		}
		select {
		case <-s.done:
			return fmt.Errorf("postgres ended at its start (%w): %s", s.exitCause(), s.log.Tail())
		case <-ctx.Done():
			return fmt.Errorf("wait for postgres to answer: %w; it said: %s", context.Cause(ctx), s.log.Tail())
		case <-tick.C:
		}
	}
}

func (s *Server) ensureRole(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.url(superuser, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_roles WHERE rolname = $1`, Role).Scan(&exists); err != nil {
		return fmt.Errorf("look for role %s: %w", Role, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, `CREATE ROLE `+Role+` LOGIN CREATEDB`); err != nil {
		return fmt.Errorf("create role %s: %w", Role, err)
	}
	return nil
}

// EnsureDatabase creates the database where it is absent.
func (s *Server) EnsureDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT count(*) > 0 FROM pg_database WHERE datname = $1`, name).Scan(&exists); err != nil {
		return fmt.Errorf("look for database %s: %w", name, err)
	}
	if exists {
		return nil
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize())
	var pgErr *pgconn.PgError
	if err != nil && !(errors.As(err, &pgErr) && (pgErr.Code == "42P04" || pgErr.Code == "23505")) {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// Locate returns the address of a database of the server that runs on dataDir,
// possibly another process's, for tools such as psql and pg_dump. Only the user
// who runs that bodega gets in.
func Locate(dataDir, database string) (string, error) {
	path := filepath.Join(dataDir, dataName, "postmaster.pid")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no postgres runs on %s: start bodega first", dataDir)
	}
	if err != nil {
		return "", fmt.Errorf("ask where postgres listens: %w", err)
	}
	// The fifth line is the folder of the socket.
	lines := strings.Split(string(content), "\n")
	if len(lines) < 6 || !filepath.IsAbs(lines[4]) {
		return "", fmt.Errorf("%s does not say where postgres listens: it is starting, or the file is damaged", path)
	}
	return address(lines[4], Role, database), nil
}

// URL is where the database of that name is reached, as [Role]. It holds no
// password.
func (s *Server) URL(database string) string { return s.url(Role, database) }

func (s *Server) url(role, database string) string { return address(s.socket, role, database) }

func address(socket, role, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.User(role),
		Path:     "/" + database,
		RawQuery: url.Values{"host": {socket}, "port": {port}}.Encode(),
	}
	return u.String()
}

// Version is the server's version, such as "15.14".
func (s *Server) Version() string { return s.cluster.binaries.Version }

// PID is the server's main process.
func (s *Server) PID() int { return s.process.Pid }

// Done is closed when the server has ended, by Stop or by itself; Err then says
// how. After an end by itself the data folder is free: Start may be called again.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err is nil while the server runs and after it ended cleanly; else it says how
// the process ended, with the last lines of its log.
func (s *Server) Err() error {
	select {
	case <-s.done:
	default:
		return nil
	}
	if s.exit == nil {
		return nil
	}
	return fmt.Errorf("postgres in %s ended: %w: %s", s.cfg.DataDir, s.exit, s.log.Tail())
}

func (s *Server) exitCause() error {
	if s.exit != nil {
		return s.exit
	}
	return errors.New("exit status 0")
}

// Stop ends the server with a fast shutdown: sessions are cut off, their open
// transactions roll back, and everything committed is in the data files. Where
// ctx ends first, the server ends at once and recovers at its next start;
// nothing committed is lost then either. Stopping twice is harmless.
func (s *Server) Stop(ctx context.Context) error {
	err := s.shutDown(ctx)
	s.release()
	return err
}

// shutDown ends the server and keeps the data folder locked.
func (s *Server) shutDown(ctx context.Context) error {
	s.stopping.Store(true)
	// The postmaster treats SIGINT as fast and SIGQUIT as immediate shutdown.
	_ = s.process.Signal(syscall.SIGINT) // an error says that it has ended
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("stop postgres in %s: %w; it was ended without a checkpoint and recovers at its next start", s.cfg.DataDir, context.Cause(ctx)), s.kill())
	}
}

// kill ends the server at once. The postmaster gives its children five seconds
// before it kills them; more than that means a process stuck in the kernel.
func (s *Server) kill() error {
	s.stopping.Store(true)
	_ = s.process.Signal(syscall.SIGQUIT)
	select {
	case <-s.done:
		return nil
	case <-time.After(15 * time.Second):
		return fmt.Errorf("postgres (process %d) does not end", s.process.Pid)
	}
}

// release gives the data folder free for the next server.
func (s *Server) release() {
	s.freed.Do(func() {
		if s.ownSocket {
			if err := os.RemoveAll(s.socket); err != nil {
				s.cfg.Logger.Warn("postgres socket folder not removed", slog.String("error", err.Error()))
			}
		}
		s.lock.Close()
	})
}
