package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/platform/probe"
)

// outputRead is how much of a command's output a pattern sees.
const outputRead = 64 << 10

var podExecType = Type{
	Name:    "podExec",
	Present: func(c *health.Check) bool { return c.PodExec != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		p := c.PodExec
		errs := validateNamespace(p.Namespace, at.Child("namespace"))
		given := 0
		for _, set := range []bool{p.Pod != "", p.Workload != nil, p.Selector != nil} {
			if set {
				given++
			}
		}
		if given != 1 {
			errs = append(errs, field.Invalid(at, "", "has exactly one of pod, workload and selector"))
		}
		errs = append(errs, tooLong(p.Pod, at.Child("pod"), 253)...)
		errs = append(errs, validateWorkloadAndSelector(p.Workload, p.Selector, at)...)
		errs = append(errs, tooLong(p.Container, at.Child("container"), 63)...)
		if len(p.Command) == 0 || p.Command[0] == "" {
			errs = append(errs, field.Required(at.Child("command"), "names what to run"))
		}
		if len(p.Command) > 32 {
			errs = append(errs, field.TooMany(at.Child("command"), len(p.Command), 32))
		}
		for i, arg := range p.Command {
			errs = append(errs, tooLong(arg, at.Child("command").Index(i), 1024)...)
		}
		if code := p.ExpectedExitCode; code != nil && (*code < 0 || *code > 255) {
			errs = append(errs, field.Invalid(at.Child("expectedExitCode"), *code, "is not from 0 to 255"))
		}
		if p.Pods != "" && p.Pods != "Any" && p.Pods != "All" {
			errs = append(errs, field.NotSupported(at.Child("pods"), p.Pods, []string{"Any", "All"}))
		}
		return append(errs, validatePattern(p.OutputMatches, at.Child("outputMatches"))...)
	},
	Target: func(c *health.Check) string { return podsTarget(c.PodExec.Namespace, c.PodExec.Workload) },
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) {
		p := c.PodExec
		// Running a command is the create verb, and get where the API server has to
		// be asked over a WebSocket.
		exec := []Access{
			{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: p.Namespace, Name: p.Pod},
			{Verb: "get", Resource: "pods", Subresource: "exec", Namespace: p.Namespace, Name: p.Pod},
		}
		if p.Pod != "" {
			return append(exec, Access{Verb: "get", Resource: "pods", Namespace: p.Namespace, Name: p.Pod}), nil
		}
		return append(exec, podsAccess(p.Namespace, p.Workload)...), nil
	},
	New: newPodExec,
}

type podExec struct {
	spec     *health.PodExecCheck
	env      *Env
	selector labels.Selector
	output   *regexp.Regexp
	want     int
}

func newPodExec(c *health.Check, env *Env) (Check, error) {
	if env.Cluster == nil {
		return nil, ErrNoCluster
	}
	p := &podExec{spec: c.PodExec, env: env}
	var err error
	if p.spec.Selector != nil {
		if p.selector, err = selectorOf(p.spec.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
	}
	if p.spec.OutputMatches != "" {
		if p.output, err = compilePattern(p.spec.OutputMatches); err != nil {
			return nil, fmt.Errorf("outputMatches: %w", err)
		}
	}
	if p.spec.ExpectedExitCode != nil {
		p.want = int(*p.spec.ExpectedExitCode)
	}
	return p, nil
}

func (p *podExec) Run(ctx context.Context) Outcome {
	pods, bad := p.pods(ctx)
	if bad != nil {
		return *bad
	}
	ran := 0
	for i := range pods {
		if !running(&pods[i]) {
			continue
		}
		if out := p.exec(ctx, &pods[i]); out.Result != health.Success {
			return out
		}
		ran++
		if p.spec.Pods != "All" {
			break
		}
	}
	if ran == 0 {
		return failure("no running pod in %s to run %s in", p.spec.Namespace, p.spec.Command[0])
	}
	return success("%s exited with %d in %d pods", p.spec.Command[0], p.want, ran)
}

func (p *podExec) pods(ctx context.Context) ([]corev1.Pod, *Outcome) {
	if p.spec.Pod == "" {
		pods, _, bad := p.env.Cluster.podsOf(ctx, p.spec.Namespace, p.spec.Workload, p.selector)
		return pods, bad
	}
	var pod corev1.Pod
	err := p.env.Cluster.Client.Get(ctx, client.ObjectKey{Namespace: p.spec.Namespace, Name: p.spec.Pod}, &pod)
	if apierrors.IsNotFound(err) {
		out := failure("pod %s/%s does not exist", p.spec.Namespace, p.spec.Pod)
		return nil, &out
	}
	if err != nil {
		out := apiError(fmt.Sprintf("get pod %s/%s", p.spec.Namespace, p.spec.Pod), err)
		return nil, &out
	}
	return []corev1.Pod{pod}, nil
}

// exec runs the command in one pod. What the command writes is matched and
// dropped, since whoever reads the result may not be allowed to read the pod.
func (p *podExec) exec(ctx context.Context, pod *corev1.Pod) Outcome {
	doing := fmt.Sprintf("run %s in %s/%s", p.spec.Command[0], pod.Namespace, pod.Name)
	container := p.spec.Container
	if container == "" {
		container = pod.Annotations["kubectl.kubernetes.io/default-container"]
	}
	if container == "" && len(pod.Spec.Containers) > 0 {
		container = pod.Spec.Containers[0].Name
	}
	request := p.env.Cluster.core.RESTClient().Post().
		Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: container, Command: p.spec.Command, Stdout: true, Stderr: true,
		}, scheme.ParameterCodec)
	executor, end, err := newExecutor(p.env.Cluster.config, request.URL())
	if err != nil {
		return Errorf("%s: %v", doing, err)
	}
	stdout, stderr := &capped{limit: outputRead}, &capped{}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
	switch {
	case err == nil && end.refusal == nil && !end.told.Load():
		err = errors.New("the connection to the node ended before the command did")
	case httpstream.IsUpgradeFailure(err) && end.refusal != nil:
		err = end.refusal // only the first says why
	}
	return p.judge(ctx, doing, err, stdout.buffer.Bytes())
}

