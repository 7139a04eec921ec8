package clusterhealth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"

	health "github.com/bodega-hq/bodega/api/health/v1alpha1"
	"github.com/bodega-hq/bodega/internal/clusterhealth/admission"
	"github.com/bodega-hq/bodega/internal/clusterhealth/check"
	"github.com/bodega-hq/bodega/internal/clusterhealth/controller"
	"github.com/bodega-hq/bodega/internal/clusterhealth/engine"
)

// LeaseName is the name of the lease that replicas elect their leader by.
const LeaseName = "bodega-operator.health.bodega.dev"

// operator is one replica.
type operator struct {
	cfg      Config
	log      *slog.Logger
	manager  manager.Manager
	engine   *engine.Engine
	writer   *controller.Writer
	watchdog *controller.Watchdog
	expiry   func() time.Time

	mu          sync.Mutex
	unscheduled map[string]time.Time // specs that the engine does not run, since when
	unready     atomic.Bool
}

// Run runs one replica of the operator against a cluster until ctx ends. It
// returns an error as soon as the replica lost its lease; the process must end
// then, since another may lead already.
func Run(ctx context.Context, config *rest.Config, cfg Config, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Namespace == "" {
		return errors.New("run the operator: it is not said in which namespace")
	}
	op := &operator{cfg: cfg, log: log, unscheduled: map[string]time.Time{}}
	if err := op.assemble(config); err != nil {
		return err
	}
	if err := op.manager.Start(ctx); err != nil {
		return fmt.Errorf("run the operator: %w", err)
	}
	return nil
}

func (op *operator) assemble(config *rest.Config) error {
	// The write budget and the limits per target bound what is asked of the API
	// server; the client's own limit would hold back transitions as well.
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.UserAgent = "bodega-operator"

	scheme := runtime.NewScheme()
	if err := clientscheme.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register the kinds of Kubernetes: %w", err)
	}
	if err := health.AddToScheme(scheme); err != nil {
		return fmt.Errorf("register the kinds of %s: %w", health.GroupVersion, err)
	}
	ctrl.SetLogger(logr.FromSlogHandler(op.log.Handler()))

	cluster, err := check.NewCluster(config)
	if err != nil {
		return err
	}
	selfSigned, server, err := op.webhookServer(cluster)
	if err != nil {
		return err
	}
	skipName := true
	op.manager, err = ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: op.cfg.MetricsAddress},
		Cache:   cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		// What is not cached here is read past the cache, not cached unasked.
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}, &corev1.Pod{}}}},
		Controller:                    ctrlconfig.Controller{SkipNameValidation: &skipName},
		HealthProbeBindAddress:        op.cfg.HealthAddress,
		LeaderElection:                op.cfg.LeaderElect,
		LeaderElectionID:              LeaseName,
		LeaderElectionNamespace:       op.cfg.Namespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &op.cfg.LeaseDuration,
		RenewDeadline:                 &op.cfg.RenewDeadline,
		RetryPeriod:                   &op.cfg.RetryPeriod,
		WebhookServer:                 server,
	})
	if err != nil {
		return fmt.Errorf("assemble the operator: %w", err)
	}
	if err := op.assembleChecks(cluster); err != nil {
		return err
	}
	if err := op.assembleWebhook(cluster, selfSigned); err != nil {
		return err
	}
	if err := op.manager.AddHealthzCheck("scheduler", op.alive); err != nil {
		return fmt.Errorf("add the liveness check: %w", err)
	}
	if err := op.manager.AddReadyzCheck("progress", op.ready); err != nil {
		return fmt.Errorf("add the readiness check: %w", err)
	}
	return nil
}

func (op *operator) assembleChecks(cluster *check.Cluster) error {
	denied, err := op.cfg.denied()
	if err != nil {
		return err
	}
	streams := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bodega_clusterhealth_log_streams",
		Help: "Log streams that are open.",
	})
	env := check.NewEnv(cluster, denied)
	env.Streams = streams

	mgr := op.manager
	op.writer = controller.NewWriter(mgr.GetClient(), op.cfg.WriteBudget, op.log, op.announcer())
	op.engine = engine.New(op.writer, engine.Options{
		Concurrency: op.cfg.Concurrency, PerTarget: op.cfg.PerTarget, WriteDelay: op.writer.Delay,
		Metrics: engine.NewMetrics(),
	})
	op.writer.SetSource(op.engine)

	reviewedBy := ""
	if op.cfg.Webhook != "off" {
		reviewedBy = op.cfg.WebhookConfiguration
	}
	reconciler := controller.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), op.engine, env, reviewedBy)
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("add the reconciler: %w", err)
	}
	// Runnables run only while this replica leads, unless they say otherwise.
	for _, run := range []func(context.Context){op.engine.Run, op.writer.Run} {
		if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
			run(ctx)
			return nil
		})); err != nil {
			return fmt.Errorf("add the engine: %w", err)
		}
	}
	op.watchdog = controller.NewWatchdog(mgr.GetClient(), mgr.GetAPIReader(), mgr.Elected(), time.Now, op.log)
	if err := mgr.Add(op.watchdog); err != nil {
		return fmt.Errorf("add the watchdog: %w", err)
	}

	collectors := append(op.engine.Collectors(), op.writer.Collectors()...)
	for _, c := range append(collectors, streams, &collector{engine: op.engine, operator: op}) {
		// Another replica in this process, as in tests, takes over the names.
		if err := metrics.Registry.Register(c); err != nil {
			metrics.Registry.Unregister(c)
			if err := metrics.Registry.Register(c); err != nil {
				return fmt.Errorf("register metrics: %w", err)
			}
		}
	}
	return nil
}

