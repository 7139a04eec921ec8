package gbdt

import (
	"math"
	"slices"
)

// lcg is the linear congruential generator x = 214013x + 2531011 (mod 2^32)
// that LightGBM draws its bags, features and bin samples from. Using the same
// one makes a bagged model comparable tree for tree.
type lcg uint32

func (r *lcg) step() uint32 {
	*r = *r*214013 + 2531011
	return uint32(*r)
}

// short draws 15 bits.
func (r *lcg) short() int { return int(r.step()>>16) & 0x7FFF }

// shortBetween draws from [lo, hi).
func (r *lcg) shortBetween(lo, hi int) int { return r.short()%(hi-lo) + lo }

// intBetween draws 31 bits, reduced to [lo, hi).
func (r *lcg) intBetween(lo, hi int) int { return int(r.step()&0x7FFFFFFF)%(hi-lo) + lo }

// float draws from [0, 1) in steps of 1/32768.
func (r *lcg) float() float32 { return float32(r.short()) / 32768 }

// sample draws k of the numbers 0..n-1, ascending: in one pass where k is a
// large share of n, else by Floyd's method.
func (r *lcg) sample(n, k int) []int {
	switch {
	case k > n || k <= 0:
		return nil
	case k == n:
		all := make([]int, n)
		for i := range all {
			all[i] = i
		}
		return all
	case k > 1 && float64(k) > float64(n)/math.Log2(float64(k)):
		drawn := make([]int, 0, k)
		for i := range n {
			if float64(r.float()) < float64(k-len(drawn))/float64(n-i) {
				drawn = append(drawn, i)
			}
		}
		return drawn
	}
	seen := make(map[int]bool, k)
	for i := n - k; i < n; i++ {
		v := r.intBetween(0, i+1)
		if seen[v] {
			v = i
		}
		seen[v] = true
	}
	drawn := make([]int, 0, k)
	for v := range seen {
		drawn = append(drawn, v)
	}
	slices.Sort(drawn)
	return drawn
}
