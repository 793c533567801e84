// SPDX-License-Identifier: MIT

// The Go program: goroutines with a WaitGroup, a pool on a channel, a tracker behind an RWMutex. It speaks the protocol of
// ../../peer.h, with the sizes, repetitions and checks of ../../peer_main.c; the tree is that of ../../tree.h.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"
)

var (
	workload string
	threads  int
	quick    bool
	samples  []float64
)

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "go, %s: %s\n", workload, fmt.Sprintf(format, values...))
	os.Exit(1)
}

func row(value float64, unit string) {
	fmt.Printf("{\"workload\":\"%s\",\"peer\":\"go\",\"threads\":%d,\"value\":%.5g,\"unit\":\"%s\"}\n", workload, threads,
		value, unit)
}

func nsSince(start time.Time) float64 {
	return float64(time.Since(start).Nanoseconds())
}

func repeat(once func() float64, seconds float64) {
	start := time.Now()
	for {
		samples = append(samples, once())
		if nsSince(start) > seconds*1e9 {
			return
		}
	}
}

func quantile(q float64) float64 {
	sort.Float64s(samples)
	return samples[int(q*float64(len(samples)-1)+0.5)]
}

func medianOf(once func() float64) {
	once()
	if quick {
		repeat(once, 0.05)
	} else {
		repeat(once, 0.2)
	}
	row(quantile(0.5), "ns")
}

var workloads = []struct {
	name    string
	threads string
	run     func()
}{
	{"fib", "1,2", runFib},
	{"uts", "1,2", runTree},
	{"pfor_grain1", "1,2", runLoopGrain1},
	{"pfor_auto", "1,2", runLoopAuto},
	{"submit_1p", "1,2", func() { runWave(1) }},
	{"submit_2p", "1,2", func() { runWave(2) }},
	{"submit_batch", "1,2", runBatch},
	{"latency_hot", "1,2", func() { runLatency(hot, 0.2) }},
	{"latency_parked", "1,2", func() { runLatency(parked, 0.4) }},
	{"latency_parked_spin", "1,2", func() { runLatency(parkedSpin, 0.4) }},
	{"queued_bytes", "1,2", runQueuedBytes},
	{"tracker_1t", "1", func() { runTracker(byHandle) }},
	{"tracker_2t", "2", func() { runTracker(byHandle) }},
	{"tracker_8t", "8", func() { runTracker(byHandle) }},
	{"tracker_id_1t", "1", func() { runTracker(byID) }},
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "list" {
		for _, w := range workloads {
			fmt.Println(w.name, w.threads)
		}
		return
	}
	quick = len(os.Args) == 5 && os.Args[4] == "quick"
	if (len(os.Args) == 4 || quick) && os.Args[1] == "run" {
		count, err := strconv.Atoi(os.Args[3])
		for _, w := range workloads {
			if w.name == os.Args[2] && err == nil && count > 0 && count <= 1024 {
				workload, threads = w.name, count
				w.run()
				return
			}
		}
	}
	fmt.Fprintf(os.Stderr, "usage: %s list | run WORKLOAD THREADS [quick]\n", os.Args[0])
	os.Exit(2)
}

// For what has no submitter outside: so many threads run Go code at once.
func onThreads() {
	runtime.GOMAXPROCS(threads)
}
