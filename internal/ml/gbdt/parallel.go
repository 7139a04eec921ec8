package gbdt

import (
	"sync"
	"sync/atomic"
)

// workers runs tasks on a fixed number of goroutines. What a task computes
// never depends on which goroutine runs it.
type workers struct{ threads int }

// each runs f(0) .. f(n-1) in any order and waits for all of them.
func (w workers) each(n int, f func(task int)) {
	threads := min(w.threads, n)
	if threads <= 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var next atomic.Int64
	run := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(i)
		}
	}
	var wg sync.WaitGroup
	for range threads - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
}

// rowsPerTask is small enough to share work out evenly and large enough to
// hide the cost of handing it out.
const rowsPerTask = 4096

// ranges runs f over [0, n) in blocks of rowsPerTask.
func (w workers) ranges(n int, f func(from, to int)) {
	w.each((n+rowsPerTask-1)/rowsPerTask, func(task int) {
		from := task * rowsPerTask
		f(from, min(from+rowsPerTask, n))
	})
}
