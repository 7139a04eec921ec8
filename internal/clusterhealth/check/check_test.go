package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	sigsyaml "sigs.k8s.io/yaml"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/logstream"
)

// A table row for each type, and a type for each table row.
func TestTypes(t *testing.T) {
	seen := map[string]bool{}
	for _, typ := range Types {
		if typ.Name == "" || seen[typ.Name] {
			t.Errorf("type %q is named twice or not at all", typ.Name)
		}
		seen[typ.Name] = true
		if typ.Present == nil || typ.Validate == nil || typ.Target == nil || typ.Access == nil || typ.New == nil {
			t.Errorf("type %s is incomplete", typ.Name)
		}
		if typ.Present(&health.Check{}) {
			t.Errorf("type %s finds itself in an empty check", typ.Name)
		}
	}
}

func TestMatcher(t *testing.T) {
	match, err := matcher([]string{"post-unseal setup failed", "(?i)panic:", `code=5\d\d`})
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		"x post-unseal setup failed y": true, "PANIC: oh": true, "code=503": true, "code=404": false, "": false, "post-unseal": false,
	} {
		if got := match([]byte(line)); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// An expression that would explode elsewhere takes time linear in its input.
func TestExplodingPattern(t *testing.T) {
	match, err := matcher([]string{"(a|a?)+$x", "(a*)*b", "((a+)+)+$y"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() { done <- match([]byte(strings.Repeat("a", 64<<10))) }()
	select {
	case got := <-done:
		if got {
			t.Error("matches")
		}
	case <-time.After(time.Minute):
		t.Fatal("64 KiB take over a minute")
	}
}

func TestExitCodes(t *testing.T) {
	three := exec.CodeExitError{Err: errors.New("exit 3"), Code: 3}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name    string
		ctx     context.Context
		want    int
		err     error
		result  health.Result
		message string
	}{
		{"zero", t.Context(), 0, nil, health.Success, "exit code 0"},
		{"other", t.Context(), 0, three, health.Failure, "exit code 3, want 0"},
		{"wanted", t.Context(), 3, three, health.Success, "exit code 3"},
		{"simulated", t.Context(), 0, errors.New("Internal error occurred: error executing command in container: cmd wait: sh -c exit 7: exit status 7"), health.Failure, "exit code 7, want 0"},
		{"runtime", t.Context(), 0, errors.New("Internal error occurred: error executing command in container: exec failed: exit status 1: unknown"), health.Error, "exec failed"},
		{"timeout", ended, 0, context.Canceled, health.Failure, "had not ended"},
		{"not run", t.Context(), 0, errors.New("container not found"), health.Error, "container not found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &podExec{want: tt.want}
			if out := p.judge(tt.ctx, "run x", tt.err, nil); out.Result != tt.result || !strings.Contains(out.Message, tt.message) {
				t.Errorf("%+v, want %s %q", out, tt.result, tt.message)
			}
		})
	}
}

// What is asked about is what is done: a namespace that the kind does not have
// would turn a question about the cluster into one about a namespace.
func TestResourceAccess(t *testing.T) {
	mapper := meta.NewDefaultRESTMapper(nil)
	v1 := schema.GroupVersion{Version: "v1"}
	mapper.Add(v1.WithKind("Node"), meta.RESTScopeRoot)
	mapper.Add(v1.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	for _, tt := range []struct {
		resource health.ResourceCheck
		want     string // the access, or a part of the error
	}{
		{health.ResourceCheck{Kind: "Node"}, "list nodes in the whole cluster"},
		{health.ResourceCheck{Kind: "Node", Name: "n"}, "get nodes n in the whole cluster"},
		{health.ResourceCheck{Kind: "Node", Namespace: "mine"}, "is not namespaced"},
		{health.ResourceCheck{Kind: "Node", Namespace: "mine", Name: "n"}, "is not namespaced"},
		{health.ResourceCheck{Kind: "ConfigMap"}, "list configmaps in the whole cluster"},
		{health.ResourceCheck{Kind: "ConfigMap", Namespace: "mine", Name: "c"}, "get configmaps c in namespace mine"},
		{health.ResourceCheck{Kind: "ConfigMap", Name: "c"}, "needs a namespace"},
		{health.ResourceCheck{Kind: "Gadget"}, "no matches for kind"},
	} {
		tt.resource.APIVersion = "v1"
		accesses, err := resourceType.Access(&health.Check{Resource: &tt.resource}, mapper)
		got := fmt.Sprint(err)
		if err == nil && len(accesses) == 1 {
			got = accesses[0].String()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %s, want %s", tt.resource, got, tt.want)
		}
	}
}

func TestSensitive(t *testing.T) {
	for _, tt := range []struct {
		access Access
		want   bool
	}{
		{Access{Verb: "get", Resource: "secrets"}, true},
		{Access{Verb: "get", Resource: "pods", Subresource: "log"}, true},
		{Access{Verb: "create", Resource: "pods", Subresource: "exec"}, true},
		{Access{Verb: "list", Resource: "pods"}, false},
		{Access{Verb: "get", Group: "example.com", Resource: "secrets"}, false},
	} {
		if got := tt.access.Sensitive(); got != tt.want {
			t.Errorf("%s: %v", tt.access, got)
		}
	}
}

// Ready is what kstatus says; only an object that says of its own present
// generation that it is not ready fails instead of being waited for.
func TestReady(t *testing.T) {
	const deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, generation: 2}, spec: {replicas: 2}, "
	const gadget = "{apiVersion: example.com/v1, kind: Gadget, metadata: {name: g, generation: 2}, "
	for _, tt := range []struct {
		name, object string
		want         health.Result
		message      string
	}{
		{"no status to wait for", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}", health.Success, ""},
		{"rolled out", deployment + `status: {observedGeneration: 2, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [{type: Available, status: "True"}]}}`, health.Success, ""},
		{"rolling out", deployment + "status: {observedGeneration: 2, replicas: 2, updatedReplicas: 1, readyReplicas: 2, availableReplicas: 2}}", health.Pending, "in progress"},
		{"not seen yet", deployment + "status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2}}", health.Pending, "in progress"},
		{"stuck", deployment + `status: {observedGeneration: 2, replicas: 2, updatedReplicas: 1, conditions: [{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}]}}`, health.Failure, "is Failed"},
		{"condition true", gadget + `status: {observedGeneration: 2, conditions: [{type: Ready, status: "True"}]}}`, health.Success, ""},
		{"condition false", gadget + `status: {observedGeneration: 2, conditions: [{type: Ready, status: "False", reason: Broken, message: no oil}]}}`, health.Failure, "is not ready: Broken: no oil"},
		{"condition false of a former generation", gadget + `status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: Broken, message: no oil}]}}`, health.Pending, "in progress"},
		{"condition unknown", gadget + `status: {observedGeneration: 2, conditions: [{type: Ready, status: "Unknown"}]}}`, health.Pending, "in progress"},
		{"stalled", gadget + `status: {observedGeneration: 2, conditions: [{type: Stalled, status: "True", reason: Stuck}]}}`, health.Failure, "is Failed"},
		{"going away", `{apiVersion: example.com/v1, kind: Gadget, metadata: {name: g, deletionTimestamp: "2026-03-01T12:00:00Z"}}`, health.Failure, "is Terminating"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, err := sigsyaml.YAMLToJSON([]byte(tt.object))
			if err != nil {
				t.Fatal(err)
			}
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(text); err != nil {
				t.Fatal(err)
			}
			r := &resourceCheck{spec: &health.ResourceCheck{Ready: true}, gvk: object.GroupVersionKind()}
			if out := r.judge(t.Context(), object); out.Result != tt.want || !strings.Contains(out.Message, tt.message) {
				t.Errorf("%+v, want %s: %q", out, tt.want, tt.message)
			}
		})
	}
}

