// Package kubetest runs a real control plane for tests: etcd, kube-apiserver
// and kube-controller-manager, with kwok for nodes and pods. They are built by
// test/kube/build.sh, once for a machine.
package kubetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
)

// Options of a Cluster.
type Options struct {
	// Controllers starts kube-controller-manager, without which nothing owned is
	// collected and no workload has pods.
	Controllers bool
	// Kwok starts kwok, without which no pod ever runs.
	Kwok bool
	// Logs are files by container name, in the format of the container runtime,
	// that kwok serves as the containers' logs.
	Logs map[string]string
	// Dir for state and logs of the processes; a temporary one where empty.
	Dir string
}

// Cluster is a running control plane.
type Cluster struct {
	Config     *rest.Config
	Client     client.Client
	Kubeconfig string // path of a kubeconfig of an administrator
	Dir        string

	env       *envtest.Environment
	processes []*process
	logs      []*os.File
	reaper    *exec.Cmd
	ownsDir   bool
}

type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

// Root is the repository's root folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}

// Assets is the folder of the control plane's binaries: KUBEBUILDER_ASSETS, or
// where test/kube/build.sh keeps them. That they are absent is an error and no
// reason to skip.
func Assets() (string, error) {
	dir, remedy := os.Getenv("KUBEBUILDER_ASSETS"), "unset KUBEBUILDER_ASSETS"
	if dir == "" {
		remedy = "run test/kube/build.sh, which takes minutes once for a machine"
		out, err := exec.Command(filepath.Join(Root(), "test", "kube", "build.sh"), "path").Output()
		if err != nil {
			return "", fmt.Errorf("ask test/kube/build.sh for its folder: %w", err)
		}
		dir = strings.TrimSpace(string(out))
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kwok", "kwok.yaml", "helm"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s has no %s: %s", dir, name, remedy)
		}
	}
	return dir, nil
}

// Start starts a control plane with the CRDs of the operator installed.
func Start(ctx context.Context, opts Options) (*Cluster, error) {
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: opts.Dir}
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "bodega-kube-"); err != nil {
			return nil, err
		}
		c.ownsDir = true
	}
	c.env = &envtest.Environment{
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(Root(), "deploy", "operator", "chart", "crds")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: time.Minute, ControlPlaneStopTimeout: time.Minute,
	}
	api := c.env.ControlPlane.GetAPIServer().Configure()
	// Bodies of hundreds of tests' worth of events are not worth their space.
	api.Append("event-ttl", "10m")
	apiServer, etcd := c.env.ControlPlane.GetAPIServer(), &envtest.Etcd{}
	c.env.ControlPlane.Etcd = etcd
	for name, out := range map[string][]*io.Writer{
		"kube-apiserver": {&apiServer.Out, &apiServer.Err}, "etcd": {&etcd.Out, &etcd.Err},
	} {
		log, err := os.Create(filepath.Join(c.Dir, name+".log"))
		if err != nil {
			return nil, errors.Join(err, c.Stop())
		}
		c.logs = append(c.logs, log)
		*out[0], *out[1] = log, log
	}
	if c.Config, err = c.env.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane: %w", err), c.Stop())
	}
	c.Config.QPS = -1
	c.Kubeconfig = filepath.Join(c.Dir, "kubeconfig")
	if err := os.WriteFile(c.Kubeconfig, c.env.KubeConfig, 0o600); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), health.AddToScheme(scheme)); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if c.Client, err = client.New(c.Config, client.Options{Scheme: scheme}); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the control plane: %w", err), c.Stop())
	}
	if opts.Controllers {
		err = errors.Join(err, c.startControllers(assets))
	}
	if opts.Kwok {
		err = errors.Join(err, c.startKwok(assets, opts))
	}
	err = errors.Join(err, c.startReaper(assets))
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// startReaper starts a shell that ends the processes of the cluster when this
// one ends without Stop: by a signal, a test's timeout, a panic. It waits for
// the end of its input, which this process holds open.
func (c *Cluster) startReaper(assets string) error {
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,args=").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil // a courtesy, which a machine without ps goes without
	}
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	args := []string{"-c", `read -r _; kill -KILL "$@" 2>/dev/null`, "reaper"}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) > 2 && fields[1] == strconv.Itoa(os.Getpid()) && strings.HasPrefix(fields[2], assets+"/") {
			args = append(args, fields[0])
		}
	}
	reaper := exec.Command("sh", args...)
	reaper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if _, err := reaper.StdinPipe(); err != nil {
		return err
	}
	if err := reaper.Start(); err != nil {
		return fmt.Errorf("start the reaper: %w", err)
	}
	c.reaper = reaper
	return nil
}

