package gbdt

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// metric measures scores against labels.
type metric struct {
	name   string
	higher bool // higher is better
	// eval takes raw scores by class and row.
	eval func(e *evaluation) float64
}

// evaluation is what a metric looks at.
type evaluation struct {
	target
	score     [][]float64 // raw, by class and row
	convert   func(raw []float64)
	topK      int
	muWeights []float64
	workers
}

var metricAliases = map[string]string{
	"regression": "l2", "regression_l2": "l2", "mean_squared_error": "l2", "mse": "l2",
	"l2_root": "rmse", "root_mean_squared_error": "rmse",
	"regression_l1": "l1", "mean_absolute_error": "l1", "mae": "l1",
	"binary":     "binary_logloss",
	"multiclass": "multi_logloss", "softmax": "multi_logloss", "multiclassova": "multi_logloss",
	"multiclass_ova": "multi_logloss", "ova": "multi_logloss", "ovr": "multi_logloss",
	"null": "none", "na": "none", "custom": "none",
}

var (
	regressionMetrics = []metric{
		{"l2", false, func(e *evaluation) float64 { return e.mean(squareLoss) }},
		{"rmse", false, func(e *evaluation) float64 { return math.Sqrt(e.mean(squareLoss)) }},
		{"l1", false, func(e *evaluation) float64 { return e.mean(absoluteLoss) }},
	}
	binaryMetrics = []metric{
		{"binary_logloss", false, func(e *evaluation) float64 { return e.mean(binaryLogLoss) }},
		{"auc", true, auc},
		{"binary_error", false, func(e *evaluation) float64 { return e.mean(binaryError) }},
	}
	multiMetrics = []metric{
		{"multi_logloss", false, func(e *evaluation) float64 { return e.mean(multiLogLoss) }},
		{"multi_error", false, func(e *evaluation) float64 { return e.mean(multiError(e.topK)) }},
		{"auc_mu", true, aucMu},
	}
)

// metricsOf are the metrics that go with an objective.
func metricsOf(o Objective) []metric {
	switch o {
	case Multiclass, "multiclassova":
		return multiMetrics
	case Binary, "cross_entropy":
		return binaryMetrics
	default:
		return regressionMetrics
	}
}

// metrics are the metrics that training reports.
func (p *Params) metrics() ([]metric, error) {
	names := p.Metric
	if len(names) == 0 {
		names = []string{metricsOf(p.Objective)[0].name}
	}
	var chosen []metric
	for _, given := range names {
		name := strings.ToLower(strings.TrimSpace(given))
		if alias, ok := metricAliases[name]; ok {
			name = alias
		}
		if name == "none" {
			continue
		}
		known := false
		for _, m := range metricsOf(p.Objective) {
			if m.name != name {
				continue
			}
			known = true
			if m.name == "multi_error" && p.MultiErrorTopK > 1 {
				m.name = fmt.Sprintf("multi_error@%d", p.MultiErrorTopK)
			}
			if !slices.ContainsFunc(chosen, func(c metric) bool { return c.name == m.name }) {
				chosen = append(chosen, m)
			}
		}
		if !known {
			var have []string
			for _, m := range metricsOf(p.Objective) {
				have = append(have, m.name)
			}
			return nil, fmt.Errorf("%w: metric %q does not go with objective %s; these do: %s", ErrParameter, given, p.Objective, strings.Join(have, ", "))
		}
	}
	return chosen, nil
}

// pointLoss is the loss of one row from its label and its converted scores.
type pointLoss func(label float32, prediction []float64) float64

func squareLoss(y float32, p []float64) float64 {
	d := p[0] - float64(y)
	return d * d
}

func absoluteLoss(y float32, p []float64) float64 { return math.Abs(p[0] - float64(y)) }

func logLoss(probability float64) float64 { return -math.Log(max(probability, epsilon)) }

func binaryLogLoss(y float32, p []float64) float64 {
	if y > 0 {
		return logLoss(p[0])
	}
	return logLoss(1 - p[0])
}

func binaryError(y float32, p []float64) float64 {
	if (p[0] > 0.5) == (y > 0) {
		return 0
	}
	return 1
}

func multiLogLoss(y float32, p []float64) float64 { return logLoss(p[int(y)]) }

// multiError counts a row as wrong where over topK classes score at least as
// high as the right one, itself included: a tie is an error.
func multiError(topK int) pointLoss {
	return func(y float32, p []float64) float64 {
		own, atLeast := p[int(y)], 0
		for _, v := range p {
			if v >= own {
				atLeast++
			}
		}
		if atLeast > topK {
			return 1
		}
		return 0
	}
}

