package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/logstream"
)

const (
	defaultLogWindow = 5 * time.Minute
	defaultLogIdle   = 5 * time.Minute
	// A check follows at most so many containers; more of them is a sign of a
	// selector that means more than its author did.
	maxFollowed = 100
	// A reader further behind than this says nothing about the present.
	maxLag = time.Minute
)

var logGrepType = Type{
	Name:    "logGrep",
	Present: func(c *health.Check) bool { return c.LogGrep != nil },
	Validate: func(c *health.Check, at *field.Path) field.ErrorList {
		l := c.LogGrep
		errs := validateNamespace(l.Namespace, at.Child("namespace"))
		errs = append(errs, validatePods(l.Workload, l.Selector, at)...)
		errs = append(errs, tooLong(l.Container, at.Child("container"), 63)...)
		if len(l.Patterns) == 0 {
			errs = append(errs, field.Required(at.Child("patterns"), "says which lines count"))
		}
		if len(l.Patterns) > 16 {
			errs = append(errs, field.TooMany(at.Child("patterns"), len(l.Patterns), 16))
		}
		for i, pattern := range l.Patterns {
			if pattern == "" {
				errs = append(errs, field.Required(at.Child("patterns").Index(i), "an empty pattern matches every line"))
			}
			if slices.Contains(l.Patterns[:i], pattern) {
				errs = append(errs, field.Duplicate(at.Child("patterns").Index(i), pattern))
			}
			errs = append(errs, validatePattern(pattern, at.Child("patterns").Index(i))...)
		}
		if l.Threshold != nil && (*l.Threshold < 1 || *l.Threshold > 1000) {
			errs = append(errs, field.Invalid(at.Child("threshold"), *l.Threshold, "is not from 1 to 1000"))
		}
		errs = append(errs, validateDuration(l.Window, at.Child("window"), time.Second, 24*time.Hour)...)
		return append(errs, validateDuration(l.IdleTimeout, at.Child("idleTimeout"), time.Second, 24*time.Hour)...)
	},
	Target: func(c *health.Check) string { return podsTarget(c.LogGrep.Namespace, c.LogGrep.Workload) },
	Access: func(c *health.Check, _ meta.RESTMapper) ([]Access, error) {
		out := []Access{{Verb: "get", Resource: "pods", Subresource: "log", Namespace: c.LogGrep.Namespace}}
		return append(out, podsAccess(c.LogGrep.Namespace, c.LogGrep.Workload)...), nil
	},
	New: newLogGrep,
}

type logGrep struct {
	spec      *health.LogGrepCheck
	env       *Env
	selector  labels.Selector
	match     func(line []byte) bool
	threshold int
	span      time.Duration
	idle      time.Duration

	mu     sync.Mutex
	window *logstream.Window
	// streaming is set while Stream runs; followers live under it.
	streaming context.Context
	followers map[string]*follower
	running   sync.WaitGroup
}

type follower struct {
	*logstream.Follower
	stop context.CancelFunc
}

func newLogGrep(c *health.Check, env *Env) (Check, error) {
	if env.Cluster == nil {
		return nil, ErrNoCluster
	}
	l := &logGrep{
		spec: c.LogGrep, env: env, threshold: 1, span: defaultLogWindow, idle: defaultLogIdle,
		followers: map[string]*follower{},
	}
	if l.spec.Threshold != nil {
		l.threshold = int(*l.spec.Threshold)
	}
	if l.spec.Window != nil {
		l.span = l.spec.Window.Duration
	}
	if l.spec.IdleTimeout != nil {
		l.idle = l.spec.IdleTimeout.Duration
	}
	l.window = logstream.NewWindow(l.span, l.threshold)
	var err error
	if l.spec.Selector != nil {
		if l.selector, err = selectorOf(l.spec.Selector); err != nil {
			return nil, fmt.Errorf("selector: %w", err)
		}
	}
	if l.match, err = matcher(l.spec.Patterns); err != nil {
		return nil, err
	}
	return l, nil
}

// matcher says whether a line matches one of the patterns. Most patterns are
// plain text, which is found twenty times faster than an expression is.
func matcher(patterns []string) (func([]byte) bool, error) {
	var texts [][]byte
	var expressions []*regexp.Regexp
	for _, pattern := range patterns {
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if parsed.Op == syntax.OpLiteral && parsed.Flags&syntax.FoldCase == 0 {
			texts = append(texts, []byte(string(parsed.Rune)))
			continue
		}
		expression, err := compilePattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		expressions = append(expressions, expression)
	}
	return func(line []byte) bool {
		for _, text := range texts {
			if bytes.Contains(line, text) {
				return true
			}
		}
		for _, expression := range expressions {
			if expression.Match(line) {
				return true
			}
		}
		return false
	}, nil
}

// Stream lets Run keep followers open between runs. It returns when ctx has
// ended and every stream is closed.
func (l *logGrep) Stream(ctx context.Context) {
	l.mu.Lock()
	// A run that came before read what the followers will read.
	l.streaming, l.window = ctx, logstream.NewWindow(l.span, l.threshold)
	l.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock()
	l.streaming = nil
	for key, f := range l.followers {
		f.stop()
		delete(l.followers, key)
	}
	l.mu.Unlock()
	l.running.Wait()
}

