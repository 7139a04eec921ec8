// Package synthetic makes the point sets that the tests and the benchmark of
// dbscan share. They are simulated: they resemble ledgers and clusters, and
// come from no real ones.
package synthetic

import (
	"math"
	"math/rand/v2"
)

// Journals resembles the differences of a ledger: fees and round prices that
// repeat, the commonest of them thousands of times on one day of one currency,
// beside amounts that hardly repeat. Amounts are in cents, days are 1 to 31,
// and there are three currencies.
func Journals(n int) (amounts, days []float64, currencies []uint32) {
	r := rand.New(rand.NewPCG(7, uint64(n)))
	prices := rand.NewZipf(r, 1.3, 4, 399)
	amounts, days, currencies = make([]float64, n), make([]float64, n), make([]uint32, n)
	for i := range n {
		if r.IntN(10) < 7 {
			amounts[i] = float64(25 * (1 + int(prices.Uint64())))
		} else {
			amounts[i] = float64(int64(r.NormFloat64() * 200_000))
		}
		days[i] = float64(1 + r.IntN(31))
		currencies[i] = uint32(max(r.IntN(5)-2, 0))
	}
	return amounts, days, currencies
}

// Hourly is Journals as three numeric dimensions: the third is the hour of the
// day, most of them in a few hours of business.
func Hourly(n int) (amounts, days, hours []float64) {
	amounts, days, _ = Journals(n)
	r := rand.New(rand.NewPCG(13, uint64(n)))
	hours = make([]float64, n)
	for i := range n {
		hours[i] = min(max(math.Round(13+3*r.NormFloat64()), 0), 23)
	}
	return amounts, days, hours
}

// Blobs are dims true numeric dimensions: three quarters of the points in 60
// normal clusters of spread 2, the rest evenly over a box of side 100.
func Blobs(n, dims int) [][]float64 {
	r := rand.New(rand.NewPCG(11, uint64(n)))
	columns := make([][]float64, dims)
	centres := make([][]float64, dims)
	for j := range columns {
		columns[j], centres[j] = make([]float64, n), make([]float64, 60)
		for c := range centres[j] {
			centres[j][c] = r.Float64() * 100
		}
	}
	for i := range n {
		c := r.IntN(80)
		for j := range columns {
			if c < 60 {
				columns[j][i] = centres[j][c] + r.NormFloat64()*2
			} else {
				columns[j][i] = r.Float64() * 100
			}
		}
	}
	return columns
}
