package gbdt_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"

	"github.com/bodega-hq/bodega/internal/ml/gbdt"
)

// accounts are variances between two ledgers: an amount, a currency by code,
// and whether a rule was wrong.
func accounts() gbdt.Dataset {
	amount := gbdt.Feature{Name: "amount"}
	currency := gbdt.Feature{Name: "currency", Categorical: true}
	var wrong []float64
	for i := range 400 {
		a, c := float64(i%40)-20, float64(i%3)
		amount.Values = append(amount.Values, a)
		currency.Values = append(currency.Values, c)
		if a > 5 && c != 1 {
			wrong = append(wrong, 1)
		} else {
			wrong = append(wrong, 0)
		}
	}
	return gbdt.Dataset{Features: []gbdt.Feature{amount, currency}, Label: wrong}
}

func ExampleTrain() {
	params, err := gbdt.ParseParams([]gbdt.Parameter{
		{Name: "objective", Value: "binary"}, {Name: "num_trees", Value: "50"}, {Name: "num_leaves", Value: "7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := gbdt.Train(context.Background(), params, accounts(), nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	out := make([]float64, 1)
	for _, row := range [][]float64{{12, 0}, {12, 1}, {-3, 2}, {math.NaN(), math.NaN()}} {
		if err := model.Predict(row, out); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("amount %4v, currency %4v: %.2f\n", row[0], row[1], out[0])
	}
	// Output:
	// amount   12, currency    0: 1.00
	// amount   12, currency    1: 0.00
	// amount   -3, currency    2: 0.00
	// amount  NaN, currency  NaN: 0.00
}

// A round can be watched, and stopped by a set of rows kept apart.
func ExampleTrain_validation() {
	params := gbdt.DefaultParams()
	params.Objective, params.NumIterations, params.EarlyStoppingRound = gbdt.Binary, 500, 5
	params.LearningRate = 0.5
	valid := []gbdt.Validation{{Name: "kept apart", Dataset: accounts()}}
	model, err := gbdt.Train(context.Background(), params, accounts(), valid, func(r gbdt.Round) {
		if r.Iteration == 1 {
			e := r.Evaluations[0]
			fmt.Printf("round %d of %d: %s %s %.3f\n", r.Iteration, r.Of, e.Set, e.Metric, e.Value)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stopped early:", model.Iterations() < 500)
	// Output:
	// round 1 of 500: kept apart binary_logloss 0.190
	// stopped early: true
}

// A model that LightGBM saved is served as it is.
func ExampleReadModel() {
	f, err := os.Open("testdata/multiclass.model.txt")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	model, err := gbdt.ReadModel(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(model.Objective, model.Features(), "features", model.Iterations(), "rounds")
	probabilities := make([]float64, model.NumClass)
	if err := model.Predict([]float64{0.3, -1.2, 0, math.NaN(), 80, math.NaN(), 2, 5, 33}, probabilities); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f\n", probabilities)
	// Output:
	// multiclass num_class:3 9 features 12 rounds
	// [0.245 0.151 0.604]
}

// What a model writes, LightGBM reads.
func ExampleModel_WriteTo() {
	params := gbdt.DefaultParams()
	params.Objective, params.NumIterations = gbdt.Binary, 3
	model, err := gbdt.Train(context.Background(), params, accounts(), nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var text bytes.Buffer
	if _, err := model.WriteTo(&text); err != nil {
		fmt.Println(err)
		return
	}
	for range 7 {
		line, _ := text.ReadString('\n')
		fmt.Print(line)
	}
	// Output:
	// tree
	// version=v4
	// num_class=1
	// num_tree_per_iteration=1
	// label_index=0
	// max_feature_idx=1
	// objective=binary sigmoid:1
}

func ExampleModel_Contributions() {
	params := gbdt.DefaultParams()
	params.Objective, params.NumIterations = gbdt.Binary, 20
	model, err := gbdt.Train(context.Background(), params, accounts(), nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	columns := [][]float64{{12, 12}, {0, 1}} // two rows, by column
	values, err := model.Contributions(context.Background(), columns, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for row := range 2 {
		fmt.Printf("amount %+.2f, currency %+.2f, expected %+.2f\n", values[row*3], values[row*3+1], values[row*3+2])
	}
	// Output:
	// amount +3.08, currency +1.26, expected -2.10
	// amount +1.24, currency -2.57, expected -2.10
}
