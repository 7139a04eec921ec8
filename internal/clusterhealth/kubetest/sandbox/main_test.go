package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
)

// start runs the sandbox until interrupt is called; lines are what it prints.
func start(t *testing.T) (lines <-chan string, interrupt func() error) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, writer, writer)
		ended <- errors.Join(err, writer.Close())
	}()
	printed := make(chan string, 100)
	go func() {
		defer close(printed)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			printed <- scanner.Text()
		}
	}()
	return printed, func() error {
		cancel()
		return <-ended
	}
}

// await reads lines until one holds a text, and returns what follows it.
func await(t *testing.T, lines <-chan string, text string) string {
	t.Helper()
	for line := range lines {
		if _, rest, found := strings.Cut(line, text); found {
			return rest
		}
	}
	t.Fatalf("ended without a word of %q", text)
	return ""
}

// The sandbox prints a kubeconfig that works, and an interrupt ends it without
// complaint and leaves nothing behind.
func TestSandbox(t *testing.T) {
	lines, interrupt := start(t)
	config, err := clientcmd.BuildConfigFromFlags("", await(t, lines, "export KUBECONFIG="))
	if err != nil {
		t.Fatal(err)
	}
	server, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	await(t, lines, "Interrupt to end it all")
	if _, err := server.ServerVersion(); err != nil {
		t.Errorf("ask the API server: %v", err)
	}
	checkGone(t, interrupt())
	if _, err := server.ServerVersion(); err == nil {
		t.Error("the API server still answers")
	}
}

// An interrupt is heard while the sandbox is still being made.
func TestInterruptedEarly(t *testing.T) {
	lines, interrupt := start(t)
	await(t, lines, "starting etcd")
	checkGone(t, interrupt())
}

func checkGone(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("interrupted: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(found) > 0 {
		t.Errorf("left behind: %v", found)
	}
}