// announcer makes events of transitions. An event about a check is attached to
// its ClusterHealthCheck, and names the spec as related.
func (op *operator) announcer() func(engine.Transition) {
	recorder := op.manager.GetEventRecorder("bodega-operator")
	queue := make(chan engine.Transition, 1024)
	err := op.manager.Add(manager.RunnableFunc(func(ctx context.Context) error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case t := <-queue:
				op.record(ctx, recorder, t)
			}
		}
	}))
	if err != nil {
		op.log.Error("events are not recorded", "error", err)
	}
	return func(t engine.Transition) {
		select {
		case queue <- t:
		default:
			// Events are a courtesy; the statuses hold all that they say.
		}
	}
}

func (op *operator) record(ctx context.Context, recorder events.EventRecorder, t engine.Transition) {
	spec := &health.ClusterHealthSpec{TypeMeta: metav1.TypeMeta{APIVersion: health.GroupVersion.String(), Kind: "ClusterHealthSpec"}}
	spec.Name, spec.UID = t.Key.Spec, types.UID(t.UID)
	kind := corev1.EventTypeNormal
	if t.To != health.Success {
		kind = corev1.EventTypeWarning
	}
	if t.Key.Check == "" {
		recorder.Eventf(spec, nil, kind, "Overall"+string(t.To), "Evaluate", "overall %s after %s: %s", t.To, t.From, t.Message)
		return
	}
	object := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: health.GroupVersion.String(), Kind: "ClusterHealthCheck"}}
	if err := op.manager.GetClient().Get(ctx, client.ObjectKey{Name: health.CheckObjectName(t.Key.Spec, t.Key.Check)}, object); err != nil {
		return
	}
	recorder.Eventf(object, spec, kind, "Check"+string(t.To), "Run", "%s after %s: %s", t.To, t.From, t.Message)
}

// webhookServer prepares the server of the admission webhook; server is one
// that never starts where there is none.
func (op *operator) webhookServer(cluster *check.Cluster) (*admission.SelfSigned, webhook.Server, error) {
	options := webhook.Options{Host: op.cfg.WebhookHost, Port: op.cfg.WebhookPort}
	switch op.cfg.Webhook {
	case "self-signed":
		selfSigned := &admission.SelfSigned{
			Client:  cluster.Client,
			Secret:  client.ObjectKey{Namespace: op.cfg.Namespace, Name: op.cfg.WebhookSecret},
			DNSName: op.cfg.WebhookService + "." + op.cfg.Namespace + ".svc", Webhook: op.cfg.WebhookConfiguration,
			Now: time.Now, Log: op.log,
		}
		op.expiry = selfSigned.Expiry
		options.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.GetCertificate = selfSigned.GetCertificate }}
		return selfSigned, webhook.NewServer(options), nil
	case "files":
		watcher, err := certwatcher.New(filepath.Join(op.cfg.WebhookCertDir, "tls.crt"), filepath.Join(op.cfg.WebhookCertDir, "tls.key"))
		if err != nil {
			return nil, nil, fmt.Errorf("read the webhook's certificate in %s: %w", op.cfg.WebhookCertDir, err)
		}
		op.expiry = func() time.Time { return expiryOf(watcher) }
		options.TLSOpts = []func(*tls.Config){func(c *tls.Config) { c.GetCertificate = watcher.GetCertificate }}
		return nil, &watchedServer{Server: webhook.NewServer(options), watcher: watcher}, nil
	default:
		return nil, webhook.NewServer(options), nil
	}
}

// watchedServer reloads its certificate when the files change.
type watchedServer struct {
	webhook.Server
	watcher *certwatcher.CertWatcher
}

func (s *watchedServer) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- s.watcher.Start(ctx) }()
	err := s.Server.Start(ctx)
	cancel()
	if watchErr := <-failed; err == nil {
		err = watchErr
	}
	return err
}

func expiryOf(watcher *certwatcher.CertWatcher) time.Time {
	pair, err := watcher.GetCertificate(nil)
	if err != nil {
		return time.Time{}
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return time.Time{}
	}
	return leaf.NotAfter
}