// A log that grows faster than it can be searched says nothing about the
// present, and that it says. One that was silent for a while is not late.
func TestLateLogsAreErrors(t *testing.T) {
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	line := begin.Format(time.RFC3339Nano) + " a line\n"
	for _, tt := range []struct {
		name            string
		before, follows string // what there was, and what is followed
		late            time.Duration
		want            health.Result // nothing where the count can be trusted
	}{
		{"silent", line, "", 2 * time.Minute, ""},
		{"in time", "", line, 30 * time.Second, ""},
		{"late", "", line, 2 * time.Minute, health.Error},
	} {
		t.Run(tt.name, func(t *testing.T) {
			followed := make(chan struct{})
			open := func(ctx context.Context, _ time.Time, follow bool) (io.ReadCloser, error) {
				if !follow {
					return io.NopCloser(strings.NewReader(tt.before)), nil
				}
				reader, writer := io.Pipe()
				go func() {
					_, _ = io.WriteString(writer, tt.follows+"rest") // returns when it is read
					close(followed)
				}()
				context.AfterFunc(ctx, func() { _ = writer.Close() })
				return reader, nil
			}
			f := &follower{Follower: &logstream.Follower{
				Open: open, Match: func([]byte) bool { return false }, Since: begin.Add(-time.Minute), Idle: time.Minute,
				Backoff: time.Second, MaxBackoff: time.Second, Now: func() time.Time { return begin.Add(tt.late) },
			}}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				f.Run(ctx)
			}()
			<-followed
			for f.Status().Lines == 0 {
				time.Sleep(time.Millisecond)
			}
			out := awaitCaughtUp(t.Context(), []*follower{f})
			if got := out; (tt.want == "") != (got == nil) || got != nil && got.Result != tt.want {
				t.Errorf("outcome %+v, want %q", got, tt.want)
			}
			cancel()
			<-ended
		})
	}
}

