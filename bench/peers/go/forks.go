// SPDX-License-Identifier: MIT

// Fork-join and loops: a goroutine for each task, joined by a WaitGroup.
package main

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	fibN         = 25
	treeDepth    = 10
	treeChildren = 24
	treeSeed     = 16
	treeNodes    = 2146237
	loopLength   = 1 << 22
	loopSample   = 67
)

func fib(n int) uint64 {
	if n < 2 {
		return uint64(n)
	}
	var a uint64
	var join sync.WaitGroup
	join.Add(1)
	go func() {
		a = fib(n - 1)
		join.Done()
	}()
	b := fib(n - 2)
	join.Wait()
	return a + b
}

func fibByHand(n int) uint64 {
	a, b := uint64(0), uint64(1)
	for ; n > 0; n-- {
		a, b = b, a+b
	}
	return a
}

func runFib() {
	onThreads()
	medianOf(func() float64 {
		start := time.Now()
		found := fib(fibN)
		took := nsSince(start)
		if found != fibByHand(fibN) {
			fail("fib(%d) is %d, not %d", fibN, fibByHand(fibN), found)
		}
		return took / float64(fibByHand(fibN+1)-1)
	})
}

var childrenOf [256]uint8

func treeMake() {
	left := uint32(256 << 16)
	for k := 1; k <= treeChildren; k++ {
		left = left / 5 * 4
		for b := uint32(0); b < (left+1<<15)>>16; b++ {
			childrenOf[b] = uint8(k)
		}
	}
}

func treeChild(state uint64, i int) uint64 {
	z := state + (uint64(i)+1)*0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

func count(state uint64, depth int) uint64 {
	if depth >= treeDepth {
		return 1
	}
	children := int(childrenOf[state>>56])
	if children == 0 {
		return 1
	}
	below := make([]uint64, children)
	var join sync.WaitGroup
	join.Add(children)
	for i := 0; i < children; i++ {
		go func(i int) {
			below[i] = count(treeChild(state, i), depth+1)
			join.Done()
		}(i)
	}
	join.Wait()
	nodes := uint64(1)
	for _, n := range below {
		nodes += n
	}
	return nodes
}

func runTree() {
	onThreads()
	treeMake()
	medianOf(func() float64 {
		start := time.Now()
		found := count(treeChild(treeSeed, 0), 0)
		took := nsSince(start)
		if found != treeNodes {
			fail("the tree has %d nodes, not %d", treeNodes, found)
		}
		return took / treeNodes
	})
}

func step(x uint32, i int) uint32 {
	x += uint32(i)
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	return x * 9
}

// The compiler does not vectorise, so this is no measure of the loop's body: of what is around it only.
func steps(array []uint32, begin int) {
	for i := range array {
		array[i] = step(array[i], begin+i)
	}
}

func loopPieces(array []uint32, piece int) {
	var join sync.WaitGroup
	for begin := 0; begin < len(array); begin += piece {
		end := begin + piece
		if end > len(array) {
			end = len(array)
		}
		join.Add(1)
		go func(begin int) {
			steps(array[begin:end], begin)
			join.Done()
		}(begin)
	}
	join.Wait()
}

func runLoop(loop func(array []uint32)) {
	onThreads()
	array := make([]uint32, loopLength)
	passes := 0
	once := func() float64 {
		passes++
		start := time.Now()
		loop(array)
		return nsSince(start) / loopLength
	}
	check := func(apart int) {
		for i := 0; i < loopLength; i += apart {
			x := uint32(0)
			for pass := 0; pass < passes; pass++ {
				x = step(x, i)
			}
			if x != array[i] {
				fail("element %d is wrong after %d passes", i, passes)
			}
		}
	}
	once()
	check(1)
	medianOf(once)
	check(loopSample)
}

// One after the other by a counter that all share.
func loopByCounter(array []uint32) {
	var next atomic.Int64
	var join sync.WaitGroup
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(array) {
				return
			}
			array[i] = step(array[i], i)
		}
	}
	for t := 1; t < threads; t++ {
		join.Add(1)
		go func() {
			work()
			join.Done()
		}()
	}
	work()
	join.Wait()
}

func runLoopGrain1() {
	runLoop(loopByCounter)
}

func runLoopAuto() {
	runLoop(func(array []uint32) { loopPieces(array, (len(array)+threads-1)/threads) })
}