func (op *operator) assembleWebhook(cluster *check.Cluster, selfSigned *admission.SelfSigned) error {
	if op.cfg.Webhook == "off" {
		return nil
	}
	if selfSigned != nil {
		if err := op.manager.Add(selfSigned); err != nil {
			return fmt.Errorf("add the webhook's certificate: %w", err)
		}
	}
	validator := &admission.Validator{Client: cluster.Client, Mapper: cluster.Mapper, Log: op.log}
	if err := builder.WebhookManagedBy(op.manager, &health.ClusterHealthSpec{}).WithValidator(validator).Complete(); err != nil {
		return fmt.Errorf("add the admission webhook: %w", err)
	}
	return nil
}

func (op *operator) webhookExpiry() time.Time {
	if op.expiry == nil {
		return time.Time{}
	}
	return op.expiry()
}

func (op *operator) leads() bool {
	select {
	case <-op.manager.Elected():
		return true
	default:
		return false
	}
}

// How long progress may be missing before a replica is not ready, or not alive.
const (
	readyWithin      = 10 * time.Second
	aliveWithin      = time.Minute
	overdueWithin    = 30 * time.Second
	writesWithin     = 30 * time.Second
	scheduledWithin  = time.Minute
	standbyLookAfter = 30 * time.Second
)

// alive fails when the scheduler no longer turns, so that the process is
// started anew.
func (op *operator) alive(*http.Request) error {
	if p := op.engine.Progress(); op.leads() && p.Started && p.SinceTick > aliveWithin {
		return fmt.Errorf("the scheduler last turned %s ago", p.SinceTick.Round(time.Second))
	}
	return nil
}

// ready logs why this replica is not ready, once: whoever asks is not told.
func (op *operator) ready(req *http.Request) error {
	err := op.working(req.Context())
	if was := op.unready.Swap(err != nil); err != nil && !was {
		op.log.Warn("not ready", "error", err)
	} else if err == nil && was {
		op.log.Info("ready")
	}
	return err
}

// working says that this replica does its work, not just that it lives: a leader
// runs its checks and writes what they say, a standby watches the leader.
func (op *operator) working(ctx context.Context) error {
	switch expiry := op.webhookExpiry(); {
	case op.cfg.Webhook == "off":
	case expiry.IsZero():
		return errors.New("the webhook has yet to get a certificate")
	case time.Now().After(expiry):
		return fmt.Errorf("the webhook's certificate expired at %s", expiry.UTC().Format(time.RFC3339))
	}
	if !op.leads() {
		if since := op.watchdog.SinceLook(); since > standbyLookAfter {
			return fmt.Errorf("this standby last looked for expired results %s ago", since.Round(time.Second))
		}
		return nil
	}
	if err := progressing(op.engine.Progress(), op.writer.Stalled()); err != nil {
		return err
	}
	return op.allScheduled(ctx)
}

// progressing says why a leader whose writes have been failing for a while does
// not do its work.
func progressing(p engine.Progress, stalled time.Duration) error {
	switch {
	case !p.Started:
		return errors.New("the scheduler has yet to start")
	case p.SinceTick > readyWithin:
		return fmt.Errorf("the scheduler last turned %s ago", p.SinceTick.Round(time.Second))
	case p.Overdue > overdueWithin:
		return fmt.Errorf("a check is %s overdue", p.Overdue.Round(time.Second))
	case stalled > writesWithin:
		return fmt.Errorf("no status could be written for %s", stalled.Round(time.Second))
	}
	return nil
}

// allScheduled fails while a spec has not reached the engine for a while.
func (op *operator) allScheduled(ctx context.Context) error {
	waiting, err := op.waiting(ctx)
	if err != nil {
		return err
	}
	op.mu.Lock()
	defer op.mu.Unlock()
	for name := range waiting {
		if _, known := op.unscheduled[name]; !known {
			op.unscheduled[name] = time.Now()
		}
	}
	for name, since := range op.unscheduled {
		if !waiting[name] {
			delete(op.unscheduled, name)
		} else if time.Since(since) > scheduledWithin {
			return fmt.Errorf("spec %s has not been scheduled for %s", name, time.Since(since).Round(time.Second))
		}
	}
	return nil
}

// waiting are the specs that the engine of this leader does not run.
func (op *operator) waiting(ctx context.Context) (map[string]bool, error) {
	var specs health.ClusterHealthSpecList
	if err := op.manager.GetClient().List(ctx, &specs, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the specs: %w", err)
	}
	out := map[string]bool{}
	for i := range specs.Items {
		spec := &specs.Items[i]
		if spec.DeletionTimestamp.IsZero() && !op.engine.Runs(spec.Name, string(spec.UID), spec.Generation) {
			out[spec.Name] = true
		}
	}
	return out, nil
}