// A run that came before the stream did read the same lines, which must not
// count twice. What is followed ends with its pod.
func TestFollowers(t *testing.T) {
	now := time.Now()
	line := now.UTC().Format(time.RFC3339Nano) + " boom\n"
	open := func(ctx context.Context, _ time.Time, follow bool) (io.ReadCloser, error) {
		if !follow {
			return io.NopCloser(strings.NewReader(line + line)), nil
		}
		reader, writer := io.Pipe()
		context.AfterFunc(ctx, func() { _ = writer.Close() })
		return reader, nil
	}
	threshold := int32(3)
	compiled, err := newLogGrep(&health.Check{LogGrep: &health.LogGrepCheck{
		Namespace: "n", Selector: &health.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, Patterns: []string{"boom"}, Threshold: &threshold,
	}}, &Env{Cluster: &Cluster{Client: fake.NewClientBuilder().Build()}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	l := compiled.(*logGrep)
	run := func() Outcome {
		followers, done := l.follow(t.Context(), map[string]logstream.Open{"pod/container": open})
		defer done()
		if out := awaitCaughtUp(t.Context(), followers); out != nil {
			return *out
		}
		return l.count(len(followers))
	}
	const want = "2 lines of 1 containers"
	if out := run(); !strings.HasPrefix(out.Message, want) {
		t.Errorf("without a stream: %+v, want %s", out, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Stream(ctx)
	}()
	for {
		l.mu.Lock()
		streaming := l.streaming != nil
		l.mu.Unlock()
		if streaming {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		if out := run(); !strings.HasPrefix(out.Message, want) {
			t.Errorf("with a stream: %+v, want %s", out, want)
		}
	}
	// The pod goes, and is not followed any more.
	if out := l.Run(t.Context()); out.Result != health.Error || len(l.followers) != 0 {
		t.Errorf("without a pod: %+v, %d logs followed", out, len(l.followers))
	}
	cancel()
	<-ended
}

// A DaemonSet that its controller has not seen yet wants none of its pods, which
// is not to say that it has all that it wants.
func TestUnseenDaemonSet(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := errors.Join(appsv1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	created := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name string
		seen int64
		age  time.Duration
		want health.Result
	}{
		{"new", 0, time.Second, health.Pending},
		{"without a controller", 0, time.Hour, health.Failure},
		{"on no node", 1, time.Hour, health.Success},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "d", CreationTimestamp: metav1.NewTime(created)}}
			set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "d"}}
			set.Status.ObservedGeneration = tt.seen
			cluster := &Cluster{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(set).Build()}
			c, err := newPodStatus(&health.Check{PodStatus: &health.PodStatusCheck{
				Namespaces: []string{"n"}, Workload: &health.WorkloadReference{Kind: "DaemonSet", Name: "d"},
			}}, &Env{Cluster: cluster, Now: func() time.Time { return created.Add(tt.age) }})
			if err != nil {
				t.Fatal(err)
			}
			if out := c.Run(t.Context()); out.Result != tt.want {
				t.Errorf("%+v, want %s", out, tt.want)
			}
		})
	}
}

