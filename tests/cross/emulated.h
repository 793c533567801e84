/* SPDX-License-Identifier: MIT */
/*
 * emulated.h - put before each source that is built to run in qemu's user emulation.
 *
 * A sequentially consistent store is STLR on aarch64, the load LDAR, and a processor never makes such a load before such a store is seen.
 * qemu 7.2 on x86-64 puts its barriers before STLR and behind LDAR, and none in between: the store waits in the host's
 * buffer while the load is made, and two threads that announce and look again miss each other (tests/order_test.c). An
 * exchange is a barrier there. gcc only.
 */
#ifndef TESTS_CROSS_EMULATED_H
#define TESTS_CROSS_EMULATED_H

#include <stdatomic.h>

#undef atomic_store_explicit
#define atomic_store_explicit(object, value, order)                                        \
	((order) == memory_order_seq_cst                                                   \
		 ? (void)atomic_exchange_explicit((object), (value), memory_order_seq_cst) \
		 : __atomic_store_n((object), (value),                                     \
				    (order) == memory_order_release ? memory_order_release : memory_order_relaxed))

#endif
