/* SPDX-License-Identifier: MIT */
/*
 * rcu.h - the only home of RCU: liburcu's memb flavour, with registration on first use and edges that ThreadSanitizer
 * sees.
 *
 * ThreadSanitizer does not see liburcu's inline assembly. A grace period orders all that was done in a read-side
 * section which began before it, before what follows it: rcu_leave() releases and rcu_synchronize() acquires one
 * object.
 */
#ifndef WEIR_PRIVATE_RCU_H
#define WEIR_PRIVATE_RCU_H

#define URCU_API_MAP
#include <urcu/urcu-memb.h>

#include "private/atomics.h"
#include "private/compiler.h"

extern _Thread_local int rcu_thread_registered;

/* Register the calling thread; it is unregistered when it ends. */
void rcu_thread_register(void);

#ifdef WEIR_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
extern char rcu_tsan_period;
#define RCU_TSAN_RELEASE() __tsan_release(&rcu_tsan_period)
#define RCU_TSAN_ACQUIRE() __tsan_acquire(&rcu_tsan_period)
#else
#define RCU_TSAN_RELEASE() ((void)0)
#define RCU_TSAN_ACQUIRE() ((void)0)
#endif

static inline void rcu_enter(void)
{
	if (unlikely(!rcu_thread_registered))
		rcu_thread_register();
	urcu_memb_read_lock();
}

static inline void rcu_leave(void)
{
	RCU_TSAN_RELEASE();
	urcu_memb_read_unlock();
}

/* Wait until every section that is now open is closed. Never inside one. */
static inline void rcu_synchronize_all(void)
{
	if (unlikely(!rcu_thread_registered))
		rcu_thread_register();
	urcu_memb_synchronize_rcu();
	RCU_TSAN_ACQUIRE();
}

#endif