// newExecutor makes what runs a command over SPDY, or over a WebSocket where
// something between here and the API server refuses that.
func newExecutor(config *rest.Config, to *url.URL) (remotecommand.Executor, *ending, error) {
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, nil, err
	}
	proxy := http.ProxyFromEnvironment
	if config.Proxy != nil {
		proxy = config.Proxy
	}
	upgrade, err := streamspdy.NewRoundTripperWithConfig(streamspdy.RoundTripperConfig{
		TLS: tlsConfig, Proxier: proxy, PingPeriod: 5 * time.Second,
	})
	if err != nil {
		return nil, nil, err
	}
	transport, err := rest.HTTPWrappersForConfig(config, upgrade)
	if err != nil {
		return nil, nil, err
	}
	end := &ending{UpgradeRoundTripper: upgrade}
	direct, err := remotecommand.NewSPDYExecutorForTransports(transport, spdy.NewUpgraderForStreaming(end), http.MethodPost, to)
	if err != nil {
		return nil, nil, err
	}
	websocket, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, to.String())
	if err != nil {
		return nil, nil, err
	}
	executor, err := remotecommand.NewFallbackExecutor(direct, websocket, func(error) bool { return end.refusal != nil })
	return executor, end, err
}

// ending notes whether the node said how a command ended. The client takes a
// connection that ends without a word for exit code 0, and so does the API
// server on behalf of whoever speaks WebSocket to it; SPDY it passes through.
type ending struct {
	httpstream.UpgradeRoundTripper
	refusal error // of SPDY
	told    atomic.Bool
}

func (e *ending) NewConnection(resp *http.Response) (httpstream.Connection, error) {
	conn, err := e.UpgradeRoundTripper.NewConnection(resp)
	if err != nil {
		e.refusal = err
		return nil, err
	}
	return endingConnection{conn, e}, nil
}

type endingConnection struct {
	httpstream.Connection
	end *ending
}

func (c endingConnection) CreateStream(headers http.Header) (httpstream.Stream, error) {
	stream, err := c.Connection.CreateStream(headers)
	if err != nil || headers.Get(corev1.StreamType) != corev1.StreamTypeError {
		return stream, err
	}
	return endingStream{stream, c.end}, nil
}

type endingStream struct {
	httpstream.Stream
	end *ending
}

func (s endingStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if n > 0 {
		s.end.told.Store(true)
	}
	return n, err
}

// judge reads how a command ended. One that ended with another code than
// wanted, or not at all, is the target's failure; one that could not be run
// says nothing of the target.
func (p *podExec) judge(ctx context.Context, doing string, err error, stdout []byte) Outcome {
	code, ended := exitCode(err)
	switch {
	case ended:
	case ctx.Err() != nil:
		return failure("%s: had not ended at the timeout", doing)
	default:
		return apiError(doing, err)
	}
	if code != p.want {
		return failure("%s: exit code %d, want %d", doing, code, p.want)
	}
	if p.output != nil {
		matched, err := probe.Match(ctx, p.output, stdout)
		switch {
		case err != nil:
			return Errorf("%s: exit code %d, but %d bytes of output take too long to match %q", doing, code, len(stdout), p.output)
		case !matched:
			return failure("%s: exit code %d, but the output does not match %q", doing, code, p.output)
		}
	}
	return success("%s: exit code %d", doing, code)
}

// simulatedExit is how the simulated nodes of kwok tell the exit code of a
// command: they do not pass it on as a node does.
var simulatedExit = regexp.MustCompile(`error executing command in container: cmd wait: .*: exit status (\d{1,3})$`)

// exitCode is the exit code of a command; ok is false if it has not ended or
// never began.
func exitCode(err error) (code int, ok bool) {
	if err == nil {
		return 0, true
	}
	var exit exec.CodeExitError
	if errors.As(err, &exit) {
		return exit.Code, true
	}
	if found := simulatedExit.FindStringSubmatch(err.Error()); found != nil {
		code, err := strconv.Atoi(found[1])
		return code, err == nil
	}
	return 0, false
}

// capped keeps the first bytes written to it and drops the rest, so that a
// command that never stops writing costs no memory.
type capped struct {
	buffer bytes.Buffer
	limit  int
}

func (c *capped) Write(b []byte) (int, error) {
	if room := c.limit - c.buffer.Len(); room > 0 {
		c.buffer.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}