func (c *Cluster) startControllers(assets string) error {
	return c.spawn(filepath.Join(assets, "kube-controller-manager"),
		"--kubeconfig="+c.Kubeconfig, "--leader-elect=false", "--secure-port=0", // it serves nobody
		"--concurrent-gc-syncs=20", "--controllers=garbage-collector-controller,namespace-controller,deployment-controller,"+
			"replicaset-controller,statefulset-controller,daemonset-controller,serviceaccount-controller,cronjob-controller,job-controller",
		"--kube-api-qps=200", "--kube-api-burst=400")
}

func (c *Cluster) startKwok(assets string, opts Options) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	var rules strings.Builder
	rules.WriteString("apiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterExec\nmetadata: {name: all}\nspec: {execs: [{local: {}}]}\n")
	if len(opts.Logs) > 0 {
		rules.WriteString("---\napiVersion: kwok.x-k8s.io/v1alpha1\nkind: ClusterLogs\nmetadata: {name: all}\nspec:\n  logs:\n")
		for container, file := range opts.Logs {
			fmt.Fprintf(&rules, "  - {containers: [%q], logsFile: %q, follow: true}\n", container, file)
		}
	}
	rulesFile := filepath.Join(c.Dir, "kwok-rules.yaml")
	if err := os.WriteFile(rulesFile, []byte(rules.String()), 0o600); err != nil {
		return err
	}
	return c.spawn(filepath.Join(assets, "kwok"),
		"--kubeconfig="+c.Kubeconfig, "--manage-all-nodes=true",
		"--config="+filepath.Join(assets, "kwok.yaml"), "--config="+rulesFile,
		"--node-name=localhost", "--node-ip=127.0.0.1", "--node-port="+port)
}

// spawn starts a process and writes what it says to a file of its name.
func (c *Cluster) spawn(path string, args ...string) error {
	name := filepath.Base(path)
	log, err := os.Create(filepath.Join(c.Dir, name+".log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // how it ended shows in its log
		log.Close()
	}()
	c.processes = append(c.processes, p)
	return nil
}

// UserConfig is how to connect as a user who has the given rules in the whole
// cluster, and no others.
func (c *Cluster) UserConfig(ctx context.Context, name string, rules []rbacv1.PolicyRule) (*rest.Config, error) {
	user, err := c.env.ControlPlane.AddUser(envtest.User{Name: name}, c.Config)
	if err != nil {
		return nil, fmt.Errorf("add user %s: %w", name, err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: name, APIGroup: rbacv1.GroupName}},
		RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: name, APIGroup: rbacv1.GroupName},
	}
	if err := errors.Join(c.Client.Create(ctx, role), c.Client.Create(ctx, binding)); err != nil {
		return nil, fmt.Errorf("grant rules to %s: %w", name, err)
	}
	return user.Config(), nil
}

// Stop ends everything and removes what Start made.
func (c *Cluster) Stop() error {
	if c.reaper != nil {
		_ = c.reaper.Process.Kill()
		_ = c.reaper.Wait() // it ends by the signal
	}
	for _, p := range c.processes {
		// Each leads a process group of its own, which dies whole.
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(5 * time.Second):
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.done
		}
	}
	c.processes = nil
	var err error
	if c.env != nil {
		err = c.env.Stop()
	}
	for _, log := range c.logs {
		log.Close()
	}
	if c.ownsDir {
		err = errors.Join(err, os.RemoveAll(c.Dir))
	}
	return err
}

// FreeAddress is an address on loopback that nobody listened on a moment ago.
func FreeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func freePort() (string, error) {
	address, err := FreeAddress()
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(address)
	return port, err
}