// Run finds the containers, sees that each is followed, and counts. Without
// Stream it reads what the window covers and keeps nothing open.
func (l *logGrep) Run(ctx context.Context) Outcome {
	pods, _, bad := l.env.Cluster.podsOf(ctx, l.spec.Namespace, l.spec.Workload, l.selector)
	if bad != nil {
		return *bad
	}
	logs := map[string]logstream.Open{}
	for i := range pods {
		for _, container := range l.containers(&pods[i]) {
			key := string(pods[i].UID) + "/" + container
			logs[key] = l.open(&pods[i], container)
		}
	}
	meant := len(logs)
	if meant > maxFollowed {
		clear(logs)
	}
	followers, done := l.follow(ctx, logs)
	defer done()
	switch {
	case meant == 0:
		return Errorf("no running container in %s to read logs of", l.spec.Namespace)
	case meant > maxFollowed:
		return Errorf("%d containers in %s are meant, and at most %d are followed", meant, l.spec.Namespace, maxFollowed)
	}
	late := awaitCaughtUp(ctx, followers)
	out := l.count(len(followers))
	// Matches that were found count, whatever else could not be read.
	if late != nil && out.Result == health.Success {
		return *late
	}
	return out
}

func (l *logGrep) count(containers int) Outcome {
	l.mu.Lock()
	matches := l.window.Count(l.env.Now())
	l.mu.Unlock()
	if matches >= l.threshold {
		return failure("at least %d lines match in the last %s, want fewer than %d", matches, l.span, l.threshold)
	}
	return success("%d lines of %d containers match in the last %s", matches, containers, l.span)
}

// containers of a pod whose logs exist.
func (l *logGrep) containers(pod *corev1.Pod) []string {
	var out []string
	for _, s := range pod.Status.ContainerStatuses {
		if l.spec.Container != "" && s.Name != l.spec.Container {
			continue
		}
		if s.State.Running != nil || s.State.Terminated != nil || s.RestartCount > 0 {
			out = append(out, s.Name)
		}
	}
	return out
}

func (l *logGrep) open(pod *corev1.Pod, container string) logstream.Open {
	pods, name, uid := l.env.Cluster.core.Pods(pod.Namespace), pod.Name, pod.UID
	return func(ctx context.Context, since time.Time, follow bool) (io.ReadCloser, error) {
		body, err := pods.GetLogs(name, &corev1.PodLogOptions{
			Container: container, Follow: follow, Timestamps: true, SinceTime: &metav1.Time{Time: since},
		}).Stream(ctx)
		if err != nil {
			return nil, err
		}
		// Logs are asked for by name, and another pod may bear it by now. Its log
		// is another follower's, and would count twice.
		list, err := pods.List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", name).String()})
		if err == nil && (len(list.Items) == 0 || list.Items[0].UID != uid) {
			err = fmt.Errorf("pod %s has been replaced", name)
		}
		if err != nil {
			body.Close()
			return nil, err
		}
		return body, nil
	}
}

// follow makes the followers be those of logs. Done ends those that no Stream
// keeps.
func (l *logGrep) follow(ctx context.Context, logs map[string]logstream.Open) (followers []*follower, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	parent, once := l.streaming, false
	if parent == nil {
		parent, once = ctx, true
		l.window = logstream.NewWindow(l.span, l.threshold)
	}
	for key, f := range l.followers {
		if _, still := logs[key]; !still || once {
			f.stop()
			delete(l.followers, key)
		}
	}
	for key, open := range logs {
		f := l.followers[key]
		if f == nil {
			f = l.start(parent, open)
			l.followers[key] = f
		}
		followers = append(followers, f)
	}
	if !once {
		return followers, func() {}
	}
	return followers, func() {
		l.mu.Lock()
		for key, f := range l.followers {
			f.stop()
			delete(l.followers, key)
		}
		l.mu.Unlock()
		l.running.Wait()
	}
}

func (l *logGrep) start(parent context.Context, open logstream.Open) *follower {
	ctx, stop := context.WithCancel(parent)
	window := l.window
	f := &follower{stop: stop, Follower: &logstream.Follower{
		Open: open, Match: l.match, Since: l.env.Now().Add(-l.span), Idle: l.idle,
		Backoff: 500 * time.Millisecond, MaxBackoff: 30 * time.Second, Now: l.env.Now,
		OnMatch: func(at time.Time) {
			l.mu.Lock()
			window.Add(at)
			l.mu.Unlock()
		},
	}}
	if l.env.Streams != nil {
		f.Opened = l.env.Streams.Add
	}
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		f.Run(ctx)
	}()
	return f
}

// awaitCaughtUp waits until each log has been read to its end once. It returns
// nothing when the count can be trusted.
func awaitCaughtUp(ctx context.Context, followers []*follower) *Outcome {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		behind := 0
		var out *Outcome
		for _, f := range followers {
			switch s := f.Status(); {
			case s.Err != nil:
				broken := apiError("follow logs", s.Err)
				out = &broken
			case !s.CaughtUp:
				behind++
			case s.Lag > maxLag:
				late := Errorf("a log is read %s late: it grows faster than it can be searched", s.Lag.Round(time.Second))
				out = &late
			}
		}
		if out != nil || behind == 0 {
			return out
		}
		select {
		case <-ctx.Done():
			waiting := pending("%d of %d logs have not been read to their end yet", behind, len(followers))
			return &waiting
		case <-tick.C:
		}
	}
}
