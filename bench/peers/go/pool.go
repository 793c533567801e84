// SPDX-License-Identifier: MIT

// The usual pool: goroutines that receive from one channel. It ends when the channel is closed, which is how one waits for
// all that was sent.
package main

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	tasks      = 1000000
	tasksQuick = 250000
	batch      = 256
)

type job struct {
	fn       func(argument uintptr)
	argument uintptr
}

func empty(uintptr) {}

var counted atomic.Uint32

func countIt(uintptr) {
	counted.Add(1)
}

type pool[T any] struct {
	work chan T
	done sync.WaitGroup
}

func newPool[T any](workers int, room int, run func(T)) *pool[T] {
	p := &pool[T]{work: make(chan T, room)}
	p.done.Add(workers)
	for i := 0; i < workers; i++ {
		go func() {
			for it := range p.work {
				run(it)
			}
			p.done.Done()
		}()
	}
	return p
}

func (p *pool[T]) wait() {
	close(p.work)
	p.done.Wait()
}

func runJob(it job) {
	it.fn(it.argument)
}

func runJobs(them []job) {
	for _, it := range them {
		it.fn(it.argument)
	}
}

func tasksAtOnce() int {
	if quick {
		return tasksQuick
	}
	return tasks
}

func wave(producers int, fn func(uintptr)) float64 {
	each := tasksAtOnce() / producers
	p := newPool(threads, 1024, runJob)
	submit := func() {
		for i := 0; i < each; i++ {
			p.work <- job{fn, 0}
		}
	}
	var others sync.WaitGroup
	start := time.Now()
	for i := 1; i < producers; i++ {
		others.Add(1)
		go func() {
			submit()
			others.Done()
		}()
	}
	submit()
	others.Wait()
	p.wait()
	return nsSince(start) / float64(each*producers)
}

func checked(submit func(fn func(uintptr)) float64) {
	submit(countIt)
	if int(counted.Load()) != tasksAtOnce() {
		fail("%d tasks were submitted, %d ran", tasksAtOnce(), counted.Load())
	}
	medianOf(func() float64 { return submit(empty) })
}

func runWave(producers int) {
	checked(func(fn func(uintptr)) float64 { return wave(producers, fn) })
}

// A batch is a slice.
func runBatch() {
	checked(func(fn func(uintptr)) float64 {
		p := newPool(threads, 64, runJobs)
		start := time.Now()
		for sent := 0; sent < tasksAtOnce(); {
			size := batch
			if size > tasksAtOnce()-sent {
				size = tasksAtOnce() - sent
			}
			them := make([]job, size)
			for i := range them {
				them[i] = job{fn, 0}
			}
			p.work <- them
			sent += size
		}
		p.wait()
		return nsSince(start) / float64(tasksAtOnce())
	})
}

var (
	flag    atomic.Bool
	reply   = make(chan struct{}, 1)
	latency *pool[job]
)

func raise(uintptr) {
	flag.Store(true)
}

func answer(uintptr) {
	reply <- struct{}{}
}

// Submitter and worker hand each other the thread, which is what Go is good at.
func hot() float64 {
	start := time.Now()
	latency.work <- job{answer, 0}
	<-reply
	return nsSince(start) / 1000
}

func parked() float64 {
	time.Sleep(time.Millisecond)
	return hot()
}

func parkedSpin() float64 {
	for begin := time.Now(); nsSince(begin) < 1e6; {
	}
	start := time.Now()
	flag.Store(false)
	latency.work <- job{raise, 0}
	for !flag.Load() {
	}
	return nsSince(start) / 1000
}

func runLatency(once func() float64, seconds float64) {
	latency = newPool(threads, 1024, runJob)
	for i := 0; i < 20; i++ {
		once()
	}
	if quick {
		seconds /= 4
	}
	repeat(once, seconds)
	row(quantile(0.5), "us median")
	row(quantile(0.99), "us p99")
	latency.wait()
}

func residentBytes() float64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		fail("%v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		fail("%v", err)
	}
	return float64(pages) * float64(os.Getpagesize())
}

func runQueuedBytes() {
	p := newPool(threads, tasks, runJob)
	gate := make(chan struct{})
	atGate := make(chan struct{})
	for i := 0; i < threads; i++ {
		p.work <- job{func(uintptr) { atGate <- struct{}{}; <-gate }, 0}
	}
	for i := 0; i < threads; i++ {
		<-atGate
	}
	before := residentBytes()
	for i := 0; i < tasks; i++ {
		p.work <- job{countIt, 0}
	}
	after := residentBytes()
	close(gate)
	p.wait()
	if counted.Load() != tasks {
		fail("%d tasks were queued, %d ran", tasks, counted.Load())
	}
	row((after-before)/tasks, "bytes")
}
