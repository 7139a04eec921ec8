package dbscan

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
)

// journals resembles a ledger's differences: amounts that repeat thousands of
// times beside amounts that occur once, a day of month and a currency.
func journals(n int) Columns {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	amounts, days, currency := make([]float64, n), make([]float64, n), make([]uint32, n)
	for i := range n {
		if r.IntN(10) < 7 {
			amounts[i] = float64(r.IntN(400)*25 - 2000) // fees and round prices, in cents
		} else {
			amounts[i] = float64(int64(r.NormFloat64() * 200_000))
		}
		days[i] = float64(1 + r.IntN(31))
		currency[i] = uint32(min(r.IntN(5), 2))
	}
	return Columns{
		Dimensions: []Dimension{{Name: "amount", Values: amounts, Scale: 100}, {Name: "day", Values: days, Scale: 2}},
		Layers:     []Layer{{Name: "currency", Codes: currency}},
	}
}

// blobs are true numeric dimensions: clusters over a uniform background.
func blobs(n, dims int) Columns {
	r := rand.New(rand.NewPCG(11, uint64(n)))
	columns := Columns{Dimensions: make([]Dimension, dims)}
	for j := range columns.Dimensions {
		columns.Dimensions[j] = Dimension{Name: fmt.Sprint("x", j), Values: make([]float64, n)}
	}
	centres := make([]float64, 60*dims)
	for i := range centres {
		centres[i] = r.Float64() * 100
	}
	for i := range n {
		c := r.IntN(80)
		for j := range dims {
			if c < 60 {
				columns.Dimensions[j].Values[i] = centres[c*dims+j] + r.NormFloat64()*2
			} else {
				columns.Dimensions[j].Values[i] = r.Float64() * 100
			}
		}
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
		{"journals/auto", journals(n), Options{Eps: 0.6, MinSamples: 5}},
		{"journals/grid", journals(n), Options{Eps: 0.6, MinSamples: 5, Method: Grid}},
		{"journals/tree", journals(n), Options{Eps: 0.6, MinSamples: 5, Method: Tree}},
		{"1 dimension", blobs(n, 1), Options{Eps: 1e-4, MinSamples: 5}},
		{"2 dimensions", blobs(n, 2), Options{Eps: 0.1, MinSamples: 5}},
		{"3 dimensions/grid", blobs(n, 3), Options{Eps: 0.5, MinSamples: 5}},
		{"3 dimensions/tree", blobs(n, 3), Options{Eps: 0.5, MinSamples: 5, Method: Tree}},
		{"3 dimensions/dense grid", blobs(n, 3), Options{Eps: 2, MinSamples: 50}},
		{"4 dimensions", blobs(n, 4), Options{Eps: 0.8, MinSamples: 5}},
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