// mean is the weighted mean of a loss. Blocks of rows are summed apart and then
// in order, so that the sum does not depend on the number of threads.
func (e *evaluation) mean(loss pointLoss) float64 {
	rows := len(e.label)
	sums := make([]float64, (rows+rowsPerTask-1)/rowsPerTask)
	e.ranges(rows, func(from, to int) {
		p := make([]float64, len(e.score))
		sum := 0.0
		for i := from; i < to; i++ {
			for k := range p {
				p[k] = e.score[k][i]
			}
			e.convert(p)
			v := loss(e.label[i], p)
			if e.weight != nil {
				v *= float64(e.weight[i])
			}
			sum += v
		}
		sums[from/rowsPerTask] = sum
	})
	total := 0.0
	for _, s := range sums {
		total += s
	}
	return total / e.sumOfWeights()
}

func (e *evaluation) weightOf(row int) float64 {
	if e.weight == nil {
		return 1
	}
	return float64(e.weight[row])
}

// auc is the area under the receiver operating characteristic; rows of equal
// score count half. It is 1 where one of the classes is absent.
func auc(e *evaluation) float64 {
	score := e.score[0]
	order := make([]int, len(score))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score[b], score[a]) })
	var area, positives, tiedPositives, tiedNegatives float64
	threshold := score[order[0]]
	for _, row := range order {
		if score[row] != threshold {
			threshold = score[row]
			area += tiedNegatives * (tiedPositives*0.5 + positives)
			positives += tiedPositives
			tiedPositives, tiedNegatives = 0, 0
		}
		if e.label[row] > 0 {
			tiedPositives += e.weightOf(row)
		} else {
			tiedNegatives += e.weightOf(row)
		}
	}
	area += tiedNegatives * (tiedPositives*0.5 + positives)
	positives += tiedPositives
	negatives := e.sumOfWeights() - positives
	if positives <= 0 || negatives <= 0 {
		return 1
	}
	return area / (positives * negatives)
}

// aucMu is the mean over pairs of classes of the area under the curve along
// the direction that the weight matrix separates them by (Kleiman and Page
// 2019). Pairs of which a class is absent are left out; it is 1 without any.
func aucMu(e *evaluation) float64 {
	classes := len(e.score)
	members := make([][]int, classes)
	for i, y := range e.label {
		members[int(y)] = append(members[int(y)], i)
	}
	sum, pairs := 0.0, 0
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			if area, ok := e.pairArea(i, j, members[i], members[j]); ok {
				sum += area
				pairs++
			}
		}
	}
	if pairs == 0 {
		return 1
	}
	return sum / float64(pairs)
}

// muWeight is the loss of taking class i for class j.
func (e *evaluation) muWeight(i, j int) float64 {
	if i == j {
		return 0
	}
	if e.muWeights == nil {
		return 1
	}
	return e.muWeights[i*len(e.score)+j]
}

func (e *evaluation) pairArea(i, j int, membersI, membersJ []int) (float64, bool) {
	classes := len(e.score)
	direction := make([]float64, classes)
	for k := range direction {
		direction[k] = e.muWeight(i, k) - e.muWeight(j, k)
	}
	scale := direction[i] - direction[j]
	type place struct {
		distance float64
		row      int
		inI      bool
	}
	places := make([]place, 0, len(membersI)+len(membersJ))
	var weightI, weightJ float64
	add := func(rows []int, inI bool, weight *float64) {
		for _, row := range rows {
			v := 0.0
			for k, d := range direction {
				v += d * e.score[k][row]
			}
			places = append(places, place{scale * v, row, inI})
			*weight += e.weightOf(row)
		}
	}
	add(membersI, true, &weightI)
	add(membersJ, false, &weightJ)
	if weightI <= 0 || weightJ <= 0 {
		return 0, false
	}
	slices.SortFunc(places, func(a, b place) int {
		if math.Abs(a.distance-b.distance) < epsilon && a.inI != b.inI {
			if a.inI {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.distance, b.distance)
	})
	var area, below, tied, lastDistance float64
	for _, p := range places {
		same := math.Abs(p.distance-lastDistance) < epsilon
		w := e.weightOf(p.row)
		switch {
		case p.inI && same:
			area += w * (below - 0.5*tied)
		case p.inI:
			area += w * below
		case same:
			below += w
			tied += w
		default:
			below += w
			lastDistance, tied = p.distance, w
		}
	}
	return area / weightI / weightJ, true
}
