// Package embedded runs a Temporal server inside this process, on one SQLite
// file. It compiles for minutes, so only the main binary and this package's
// own test link it.
//
// The server listens on loopback, where any user of the machine could reach
// it; so every port asks for a client certificate of an authority that is
// made at start and never leaves the process.
package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/membership/static"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
)

const loopback = "127.0.0.1"

// Server is a running Temporal server.
type Server struct {
	server  temporal.Server
	address string
	client  *tls.Config
}

// Start opens the SQLite file temporal.db in dir, makes it where it is
// missing, registers the namespaces and serves.
func Start(dir string, namespaces []string, logger *slog.Logger) (*Server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make Temporal folder: %w", err)
	}
	keys, err := newAuthority()
	if err != nil {
		return nil, err
	}
	services := append([]string{string(primitives.InternalFrontendService)}, temporal.DefaultServices...)
	host := ownLoopback()
	ports, err := freePorts(host, 2*len(services))
	if err != nil {
		return nil, err
	}
	store := &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: filepath.Join(dir, "temporal.db"),
		ConnectAttributes: map[string]string{
			"mode": "rwc",
			// A finished step must stay finished after a power cut.
			"_journal_mode": "WAL", "_synchronous": "2",
		},
	}
	cfg := &config.Config{
		Persistence: config.Persistence{
			DefaultStore:     sqliteplugin.PluginName,
			VisibilityStore:  sqliteplugin.PluginName,
			NumHistoryShards: 1,
			DataStores:       map[string]config.DataStore{sqliteplugin.PluginName: {SQL: store}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		Services: map[string]config.Service{},
	}
	cfg.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: host}
	cfg.Global.TLS = keys.serverConfig()
	hosts := map[primitives.ServiceName]static.Hosts{}
	var frontend string
	for i, name := range services {
		cfg.Services[name] = config.Service{RPC: config.RPC{
			GRPCPort: ports[2*i], MembershipPort: ports[2*i+1], BindOnIP: host,
		}}
		address := fmt.Sprintf("%s:%d", host, ports[2*i])
		// One process needs no gossip to find itself; without it a start
		// does not wait for the ghosts of an earlier run to leave the ring.
		hosts[primitives.ServiceName(name)] = static.Hosts{All: []string{address}, Self: address}
		if name == string(primitives.FrontendService) {
			frontend = address
		}
	}
	cfg.ClusterMetadata = &cluster.Config{
		FailoverVersionIncrement: 10,
		MasterClusterName:        "active",
		CurrentClusterName:       "active",
		ClusterInformation: map[string]cluster.ClusterInformation{
			"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: frontend},
		},
	}
	if err := setUp(store, namespaces); err != nil {
		return nil, err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(services),
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(newLogger(logger)),
	)
	if err != nil {
		return nil, fmt.Errorf("assemble Temporal server: %w", err)
	}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start Temporal server: %w", err)
	}
	return &Server{server: server, address: frontend, client: keys.clientConfig()}, nil
}

// Address is where clients reach the server, with the certificates of TLS.
func (s *Server) Address() string { return s.address }

// TLS is what a client of this process proves itself with.
func (s *Server) TLS() *tls.Config { return s.client.Clone() }

// Stop ends the server and waits for it, but not longer than ctx.
func (s *Server) Stop(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() { stopped <- s.server.Stop() }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
		return fmt.Errorf("stop Temporal server: %w", ctx.Err())
	}
}

// setUp makes the schema under another name and renames the file when it is
// whole, so that a start that is killed half-way can be repeated.
func setUp(store *config.SQL, namespaces []string) error {
	if _, err := os.Stat(store.DatabaseName); errors.Is(err, fs.ErrNotExist) {
		unfinished := *store
		unfinished.DatabaseName = store.DatabaseName + ".new"
		// A rollback journal leaves one file to rename; the server turns to WAL itself.
		unfinished.ConnectAttributes = map[string]string{"mode": "rwc", "_journal_mode": "DELETE"}
		if err := os.RemoveAll(unfinished.DatabaseName); err != nil {
			return fmt.Errorf("remove unfinished Temporal database: %w", err)
		}
		if err := sqlite.SetupSchema(&unfinished); err != nil {
			return fmt.Errorf("make Temporal schema: %w", err)
		}
		if err := os.Rename(unfinished.DatabaseName, store.DatabaseName); err != nil {
			return fmt.Errorf("name Temporal database: %w", err)
		}
	}
	configs := make([]*sqlite.NamespaceConfig, len(namespaces))
	for i, name := range namespaces {
		c, err := sqlite.NewNamespaceConfig("active", name, false, nil)
		if err != nil {
			return fmt.Errorf("describe Temporal namespace %s: %w", name, err)
		}
		configs[i] = c
	}
	if err := sqlite.CreateNamespaces(store, configs...); err != nil {
		return fmt.Errorf("make Temporal namespaces: %w", err)
	}
	return nil
}

// ownLoopback is one of the sixteen million loopback addresses that Linux
// answers on. The server takes ports by number, so that each is free for a
// moment between being found and being taken: on an address of its own no other
// program takes one meanwhile.
func ownLoopback() string {
	host := net.IPv4(127, byte(1+rand.N(254)), byte(rand.N(256)), byte(1+rand.N(254))).String()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return loopback // other systems answer on this one alone
	}
	_ = l.Close()
	return host
}

// freePorts finds n free ports by listening on all of them at once, so that
// none is given twice.
func freePorts(host string, n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", host+":0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}
