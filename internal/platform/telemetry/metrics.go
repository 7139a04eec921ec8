package telemetry

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Type is what a metric's values mean.
type Type string

// The types of metrics.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Label is one dimension of a metric. Either Values lists all that it takes,
// or Of says what they are and why they stay few.
type Label struct {
	Name   string
	Values []string
	Of     string
}

// Metric describes a metric before it counts anything. Systems declare
// theirs as variables beside the code that counts.
type Metric struct {
	Name   string // bodega_<system>_<noun>_<unit>
	Help   string
	Labels []Label
	// Buckets are a histogram's upper bounds, in the unit of the name.
	Buckets []float64
	// Type is filled when the metric is made.
	Type Type
}

// Metrics is one process's registry and the list of what is in it, so that a
// test can hold dashboards and alert rules against what exists.
type Metrics struct {
	registry *prometheus.Registry
	mu       sync.Mutex
	made     map[string]made
}

type made struct {
	metric    Metric
	collector prometheus.Collector
}

// NewMetrics makes a registry that knows the Go runtime, the process and the
// build already.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), made: make(map[string]made)}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	version, revision := build()
	m.Gauge(Metric{
		Name: "bodega_build_info",
		Help: "1, with what this process was built from.",
		Labels: []Label{
			{Name: "version", Of: "the module version: one for each process"},
			{Name: "revision", Of: "the commit: one for each process"},
			{Name: "go_version", Of: "the Go release: one for each process"},
		},
	}).WithLabelValues(version, revision, runtime.Version()).Set(1)
	return m
}

func build() (version, revision string) {
	version, revision = "unknown", "unknown"
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if b.Main.Version != "" {
		version = b.Main.Version
	}
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision
}

// Registerer takes the collectors of libraries that describe themselves.
func (m *Metrics) Registerer() prometheus.Registerer { return m.registry }

// Gatherer reads every metric.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// List is every metric that was made here, sorted by name.
func (m *Metrics) List() []Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	listed := make([]Metric, 0, len(m.made))
	for _, one := range m.made {
		listed = append(listed, one.metric)
	}
	slices.SortFunc(listed, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return listed
}

// Handler serves the metrics in the Prometheus text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Counter makes a counter. Like the other two it gives back what is there
// where the same metric was made before, and panics on a description that
// Check refuses and on a name that another metric has: both are mistakes of
// the program. Series whose label values are all listed exist from the start,
// with 0, so that an alert on their rate sees the first event.
func (m *Metrics) Counter(d Metric) *prometheus.CounterVec {
	d.Type = Counter
	return add(m, d, prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.Name, Help: d.Help}, d.labelNames()),
		func(vec *prometheus.CounterVec, values []string) { vec.WithLabelValues(values...) })
}

// Gauge makes a gauge.
func (m *Metrics) Gauge(d Metric) *prometheus.GaugeVec {
	d.Type = Gauge
	return add(m, d, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.Name, Help: d.Help}, d.labelNames()),
		func(vec *prometheus.GaugeVec, values []string) { vec.WithLabelValues(values...) })
}

// Histogram makes a histogram over d.Buckets, or over LatencySeconds.
func (m *Metrics) Histogram(d Metric) *prometheus.HistogramVec {
	d.Type = Histogram
	if d.Buckets == nil {
		d.Buckets = LatencySeconds()
	}
	return add(m, d, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.Name, Help: d.Help, Buckets: d.Buckets}, d.labelNames()),
		func(vec *prometheus.HistogramVec, values []string) { vec.WithLabelValues(values...) })
}

// LatencySeconds are the buckets for how long a call takes: 1 ms to 1 min.
func LatencySeconds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

func add[V prometheus.Collector](m *Metrics, d Metric, vec V, touch func(V, []string)) V {
	if err := d.Check(); err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.made[d.Name]; ok {
		if !reflect.DeepEqual(before.metric, d) {
			panic(fmt.Sprintf("metric %s: two descriptions claim the name", d.Name))
		}
		return before.collector.(V)
	}
	m.registry.MustRegister(vec)
	for _, values := range d.series() {
		touch(vec, values)
	}
	m.made[d.Name] = made{metric: d, collector: vec}
	return vec
}

var (
	metricName = regexp.MustCompile(`^bodega(_[a-z0-9]+){2,}$`)
	labelName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	// Labels by these would grow with the business, and so would the registry.
	unbounded = []string{"tenant", "tenant_id", "merchant", "merchant_id", "store", "store_id", "item", "item_id", "feed_id", "user", "subject"}
	reserved  = []string{"le", "quantile", "job", "instance"}
)

// Check says what is wrong with a metric's description.
func (d Metric) Check() error {
	if !metricName.MatchString(d.Name) {
		return fmt.Errorf("metric %q: a name is bodega_<system>_<noun>_<unit> in lower case", d.Name)
	}
	if d.Help == "" {
		return fmt.Errorf("metric %s has no help", d.Name)
	}
	if d.Type == Counter && !strings.HasSuffix(d.Name, "_total") {
		return fmt.Errorf("metric %s: a counter's name ends in _total", d.Name)
	}
	for _, l := range d.Labels {
		switch {
		case !labelName.MatchString(l.Name) || slices.Contains(reserved, l.Name):
			return fmt.Errorf("metric %s: %q is no name for a label", d.Name, l.Name)
		case slices.Contains(unbounded, l.Name):
			return fmt.Errorf("metric %s: a label %s would have no bound", d.Name, l.Name)
		case len(l.Values) == 0 && l.Of == "":
			return fmt.Errorf("metric %s: label %s neither lists its values nor says what they are", d.Name, l.Name)
		}
	}
	return nil
}

func (d Metric) labelNames() []string {
	names := make([]string, len(d.Labels))
	for i, l := range d.Labels {
		names[i] = l.Name
	}
	return names
}

// series lists the label values of every series, or nothing where one label
// does not list its values.
func (d Metric) series() [][]string {
	all := [][]string{nil}
	for _, l := range d.Labels {
		var longer [][]string
		for _, values := range all {
			for _, v := range l.Values {
				longer = append(longer, append(slices.Clone(values), v))
			}
		}
		all = longer
	}
	return all
}
