package gbdt

import (
	"fmt"
	"math"
)

// objective is a loss: where scores start, and its derivatives at a score.
type objective interface {
	// start is the constant score of a class that minimizes the loss.
	start(class int) float64
	// trains says whether a class can be told from the others at all.
	trains(class int) bool
	// derive fills out[class][row] from score[class][row] for rows from..to.
	derive(score [][]float64, out [][]derivative, from, to int)
}

func newObjective(p *Params, t *target) (objective, error) {
	switch p.Objective {
	case Multiclass:
		return newSoftmax(p, t)
	case Binary:
		return newLogistic(p, t), nil
	default:
		return &squared{t}, nil
	}
}

// squared is half the squared error.
type squared struct{ *target }

func (o *squared) start(int) float64 {
	sum := 0.0
	for i, y := range o.label {
		if o.weight == nil {
			sum += float64(y)
		} else {
			sum += float64(y) * float64(o.weight[i])
		}
	}
	return sum / o.sumOfWeights()
}

func (o *squared) trains(int) bool { return true }

func (o *squared) derive(score [][]float64, out [][]derivative, from, to int) {
	for i := from; i < to; i++ {
		d := derivative{float32(score[0][i] - float64(o.label[i])), 1}
		if o.weight != nil {
			d = derivative{float32(d.g * o.weight[i]), o.weight[i]}
		}
		out[0][i] = d
	}
}

// logistic is the binary log loss, the positive class being labels above 0:
// with y = -1 or 1, r = -y*s / (1 + exp(y*s*score)), the gradient is r and the
// hessian |r| * (s - |r|).
type logistic struct {
	*target
	sigmoid  float64
	positive int
	weights  [2]float64 // of the negative and of the positive class
}

func newLogistic(p *Params, t *target) *logistic {
	o := &logistic{target: t, sigmoid: p.Sigmoid, weights: [2]float64{1, 1}}
	for _, y := range t.label {
		if y > 0 {
			o.positive++
		}
	}
	if negative := len(t.label) - o.positive; p.IsUnbalance && o.positive > 0 && negative > 0 {
		if o.positive > negative {
			o.weights[0] = float64(o.positive) / float64(negative)
		} else {
			o.weights[1] = float64(negative) / float64(o.positive)
		}
	}
	o.weights[1] *= p.ScalePosWeight
	return o
}

func (o *logistic) start(int) float64 {
	sum, all := 0.0, o.sumOfWeights()
	for i, y := range o.label {
		if y > 0 {
			if o.weight == nil {
				sum++
			} else {
				sum += float64(o.weight[i])
			}
		}
	}
	share := max(min(sum/all, 1-epsilon), epsilon)
	return math.Log(share/(1-share)) / o.sigmoid
}

func (o *logistic) trains(int) bool { return o.positive > 0 && o.positive < len(o.label) }

func (o *logistic) derive(score [][]float64, out [][]derivative, from, to int) {
	for i := from; i < to; i++ {
		y, w := -1.0, o.weights[0]
		if o.label[i] > 0 {
			y, w = 1, o.weights[1]
		}
		r := -y * o.sigmoid / (1 + math.Exp(y*o.sigmoid*score[0][i]))
		abs := math.Abs(r)
		g, h := r*w, abs*(o.sigmoid-abs)*w
		if o.weight != nil {
			g *= float64(o.weight[i])
			h *= float64(o.weight[i])
		}
		out[0][i] = derivative{float32(g), float32(h)}
	}
}

// softmax is the multiclass log loss: with p the softmax of the scores, the
// gradient is p - [y = k] and the hessian K/(K-1) * p * (1-p) (Friedman 2001).
type softmax struct {
	*target
	class  []int32
	shares []float64
	factor float64
}

func newSoftmax(p *Params, t *target) (*softmax, error) {
	o := &softmax{
		target: t, class: make([]int32, len(t.label)), shares: make([]float64, p.NumClass),
		factor: float64(p.NumClass) / (float64(p.NumClass) - 1),
	}
	if err := checkClasses(t, p.NumClass); err != nil {
		return nil, err
	}
	for i, y := range t.label {
		o.class[i] = int32(y)
		if t.weight == nil {
			o.shares[o.class[i]]++
		} else {
			o.shares[o.class[i]] += float64(t.weight[i])
		}
	}
	all := t.sumOfWeights()
	for k := range o.shares {
		o.shares[k] /= all
	}
	return o, nil
}

// checkClasses says where a label is not one of the classes.
func checkClasses(t *target, classes int) error {
	for i, y := range t.label {
		if !(y >= 0 && y < float32(classes)) || y != float32(int(y)) {
			return fmt.Errorf("%w: label %v of row %d (from 0) is not one of the num_class = %d classes 0 to %d", ErrData, y, i, classes, classes-1)
		}
	}
	return nil
}

func (o *softmax) start(class int) float64 { return math.Log(max(epsilon, o.shares[class])) }

func (o *softmax) trains(class int) bool {
	share := o.shares[class]
	return math.Abs(share) > epsilon && math.Abs(share) < 1-epsilon
}

func (o *softmax) derive(score [][]float64, out [][]derivative, from, to int) {
	p := make([]float64, len(score))
	for i := from; i < to; i++ {
		for k := range p {
			p[k] = score[k][i]
		}
		toProbabilities(p)
		for k, prob := range p {
			g, h := prob, o.factor*prob*(1-prob)
			if int32(k) == o.class[i] {
				g = prob - 1
			}
			if o.weight != nil {
				g *= float64(o.weight[i])
				h *= float64(o.weight[i])
			}
			out[k][i] = derivative{float32(g), float32(h)}
		}
	}
}

// toProbabilities replaces raw scores by their softmax.
func toProbabilities(raw []float64) {
	most := raw[0]
	for _, v := range raw {
		most = max(most, v)
	}
	sum := 0.0
	for k, v := range raw {
		raw[k] = math.Exp(v - most)
		sum += raw[k]
	}
	for k := range raw {
		raw[k] /= sum
	}
}