// A command has succeeded when its node says so, and not when the connection to
// the node ends.
func TestConnectionEndsBeforeCommand(t *testing.T) {
	for _, tt := range []struct {
		name    string
		status  string // that the node sends; none where empty
		want    health.Result
		message string
	}{
		{"told", `{"metadata":{},"status":"Success"}`, health.Success, "exited with 0"},
		{"told of a failure", `{"metadata":{},"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}`, health.Failure, "exit code 3, want 0"},
		{"cut off", "", health.Error, "ended before the command did"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set(httpstream.HeaderProtocolVersion, "v4.channel.k8s.io")
				opened := make(chan httpstream.Stream, 3)
				conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, _ <-chan struct{}) error {
					opened <- stream
					return nil
				})
				if conn == nil {
					return
				}
				defer func() { _ = conn.Close() }() // it ends with the request
				var streams []httpstream.Stream
				for range 3 { // error, stdout and stderr
					streams = append(streams, <-opened)
				}
				for _, stream := range streams {
					if stream.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
						_, _ = io.WriteString(stream, tt.status) // the outcome shows
					}
					_ = stream.Close()
				}
				select {
				case <-conn.CloseChan():
				case <-time.After(time.Second):
				}
			}))
			defer server.Close()
			config := &rest.Config{Host: server.URL}
			core, err := corev1client.NewForConfig(config)
			if err != nil {
				t.Fatal(err)
			}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "p"}, Status: corev1.PodStatus{Phase: corev1.PodRunning}}
			cluster := &Cluster{Client: fake.NewClientBuilder().WithObjects(pod).Build(), config: config, core: core}
			c, err := newPodExec(&health.Check{PodExec: &health.PodExecCheck{Namespace: "n", Pod: "p", Command: []string{"true"}}}, &Env{Cluster: cluster})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if out := c.Run(ctx); out.Result != tt.want || !strings.Contains(out.Message, tt.message) {
				t.Errorf("%+v, want %s: %q", out, tt.want, tt.message)
			}
		})
	}
}

// Checks that look for pods at once find those of their own selector each, and
// ask for none by that of another.
func TestListsKeepTheirSelectors(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var list corev1.PodList
		list.APIVersion, list.Kind = "v1", "PodList"
		_, value, _ := strings.Cut(r.URL.Query().Get("labelSelector"), "=")
		list.Items = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: value}}}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(list) // the outcome shows
	}))
	defer server.Close()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	reader, err := client.New(&rest.Config{Host: server.URL, QPS: -1}, client.Options{Scheme: clientscheme.Scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	cluster := &Cluster{Client: reader, Mapper: mapper}
	var group errgroup.Group
	for i := range 16 {
		name := fmt.Sprintf("app-%d", i)
		group.Go(func() error {
			for range 200 {
				pods, err := cluster.pods(t.Context(), "n", labels.SelectorFromSet(labels.Set{"app": name}))
				if err != nil {
					return err
				}
				if len(pods) != 1 || pods[0].Name != name {
					return fmt.Errorf("found %s by the selector of %s", pods[0].Name, name)
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
