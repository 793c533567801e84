/* SPDX-License-Identifier: MIT */
/*
 * breaker.h - circuit breakers: who asks for what has kept failing is told so at once.
 *
 * Pure: no clock, no thread, no ledger; the caller brings the time. Everything may be called at the same time.
 */
#ifndef WEIR_RUNTIME_BREAKER_H
#define WEIR_RUNTIME_BREAKER_H

#include <weir/policy.h>

#include "private/atomics.h"
#include "private/compiler.h"
#include "runtime/limits.h"

enum {
	BREAKER_WINDOWS_MAX = 16,
	BREAKER_PROBES_MAX = 8,
	BREAKER_SHAPES = 256, /* cells of their own; then one for each class */
	BREAKER_CELLS = BREAKER_SHAPES + WEIR_CLASSES,
	BREAKER_STEPS_MAX = 16 /* from where a shape's key points to, before it shares its class's cell */
};

/* One class and shape. Each word is read and changed alone; the generation in `state` says which probes are of now. */
struct breaker_cell {
	CACHE_ALIGNED _Atomic(uint64_t) state;	       /* state 2, exponent 5, generation 11, tick 46 */
	_Atomic(uint32_t) key;			       /* 0: free */
	_Atomic(uint64_t) probe[BREAKER_PROBES_MAX];   /* generation 11, probe state 2, tick 46 */
	_Atomic(uint64_t) window[BREAKER_WINDOWS_MAX]; /* number 24, outcomes 20, exhausted 20 */
};

struct breaker {
	weir_breaker_options options; /* resolved */
	uint64_t origin_ns;
	_Atomic(uint32_t) mode[WEIR_CLASSES];
	_Atomic(uint64_t) refused[WEIR_CLASSES];
	_Atomic(uint64_t) would_refuse[WEIR_CLASSES];
	_Atomic(uint64_t) opened, half_opened, closed;
	struct breaker_cell cell[BREAKER_CELLS];
};

enum breaker_answer { BREAKER_PASS, BREAKER_REFUSE };

/* Checked, and filled in. given may be NULL. Errors: WEIR_EINVAL: the text names the option. */
weir_status breaker_resolve(weir_breaker_options *out, const weir_breaker_options *given);

/* options: resolved. All classes are OFF. */
void breaker_init(struct breaker *breaker, const weir_breaker_options *options, uint64_t now_ns);

/* Class and shape in one number, never 0. */
uint32_t breaker_key(weir_class task_class, struct packed units);

/* OFF forgets: the class's cells are closed and empty. */
void breaker_set(struct breaker *breaker, weir_class task_class, weir_breaker_mode mode, uint64_t now_ns);

/* May a demand of this key go on? *probe: not 0: it does so as a probe, whose fate must be told by one of the three calls
 * below. *retry_after_ns is set with REFUSE. */
enum breaker_answer breaker_ask(struct breaker *breaker, uint32_t key, uint64_t now_ns, uint32_t *probe,
				uint64_t *retry_after_ns);

/* The probe has its room: from now on its lease cannot run out against it. */
void breaker_granted(struct breaker *breaker, uint32_t probe);

/* The probe was cancelled, or is refused for reasons of its own: another may go in its stead. */
void breaker_dropped(struct breaker *breaker, uint32_t probe);

/* How a demand ended. probe: 0: it was none. */
void breaker_ended(struct breaker *breaker, uint32_t key, uint32_t probe, bool exhausted, uint64_t now_ns);

/* Of a key; out->size is the caller's. */
void breaker_look(struct breaker *breaker, uint32_t key, uint64_t now_ns, weir_breaker_view *out);

#endif
