package feed

import (
	"bufio"
	"bytes"
	"container/heap"
	"errors"
	"fmt"
	"io"
)

// merger joins sorted runs and the rows still in memory into one sequence. Of
// equal rows the one of the newest source is kept.
type merger struct {
	s       *Splitter
	sources sourceHeap
	files   []io.Closer
	runs    []int
	// held is the source whose record was handed out last: it moves on only
	// with the following call, because its record is used until then.
	held *runSource
	last []byte // the record handed out last, where it had to be copied
}

// runSource is one run with its current record.
type runSource struct {
	age         int // newer sources have higher ones
	record      []byte
	store, item []byte
	read        func() ([]byte, error)
}

// advance moves on to the next record.
func (r *runSource) advance() error {
	record, err := r.read()
	if err != nil {
		return err
	}
	r.record = record
	body, _, err := cutRecord(record)
	if err != nil {
		return err
	}
	r.store, r.item, err = keyOf(body)
	return err
}

// keyOf finds store and item, which come first in a record that has both.
func keyOf(body []byte) (store, item []byte, err error) {
	for range 3 { // number, line and the set of fields
		_, n := uvarint(body)
		if n <= 0 {
			return nil, nil, errRecord
		}
		body = body[n:]
	}
	if store, body, err = cutRecord(body); err == nil {
		item, _, err = cutRecord(body)
	}
	return store, item, err
}

func compareKeys(a, b *runSource) int {
	if c := bytes.Compare(a.store, b.store); c != 0 {
		return c
	}
	return bytes.Compare(a.item, b.item)
}

type sourceHeap []*runSource

func (h sourceHeap) Len() int { return len(h) }
func (h sourceHeap) Less(i, j int) bool {
	if c := compareKeys(h[i], h[j]); c != 0 {
		return c < 0
	}
	return h[i].age > h[j].age
}
func (h sourceHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *sourceHeap) Push(x any)   { *h = append(*h, x.(*runSource)) }
func (h *sourceHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

// addRun adds a run that is newer than those added before.
func (m *merger) addRun(run int) error {
	f, err := m.s.o.Spill.Open(run)
	if err != nil {
		return fmt.Errorf("split feed: open run %d: %w", run, err)
	}
	m.files = append(m.files, f)
	in := bufio.NewReaderSize(f, runBuffer)
	var frame, rest []byte
	return m.add(func() ([]byte, error) {
		if len(rest) == 0 {
			var err error
			if frame, err = readFrame(in, frame); err != nil {
				if err == io.EOF {
					return nil, io.EOF
				}
				return nil, fmt.Errorf("split feed: read run %d: %w", run, err)
			}
			rest = frame[frameHead:]
		}
		_, after, err := cutRecord(rest)
		if err != nil {
			return nil, fmt.Errorf("split feed: read run %d: %w", run, err)
		}
		record := rest[:len(rest)-len(after)]
		rest = after
		return record, nil
	})
}

// addMemory adds the rows that were never spilled, which are the newest.
func (m *merger) addMemory() error {
	at := 0
	return m.add(func() ([]byte, error) {
		if at == len(m.s.index) {
			return nil, io.EOF
		}
		record := m.s.arena[m.s.index[at].record:]
		at++
		n, head := uvarint(record)
		return record[:head+int(n)], nil
	})
}

func (m *merger) add(read func() ([]byte, error)) error {
	src := &runSource{age: len(m.sources), read: read}
	switch err := src.advance(); {
	case err == io.EOF:
		return nil
	case err != nil:
		return err
	}
	// Sources are all added before the first is used up, so ages stay unique.
	heap.Push(&m.sources, src)
	return nil
}

// step moves the source at the top on, or drops it at its end.
func (m *merger) step() error {
	switch err := m.sources[0].advance(); {
	case err == io.EOF:
		heap.Pop(&m.sources)
	case err != nil:
		return err
	default:
		heap.Fix(&m.sources, 0)
	}
	return nil
}

// next is the next record, valid until the following call.
func (m *merger) next() ([]byte, error) {
	if m.held != nil {
		m.held = nil
		if err := m.step(); err != nil {
			return nil, err
		}
	}
	if len(m.sources) == 0 {
		return nil, io.EOF
	}
	if len(m.sources) == 1 {
		m.held = m.sources[0]
		return m.held.record, nil
	}
	// The newest of equal records is on top; the older ones come right after.
	m.last = append(m.last[:0], m.sources[0].record...)
	winner := runSource{record: m.last}
	body, _, err := cutRecord(m.last)
	if err == nil {
		winner.store, winner.item, err = keyOf(body)
	}
	if err == nil {
		err = m.step()
	}
	for err == nil && len(m.sources) > 0 && compareKeys(m.sources[0], &winner) == 0 {
		if err = m.s.duplicate(m.sources[0].record, m.last); err == nil {
			err = m.step()
		}
	}
	return m.last, err
}

// close closes and removes the runs.
func (m *merger) close() error {
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	for _, run := range m.runs {
		if err := m.s.o.Spill.Remove(run); err != nil {
			errs = append(errs, fmt.Errorf("split feed: remove run %d: %w", run, err))
		}
	}
	m.files, m.runs, m.sources = nil, nil, nil
	return errors.Join(errs...)
}
