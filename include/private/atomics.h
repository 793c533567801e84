/* SPDX-License-Identifier: MIT */
/*
 * atomics.h - the only home of atomic operations.
 *
 * Each operation names its memory order and its edge: the word under which docs/memory-order.md argues why the order is
 * enough and which operation stands at the other end. The edge `none` is for relaxed operations that order nothing:
 * counters, hints, and values that a later operation checks.
 */
#ifndef WEIR_PRIVATE_ATOMICS_H
#define WEIR_PRIVATE_ATOMICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AT_ORDER_(order, edge) memory_order_##order

#define at_init(object, value) atomic_init((object), (value))
#define at_load(object, order, edge) atomic_load_explicit((object), AT_ORDER_(order, edge))
#define at_store(object, value, order, edge) atomic_store_explicit((object), (value), AT_ORDER_(order, edge))
#define at_swap(object, value, order, edge) atomic_exchange_explicit((object), (value), AT_ORDER_(order, edge))
#define at_add(object, value, order, edge) atomic_fetch_add_explicit((object), (value), AT_ORDER_(order, edge))
#define at_sub(object, value, order, edge) atomic_fetch_sub_explicit((object), (value), AT_ORDER_(order, edge))
#define at_or(object, value, order, edge) atomic_fetch_or_explicit((object), (value), AT_ORDER_(order, edge))
#define at_and(object, value, order, edge) atomic_fetch_and_explicit((object), (value), AT_ORDER_(order, edge))

/* Failure order is given apart: what a failed exchange read is usually only tried again. */
#define at_cas(object, expected, desired, order, failure, edge)                                          \
	atomic_compare_exchange_strong_explicit((object), (expected), (desired), AT_ORDER_(order, edge), \
						AT_ORDER_(failure, edge))
#define at_cas_weak(object, expected, desired, order, failure, edge)                                   \
	atomic_compare_exchange_weak_explicit((object), (expected), (desired), AT_ORDER_(order, edge), \
					      AT_ORDER_(failure, edge))

/* Keeps the compiler alone from moving accesses across: see membarrier.h. */
#define at_signal_fence() atomic_signal_fence(memory_order_seq_cst)

/* In a spin loop: tells the core that nothing useful happens here. */
static inline void at_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

#endif
