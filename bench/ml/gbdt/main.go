// Command gbdt measures package gbdt against real LightGBM on one table: 100,000
// rows of 20 numbers and 10 categories, 5 classes, 100 rounds.
//
//	go run ./bench/ml/gbdt --python /some/venv/bin/python
//
// Runs of the two take turns, so that a busy machine is busy for both, and
// medians are compared. Each side then serves the other's model, and the
// predictions have to agree. Where Python or its lightgbm is missing it says so
// and prints this side alone.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bodega-hq/bodega/internal/ml/gbdt"
)

func main() {
	rows := flag.Int("rows", 100000, "rows of the table")
	runs := flag.Int("runs", 3, "runs of each side, of which the median counts")
	threads := flag.String("threads", "1,2", "numbers of threads")
	python := flag.String("python", "python3", "Python with lightgbm 4.6")
	peer := flag.String("peer", filepath.Join("bench", "ml", "gbdt_peer.py"), "the other side's script")
	profile := flag.String("cpuprofile", "", "file for a processor profile of this side's training")
	flag.Parse()
	b := &bench{python: *python, script: *peer, profile: *profile}
	if err := b.run(*rows, *runs, *threads); err != nil {
		fmt.Fprintln(os.Stderr, "bench gbdt:", err)
		os.Exit(1)
	}
}

const (
	numbers = 20
	classes = 5
	rounds  = 100
)

var categories = []int{4, 6, 8, 12, 20, 30, 50, 80, 120, 200}

// figures are seconds by name; names end in _s or _cpu_s.
type figures map[string]float64

// bench is what all measurements share.
type bench struct {
	data *gbdt.Dataset
	// folder is where both sides find the table and leave their models.
	folder, python, script, profile string
}

