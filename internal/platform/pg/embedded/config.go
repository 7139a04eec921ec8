package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Role is the database role that bodega connects as. It owns the databases it
// makes and is no superuser, so no statement of it reads a file of the server
// or runs a program.
const Role = "bodega"

// superuser is initdb's first role, there for repair by hand.
const superuser = "postgres"

// Config says which server to start.
type Config struct {
	// DataDir is the folder that the server's files live in; made where absent.
	DataDir string
	// Logger gets what the server says. Nil discards it.
	Logger *slog.Logger
	// BinDir holds the server's programs (initdb, postgres). Empty means that
	// [Find] looks for them, and fetches them where there are none.
	BinDir string
	// Mirror is the base address of the Maven repository that programs are
	// fetched from; empty means the environment's BODEGA_POSTGRES_MIRROR, else
	// Maven Central.
	Mirror string
	// CacheDir keeps fetched programs; empty means "bodega" in the user's cache
	// folder, or in /var/cache for root.
	CacheDir string
	// RuntimeDir is the parent of the socket's folder; empty means /run for root
	// and the folder for temporary files for others.
	RuntimeDir string
	// OSUser is the unprivileged user that root runs a new server as; empty
	// means "postgres" where that user exists, else "nobody". An existing data
	// folder stays with its owner. Without root it is not used.
	OSUser string
	// Settings override entries of postgresql.conf.
	Settings map[string]string
	// Volatile trades durability for speed: a crash of the machine may cost all
	// data. For tests only.
	Volatile bool
	// StartTimeout bounds the time from the process's start to its first
	// answer; zero means five minutes, since recovery after a crash takes time.
	StartTimeout time.Duration
}

func (c Config) withDefaults() (Config, error) {
	if c.DataDir == "" {
		return c, errors.New("embedded postgres: no data folder given")
	}
	var err error
	if c.DataDir, err = filepath.Abs(c.DataDir); err != nil {
		return c, fmt.Errorf("embedded postgres: resolve data folder: %w", err)
	}
	if strings.ContainsAny(c.DataDir, "\n\r\x00") {
		return c, fmt.Errorf("embedded postgres: data folder %q: the path has a line break in it", c.DataDir)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 5 * time.Minute
	}
	return c, nil
}

// settings are the entries of postgresql.conf. Durability is PostgreSQL's
// default and stated all the same; the sizes suit a machine with 2 cores and a
// few GiB that bodega shares with the database.
func (c Config) settings() map[string]string {
	s := map[string]string{
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",

		"max_connections":                     "200",
		"shared_buffers":                      "256MB",
		"work_mem":                            "16MB",
		"maintenance_work_mem":                "128MB",
		"effective_cache_size":                "1GB",
		"wal_compression":                     "on",
		"max_wal_size":                        "2GB",
		"min_wal_size":                        "128MB",
		"checkpoint_timeout":                  "10min",
		"random_page_cost":                    "1.1",
		"jit":                                 "off",
		"wal_level":                           "replica",
		"max_wal_senders":                     "4",
		"idle_in_transaction_session_timeout": "10min",
		"client_connection_check_interval":    "10s",
		"timezone":                            "UTC",
		"log_timezone":                        "UTC",
		"lc_messages":                         "C",
		"logging_collector":                   "off",
		"log_destination":                     "stderr",
		"log_line_prefix":                     logPrefix,
		"log_checkpoints":                     "off",
		"log_statement":                       "none",
		"log_min_error_statement":             "panic",
		"cluster_name":                        "bodega",
	}
	if free, err := freeSpace(sharedMemory); err == nil && free < plentySharedMemory {
		s["dynamic_shared_memory_type"] = "mmap"
	}
	if c.Volatile {
		s["fsync"] = "off"
		s["full_page_writes"] = "off"
		s["shared_buffers"] = "64MB"
		s["min_wal_size"] = "32MB"
		s["max_wal_size"] = "256MB"
	}
	maps.Copy(s, c.Settings)
	return s
}

// Parallel queries share memory through files in this folder of Linux. In a
// container it often holds 64 MiB, which a parallel hash join can exhaust; the
// data folder then takes its place, more slowly.
const (
	sharedMemory       = "/dev/shm"
	plentySharedMemory = 256 << 20
)

func freeSpace(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}

// render writes settings in the syntax of postgresql.conf.
func render(settings map[string]string) string {
	var b strings.Builder
	b.WriteString("# Written by bodega at every start. ALTER SYSTEM settings are read after this file.\n")
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		value := strings.ReplaceAll(strings.ReplaceAll(settings[name], `\`, `\\`), `'`, `''`)
		fmt.Fprintf(&b, "%s = '%s'\n", name, value)
	}
	return b.String()
}
