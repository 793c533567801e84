/* SPDX-License-Identifier: MIT */
/*
 * thread.c - thread numbers and RCU registration: what a thread gets on first use and gives back when it ends.
 *
 * Holds:     a bitmap of the numbers in use.
 * Invariant: T1  two living threads never have the same number. Nor has a child of fork() that of who forked, so it finds nothing
 *            that is the parent's to go on with: lanes, credits, hands.
 * Progress:  lock-free; the end of a thread is wait-free.
 */
#include "private/thread.h"

#include <pthread.h>

#include "private/atomics.h"
#include "private/rcu.h"

enum { BITS = 64, WORDS = THREADS_MAX / BITS };

_Thread_local uint32_t thread_index_plus_one;
_Thread_local uint64_t thread_serial;
_Thread_local int rcu_thread_registered;
#ifdef WEIR_TSAN
char rcu_tsan_period;
#endif

_Atomic(uint32_t) process_number;

static _Atomic(uint64_t) used[WORDS];
static _Atomic(uint64_t) serials;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

/* glibc runs key destructors in rounds; other libraries' destructors may still use weir in a later one, so we may be
 * armed again by them and run once more. */
static void thread_exit(void *armed)
{
	(void)armed;
	uint32_t index = thread_index_plus_one;
	thread_index_plus_one = 0;
	if (index && index <= THREADS_MAX) {
		index--;
		/* ORDER(thread_index): release, pairs with the acquire in thread_index_claim(): the next holder of
		 * the number sees what we left in the arrays it indexes. */
		at_and(&used[index / BITS], ~(UINT64_C(1) << index % BITS), release, thread_index);
	}
	if (rcu_thread_registered) {
		rcu_thread_registered = 0;
		urcu_memb_unregister_thread();
	}
}

/* The number stays in use there. */
static void now_a_child(void)
{
	thread_index_plus_one = 0;
	at_add(&process_number, 1, relaxed, none);
}

static void make_exit_key(void)
{
	(void)pthread_key_create(&exit_key, thread_exit);
	(void)pthread_atfork(NULL, NULL, now_a_child);
}

static void arm_exit(void)
{
	(void)pthread_once(&exit_once, make_exit_key);
	(void)pthread_setspecific(exit_key, &exit_key);
}

COLD uint32_t thread_index_claim(void)
{
	arm_exit();
	thread_serial = at_add(&serials, 1, relaxed, none) + 1;
	for (uint32_t word = 0; word < WORDS; word++) {
		uint64_t bits = at_load(&used[word], relaxed, none);
		while (~bits) {
			uint32_t bit = (uint32_t)__builtin_ctzll(~bits);
			/* ORDER(thread_index): acquire, pairs with the release in thread_exit(). */
			if (at_cas_weak(&used[word], &bits, bits | UINT64_C(1) << bit, acquire, relaxed,
					thread_index)) {
				thread_index_plus_one = word * BITS + bit + 1;
				return word * BITS + bit;
			}
		}
	}
	thread_index_plus_one = THREADS_MAX + 1;
	return THREADS_MAX;
}

COLD void rcu_thread_register(void)
{
	arm_exit();
	urcu_memb_register_thread();
	rcu_thread_registered = 1;
}
