package dbscan_test

import (
	"context"
	"fmt"

	"github.com/bodega-hq/bodega/internal/ml/dbscan"
)

// Differences of a ledger: five currency units count as far as three days, and
// a Canadian difference is never near an American one.
func ExampleCluster() {
	columns := dbscan.Columns{
		Dimensions: []dbscan.Dimension{
			{Name: "amount", Values: []float64{-2.50, -2.50, -2.40, -2.50, 99, 1200}, Scale: 5},
			{Name: "day", Values: []float64{14, 14, 15, 16, 15, 2}, Scale: 3},
		},
		Layers: []dbscan.Layer{
			dbscan.EncodeLayer("currency", []string{"CAD", "CAD", "CAD", "USD", "CAD", "CAD"}),
		},
	}
	clustering, err := dbscan.Cluster(context.Background(), columns, dbscan.Options{Eps: 0.5, MinSamples: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(clustering.Labels)
	fmt.Println(clustering.Clusters, "cluster,", clustering.NoisePoints(), "points of noise")
	// Output:
	// [0 0 0 -1 -1 -1]
	// 1 cluster, 3 points of noise
}

func ExampleCurve_Knee() {
	columns := dbscan.Columns{Dimensions: []dbscan.Dimension{{
		Name:   "amount",
		Values: []float64{1, 1.1, 1.2, 1.3, 7, 7.1, 7.2, 7.3, 40, 90},
	}}}
	curve, err := dbscan.KDistances(context.Background(), columns, 3, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	eps, ok := curve.Knee()
	fmt.Printf("%.2f %v\n", eps, ok)
	// Output:
	// 0.20 true
}
