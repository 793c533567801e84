// SPDX-License-Identifier: MIT

// The usual tracker in Go: a map of allocations behind an RWMutex. It keeps the promises of ../rwlock_tracker.h: demands
// are checked, all resources fit or none is taken, per node and in total, ids are unique, and an unknown id is an error.
package main

import (
	"errors"
	"math"
	"strconv"
	"sync"
	"time"
)

const (
	resources = 7 // CPU in 1/64 core, memory, bandwidth, four that are counted
	ids       = 1024
	pairs     = 20000
)

type demand struct {
	cores     float64
	memory    uint64
	bandwidth uint64
	counted   [4]uint64
}

type amounts [resources]uint64

type allocation struct {
	amounts amounts
	node    int
}

type tracker[K comparable] struct {
	lock       sync.RWMutex
	limit      amounts
	limitTotal amounts
	used       []amounts
	usedTotal  amounts
	held       map[K]allocation
}

var (
	errInvalid    = errors.New("not a demand")
	errInfeasible = errors.New("more than there is")
	errAgain      = errors.New("no room now")
	errExists     = errors.New("id in use")
	errUnknown    = errors.New("unknown id")
)

func amountsOf(d *demand) (of amounts) {
	of[0] = uint64(math.Ceil(d.cores * 64))
	of[1] = d.memory
	of[2] = d.bandwidth
	copy(of[3:], d.counted[:])
	return
}

func newTracker[K comparable](nodes int, limit *demand) *tracker[K] {
	t := &tracker[K]{limit: amountsOf(limit), used: make([]amounts, nodes), held: make(map[K]allocation)}
	for r := range t.limit {
		t.limitTotal[r] = t.limit[r] * uint64(nodes)
	}
	return t
}

func (t *tracker[K]) check(d *demand) (amounts, error) {
	if !(d.cores >= 0) || math.IsInf(d.cores, 1) {
		return amounts{}, errInvalid
	}
	need := amountsOf(d)
	any := uint64(0)
	for r := range need {
		any |= need[r]
		if need[r] > t.limit[r] {
			return need, errInfeasible
		}
	}
	if any == 0 {
		return need, errInvalid
	}
	return need, nil
}

func fits(used, need, limit *amounts) bool {
	for r := range need {
		if used[r]+need[r] > limit[r] {
			return false
		}
	}
	return true
}

func (t *tracker[K]) allocate(id K, d *demand) error {
	need, err := t.check(d)
	if err != nil {
		return err
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if _, taken := t.held[id]; taken {
		return errExists
	}
	if !fits(&t.usedTotal, &need, &t.limitTotal) {
		return errAgain
	}
	for n := range t.used {
		if !fits(&t.used[n], &need, &t.limit) {
			continue
		}
		for r := range need {
			t.used[n][r] += need[r]
			t.usedTotal[r] += need[r]
		}
		t.held[id] = allocation{need, n}
		return nil
	}
	return errAgain
}

func (t *tracker[K]) release(id K) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	it, found := t.held[id]
	if !found {
		return errUnknown
	}
	delete(t.held, id)
	for r := range it.amounts {
		t.used[it.node][r] -= it.amounts[r]
		t.usedTotal[r] -= it.amounts[r]
	}
	return nil
}

var (
	nodeLimit = demand{cores: 64, memory: 1 << 30}
	quarter   = demand{cores: 0.25, memory: 1 << 20}
)

func trackerPairs[K comparable](t *tracker[K], own []K) {
	for i := 0; i < pairs; i++ {
		id := own[i%len(own)]
		if err := t.allocate(id, &quarter); err != nil {
			fail("%v", err)
		}
		if err := t.release(id); err != nil {
			fail("%v", err)
		}
	}
}

// Each thread has ids of its own; a number stands for a handle.
func together[K comparable](name func(thread, i int) K) func() float64 {
	t := newTracker[K](1, &nodeLimit)
	own := make([][]K, threads)
	for thread := range own {
		for i := 0; i < ids; i++ {
			own[thread] = append(own[thread], name(thread, i))
		}
	}
	return func() float64 {
		var join sync.WaitGroup
		start := time.Now()
		for thread := range own {
			join.Add(1)
			go func(thread int) {
				trackerPairs(t, own[thread])
				join.Done()
			}(thread)
		}
		join.Wait()
		took := nsSince(start) / float64(pairs*threads)
		if t.usedTotal != (amounts{}) || len(t.held) != 0 {
			fail("something is still held")
		}
		return took
	}
}

func byHandle() func() float64 {
	return together(func(thread, i int) uint64 { return uint64(thread)<<32 | uint64(i) })
}

func byID() func() float64 {
	return together(func(thread, i int) string { return "job-" + strconv.Itoa(thread) + "-" + strconv.Itoa(i) })
}

func runTracker(kind func() func() float64) {
	medianOf(kind())
}
