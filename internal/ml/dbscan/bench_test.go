package dbscan

import (
	"context"
	"fmt"
	"testing"

	"github.com/bodega-hq/bodega/internal/ml/dbscan/synthetic"
)

func journals(n int) Columns {
	amounts, days, currencies := synthetic.Journals(n)
	return Columns{
		Dimensions: []Dimension{{Name: "amount", Values: amounts, Scale: 100}, {Name: "day", Values: days, Scale: 2}},
		Layers:     []Layer{{Name: "currency", Codes: currencies}},
	}
}

func blobs(n, dims int) Columns {
	var columns Columns
	for j, values := range synthetic.Blobs(n, dims) {
		columns.Dimensions = append(columns.Dimensions, Dimension{Name: fmt.Sprint("x", j), Values: values})
	}
	return columns
}

func BenchmarkCluster(b *testing.B) {
	const n = 1_000_000
	for _, bench := range []struct {
		name    string
		columns Columns
		options Options
	}{
		{"journals/rows", journals(n), Options{Eps: 0.6, MinSamples: 5}},
		{"journals/grid", journals(n), Options{Eps: 0.6, MinSamples: 5, Method: Grid}},
		{"journals/tree", journals(n), Options{Eps: 0.6, MinSamples: 5, Method: Tree}},
		{"1 dimension/rows", blobs(n, 1), Options{Eps: 1e-4, MinSamples: 5}},
		{"2 dimensions/grid", blobs(n, 2), Options{Eps: 0.1, MinSamples: 5}},
		{"3 dimensions/grid", blobs(n, 3), Options{Eps: 0.5, MinSamples: 5}},
		{"3 dimensions/tree", blobs(n, 3), Options{Eps: 0.5, MinSamples: 5, Method: Tree}},
		{"3 dimensions dense/grid", blobs(n, 3), Options{Eps: 2, MinSamples: 50}},
		{"4 dimensions/tree", blobs(n, 4), Options{Eps: 0.8, MinSamples: 5}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				result, err := Cluster(context.Background(), bench.columns, bench.options)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(result.Clusters), "clusters")
				b.ReportMetric(float64(result.NoisePoints()), "noise")
				b.ReportMetric(float64(result.Distinct), "distinct")
			}
		})
	}
}
