/* SPDX-License-Identifier: MIT */
/*
 * thread.h - a small dense number for each living thread, so that per-thread arrays need neither locks nor TLS of their
 * own.
 *
 * A number is exclusive to its thread while the thread lives and is handed on afterwards: the next holder sees all that
 * the last one wrote (edge thread_index). THREADS_MAX and above mean "no number left": such a thread uses the shared
 * path.
 */
#ifndef WEIR_PRIVATE_THREAD_H
#define WEIR_PRIVATE_THREAD_H

#include <stdint.h>

#include "private/atomics.h"
#include "private/compiler.h"

#define THREADS_MAX 1024u

/* Initial-exec: one instruction in the shared library too, rather than a call; its few bytes fit what the loader keeps
 * for libraries that are loaded late. */
extern _Thread_local uint32_t thread_index_plus_one __attribute__((tls_model("initial-exec")));
/* Which one it is of all threads that ever got a number, from 1 on; 0: it has none. */
extern _Thread_local uint64_t thread_serial __attribute__((tls_model("initial-exec")));

/* Another one in a child of fork() than in its parent: what threads serve stayed with them there. Read-mostly. */
extern _Atomic(uint32_t) process_number;

uint32_t thread_index_claim(void);

static ALWAYS_INLINE uint32_t thread_index(void)
{
	uint32_t known = thread_index_plus_one;
	return likely(known) ? known - 1 : thread_index_claim();
}

#endif