func (b *bench) run(rows, runs int, threadList string) (err error) {
	b.data = makeTable(rows)
	if b.folder, err = os.MkdirTemp("", "bench-gbdt-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.folder)
	if err := writeTable(b.folder, b.data); err != nil {
		return err
	}
	fmt.Printf("%d rows, %d numbers, %d categorical columns, %d classes, %d rounds; %s, %d processors; medians of %d runs\n",
		rows, numbers, len(categories), classes, rounds, runtime.Version(), runtime.NumCPU(), runs)
	for _, text := range strings.Split(threadList, ",") {
		threads, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("--threads %s: %w", threadList, err)
		}
		var ours, theirs []figures
		for range runs {
			f, err := b.measure(threads)
			if err != nil {
				return err
			}
			ours = append(ours, f)
			if b.python == "" {
				continue
			}
			if f, err = b.measurePeer(threads); err != nil {
				fmt.Fprintf(os.Stderr, "without LightGBM: %v\n", err)
				b.python = ""
				continue
			}
			theirs = append(theirs, f)
		}
		report(threads, ours, theirs)
		if len(theirs) > 0 {
			if err := agreement(theirs); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeTable draws the table: some columns rounded, some values missing, labels
// from a noisy sum of effects.
func makeTable(rows int) *gbdt.Dataset {
	r := rand.New(rand.NewPCG(20260101, 7))
	d := &gbdt.Dataset{Label: make([]float64, rows)}
	scores := make([][classes]float64, rows)
	add := func(name string, categorical bool, value func() float64, effect func(v float64) [classes]float64) {
		f := gbdt.Feature{Name: name, Categorical: categorical, Values: make([]float64, rows)}
		for i := range f.Values {
			v := value()
			f.Values[i] = v
			if v != v {
				continue
			}
			for k, e := range effect(v) {
				scores[i][k] += e
			}
		}
		d.Features = append(d.Features, f)
	}
	for j := range numbers {
		var slope [classes]float64
		for k := range slope {
			slope[k] = 0.5 * r.NormFloat64()
		}
		add(fmt.Sprintf("x%d", j), false, func() float64 {
			v := r.NormFloat64()
			switch {
			case r.IntN(50) == 0:
				return math.NaN()
			case j < 5:
				return math.Round(v*10) / 10
			}
			return v
		}, func(v float64) (e [classes]float64) {
			for k := range e {
				e[k] = slope[k] * v
			}
			e[j%classes] += math.Sin(2 * v)
			return e
		})
	}
	for j, n := range categories {
		effects := make([][classes]float64, n)
		for i := range effects {
			for k := range classes {
				effects[i][k] = 0.7 * r.NormFloat64()
			}
		}
		add(fmt.Sprintf("c%d", j), true, func() float64 {
			return math.Min(math.Floor(float64(n)/4*(math.Pow(r.Float64(), -1)-1)), float64(n-1))
		}, func(v float64) [classes]float64 { return effects[int(v)] })
	}
	for i := range d.Label {
		best := math.Inf(-1)
		for k, s := range scores[i] {
			if s -= math.Log(-math.Log(r.Float64() + 1e-300)); s > best {
				best, d.Label[i] = s, float64(k)
			}
		}
	}
	return d
}

// writeTable leaves the table for the other side.
func writeTable(folder string, d *gbdt.Dataset) error {
	if err := writeNumbers(filepath.Join(folder, "features.f64"), columnsOf(d)...); err != nil {
		return err
	}
	if err := writeNumbers(filepath.Join(folder, "label.f64"), d.Label); err != nil {
		return err
	}
	var categorical []int
	for i, f := range d.Features {
		if f.Categorical {
			categorical = append(categorical, i)
		}
	}
	shape, err := json.Marshal(map[string]any{
		"rows": d.Rows(), "features": len(d.Features), "categorical": categorical,
		"params": map[string]any{"objective": "multiclass", "num_class": classes, "num_iterations": rounds},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "shape.json"), shape, 0o600)
}

// writeNumbers leaves columns one after the other.
func writeNumbers(path string, columns ...[]float64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for _, c := range columns {
		if err := binary.Write(w, binary.LittleEndian, c); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return errors.Join(w.Flush(), f.Close())
}

// readNumbers is the reverse, for columns of rows numbers.
func readNumbers(path string, columns, rows int) ([][]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	out := make([][]float64, columns)
	for i := range out {
		out[i] = make([]float64, rows)
		if err := binary.Read(r, binary.LittleEndian, out[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return out, nil
}

func columnsOf(d *gbdt.Dataset) [][]float64 {
	columns := make([][]float64, len(d.Features))
	for i := range d.Features {
		columns[i] = d.Features[i].Values
	}
	return columns
}

// processorSeconds is what this process has used.
func processorSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func (f figures) time(name string, work func() error) error {
	start, cpu := time.Now(), processorSeconds()
	err := work()
	f[name+"_s"], f[name+"_cpu_s"] = time.Since(start).Seconds(), processorSeconds()-cpu
	return err
}

func (b *bench) measure(threads int) (figures, error) {
	runtime.GC()
	f := make(figures)
	ctx := context.Background()
	p := gbdt.DefaultParams()
	p.Objective, p.NumClass, p.NumIterations, p.NumThreads = gbdt.Multiclass, classes, rounds, threads
	var model *gbdt.Model
	stop, err := b.startProfile(threads)
	if err != nil {
		return nil, err
	}
	err = f.time("train", func() (err error) {
		model, err = gbdt.Train(ctx, p, *b.data, nil, nil)
		return err
	})
	if err = errors.Join(err, stop()); err != nil {
		return nil, err
	}
	columns := columnsOf(b.data)
	var scores [][]float64
	err = f.time("batch", func() (err error) {
		scores, err = model.PredictBatch(ctx, columns, threads)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, y := range b.data.Label {
		f["logloss"] -= math.Log(scores[int(y)][i]) / float64(b.data.Rows())
	}
	if err := writeNumbers(filepath.Join(b.folder, "scores.f64"), scores...); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if _, err := model.WriteTo(&text); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.folder, "model.txt"), text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return f, f.single(model, columns)
}

// startProfile starts the profile that was asked for; a later run's takes its
// place.
func (b *bench) startProfile(threads int) (stop func() error, err error) {
	if b.profile == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(fmt.Sprintf("%s.%d", b.profile, threads))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// single times rows one by one through the first 100 trees.
func (f figures) single(model *gbdt.Model, columns [][]float64) error {
	small := &gbdt.Model{
		NumClass: model.NumClass, TreesPerIteration: model.TreesPerIteration, Objective: model.Objective,
		FeatureNames: model.FeatureNames, FeatureInfos: model.FeatureInfos, Trees: model.Trees[:100],
	}
	const distinct, calls = 1000, 50000
	table := make([][]float64, distinct)
	for i := range table {
		for _, c := range columns {
			table[i] = append(table[i], c[i%len(c)])
		}
	}
	out := make([]float64, small.TreesPerIteration)
	if err := small.Predict(table[0], out); err != nil {
		return err
	}
	err := f.time("single", func() error {
		for i := range calls {
			if err := small.Predict(table[i%distinct], out); err != nil {
				return err
			}
		}
		return nil
	})
	f["single_s"] /= calls
	f["single_cpu_s"] /= calls
	return err
}

func (b *bench) measurePeer(threads int) (figures, error) {
	out, err := exec.Command(b.python, b.script, b.folder, strconv.Itoa(threads)).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
			return nil, fmt.Errorf("%s %s: %w: %s", b.python, b.script, err, lines[len(lines)-1])
		}
		return nil, err
	}
	var raw map[string]any
	if err := json.Unmarshal(out, &raw); err != nil {
		return nil, fmt.Errorf("%s %s printed no JSON: %w", b.python, b.script, err)
	}
	f := make(figures)
	for name, v := range raw {
		if number, ok := v.(float64); ok {
			f[name] = number
		}
	}
	f["model_there"], err = b.servePeersModel(threads)
	return f, err
}

// servePeersModel is the largest difference between the peer's predictions and
// those of its model served here.
func (b *bench) servePeersModel(threads int) (float64, error) {
	file, err := os.Open(filepath.Join(b.folder, "peer.txt"))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	model, err := gbdt.ReadModel(file)
	if err != nil {
		return 0, fmt.Errorf("the peer's model: %w", err)
	}
	got, err := model.PredictBatch(context.Background(), columnsOf(b.data), threads)
	if err != nil {
		return 0, fmt.Errorf("serve the peer's model: %w", err)
	}
	want, err := readNumbers(filepath.Join(b.folder, "peer_scores.f64"), classes, b.data.Rows())
	if err != nil {
		return 0, err
	}
	most := 0.0
	for k := range want {
		for i, v := range want[k] {
			most = max(most, math.Abs(got[k][i]-v))
		}
	}
	return most, nil
}

// agreement prints how far predictions of one model by the two sides differ,
// and is an error where that is more than rounding.
func agreement(theirs []figures) error {
	here, there := 0.0, 0.0
	for _, f := range theirs {
		here, there = max(here, f["model_here"]), max(there, f["model_there"])
	}
	fmt.Printf("largest difference of a probability: %.2g for the model trained here, %.2g for LightGBM's\n", here, there)
	if !(max(here, there) <= 1e-12) {
		return errors.New("the two sides serve one model differently")
	}
	return nil
}

func median(of []figures, name string) float64 {
	var values []float64
	for _, f := range of {
		values = append(values, f[name])
	}
	slices.Sort(values)
	if len(values) == 0 {
		return math.NaN()
	}
	return values[len(values)/2]
}

func report(threads int, ours, theirs []figures) {
	fmt.Printf("\n%d threads%26s%14s%14s\n", threads, "here", "LightGBM", "here/there")
	for _, line := range []struct{ label, name, unit string }{
		{"train, wall", "train_s", "s"}, {"train, processor", "train_cpu_s", "s"},
		{"predict all, wall", "batch_s", "s"}, {"predict all, processor", "batch_cpu_s", "s"},
		{"one row, 100 trees, wall", "single_s", "us"}, {"one row, processor", "single_cpu_s", "us"},
		{"multi_logloss, training", "logloss", ""},
	} {
		scale := 1.0
		if line.unit == "us" {
			scale = 1e6
		}
		a, b := median(ours, line.name)*scale, median(theirs, line.name)*scale
		fmt.Printf("%-26s%9.4g %-2s", line.label, a, line.unit)
		if len(theirs) > 0 {
			fmt.Printf("%11.4g %-2s%11.2f", b, line.unit, a/b)
		}
		fmt.Println()
	}
}
