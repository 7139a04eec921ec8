// Command dbscan times the clustering of simulated points and leaves the
// points and the outcome in a folder, for a peer to cluster the same points and
// compare: <shape>-<points>.points holds float64 rows, .labels int32, .core
// uint8, all little-endian, and .json the figures.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bodega-hq/bodega/internal/ml/dbscan"
	"github.com/bodega-hq/bodega/internal/ml/dbscan/synthetic"
)

type figures struct {
	Shape      string  `json:"shape"`
	Points     int     `json:"points"`
	Dims       int     `json:"dims"`
	Eps        float64 `json:"eps"`
	MinSamples int     `json:"min_samples"`
	Method     string  `json:"method"`
	Distinct   int     `json:"distinct"`
	Clusters   int     `json:"clusters"`
	Noise      int     `json:"noise"`
	// Seconds is the median; all runs stand beside it.
	Seconds float64   `json:"seconds"`
	Runs    []float64 `json:"runs"`
}

func main() {
	log.SetFlags(0)
	shape := flag.String("shape", "journals", "journals (amount, day, currency as a layer), hourly (amount, day, hour) or numeric (three dimensions without a repeat)")
	points := flag.Int("points", 1_000_000, "number of points")
	runs := flag.Int("runs", 5, "timed runs")
	out := flag.String("out", ".", "folder to write to")
	flag.Parse()
	if err := run(*shape, *points, *runs, *out); err != nil {
		log.Fatal(err)
	}
}

func run(shape string, points, runs int, out string) error {
	columns, peer, options, err := generate(shape, points)
	if err != nil {
		return err
	}
	f := figures{Shape: shape, Points: points, Dims: len(peer), Eps: options.Eps, MinSamples: options.MinSamples}
	var clustering *dbscan.Clustering
	for range runs {
		started := time.Now()
		if clustering, err = dbscan.Cluster(context.Background(), columns, options); err != nil {
			return err
		}
		f.Runs = append(f.Runs, time.Since(started).Seconds())
	}
	sorted := slices.Sorted(slices.Values(f.Runs))
	f.Seconds = (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
	f.Method, f.Distinct = string(clustering.Method), clustering.Distinct
	f.Clusters, f.Noise = clustering.Clusters, clustering.NoisePoints()

	name := filepath.Join(out, fmt.Sprintf("%s-%d", shape, points))
	rows := make([]float64, 0, points*len(peer))
	for i := range points {
		for _, column := range peer {
			rows = append(rows, column[i])
		}
	}
	for suffix, content := range map[string]any{".points": rows, ".labels": clustering.Labels, ".core": clustering.Core} {
		if err := write(name+suffix, content); err != nil {
			return err
		}
	}
	encoded, err := json.Marshal(f)
	if err != nil {
		return err
	}
	fmt.Printf("%-8s %9d points, %7d distinct: %-4s %.3f s (median of %d), %d clusters, %d noise\n",
		shape, points, f.Distinct, f.Method, f.Seconds, runs, f.Clusters, f.Noise)
	return os.WriteFile(name+".json", encoded, 0o600)
}

// generate returns the points as this package takes them, and as a peer that
// knows no layers does: scaled, the currency one more coordinate that is
// farther than any distance.
func generate(shape string, points int) (dbscan.Columns, [][]float64, dbscan.Options, error) {
	switch shape {
	case "journals":
		amounts, days, currencies := synthetic.Journals(points)
		columns := dbscan.Columns{
			Dimensions: []dbscan.Dimension{{Name: "amount", Values: amounts, Scale: 100}, {Name: "day", Values: days, Scale: 2}},
			Layers:     []dbscan.Layer{{Name: "currency", Codes: currencies}},
		}
		apart := make([]float64, points)
		for i, currency := range currencies {
			apart[i] = float64(currency) * 1e6
		}
		peer := [][]float64{scaled(amounts, 100), scaled(days, 2), apart}
		return columns, peer, dbscan.Options{Eps: 0.6, MinSamples: 5}, nil
	case "hourly":
		amounts, days, hours := synthetic.Hourly(points)
		peer := [][]float64{scaled(amounts, 100), scaled(days, 2), scaled(hours, 4)}
		return columnsOf(peer), peer, dbscan.Options{Eps: 0.6, MinSamples: 5}, nil
	case "numeric":
		peer := synthetic.Blobs(points, 3)
		return columnsOf(peer), peer, dbscan.Options{Eps: 0.5, MinSamples: 5}, nil
	}
	return dbscan.Columns{}, nil, dbscan.Options{}, fmt.Errorf("unknown shape %q; there are journals, hourly and numeric", shape)
}

func scaled(values []float64, scale float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v / scale
	}
	return out
}

func columnsOf(values [][]float64) dbscan.Columns {
	var columns dbscan.Columns
	for j, v := range values {
		columns.Dimensions = append(columns.Dimensions, dbscan.Dimension{Name: fmt.Sprint("x", j), Values: v})
	}
	return columns
}

func write(name string, content any) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(file, 1<<20)
	if err := binary.Write(buffered, binary.LittleEndian, content); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}
