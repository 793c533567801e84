/* SPDX-License-Identifier: MIT */
/*
 * park.c - the futex under ck_ec, and picking an idle worker. The protocol is argued in park.h.
 *
 * libck.so and ck_ec's inline assembly are invisible to ThreadSanitizer; `wakes` carries the happens-before that they
 * give: it is counted before the event count and read after it.
 */
#include "runtime/park.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/clock.h>

#include "private/error.h"

static int now(const struct ck_ec_ops *ops, struct timespec *out)
{
	(void)ops;
	uint64_t ns = weir_clock_monotonic_ns();
	out->tv_sec = (time_t)(ns / WEIR_NS_PER_S);
	out->tv_nsec = (long)(ns % WEIR_NS_PER_S);
	return 0;
}

/* Absolute deadline on CLOCK_MONOTONIC, as FUTEX_WAIT_BITSET has it. May return early; ck_ec looks again. */
static void wait32(const struct ck_ec_wait_state *state, const uint32_t *word, uint32_t expected,
		   const struct timespec *deadline)
{
	(void)state;
	syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void wake32(const struct ck_ec_ops *ops, const uint32_t *word)
{
	(void)ops;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static const struct ck_ec_ops ops = {.gettime = now, .wait32 = wait32, .wake32 = wake32};
static const struct ck_ec_mode mode = {.ops = &ops, .single_producer = false};

void park_init(struct park *p)
{
	ck_ec_init(&p->count, 0);
	at_init(&p->wakes, 0);
}

void park_wait(struct park *p, uint32_t ticket, uint64_t timeout_ns)
{
	struct timespec deadline;
	if (timeout_ns) {
		uint64_t start = weir_clock_monotonic_ns();
		uint64_t end = start + timeout_ns < start ? UINT64_MAX : start + timeout_ns;
		deadline.tv_sec = (time_t)(end / WEIR_NS_PER_S);
		deadline.tv_nsec = (long)(end % WEIR_NS_PER_S);
	}
	ck_ec_wait(&p->count, &mode, ticket, timeout_ns ? &deadline : NULL);
	/* ORDER(park): acquire, pairs with the release in park_wake(): the woken sees what the waker wrote before. */
	(void)at_load(&p->wakes, acquire, park);
}

void park_wake(struct park *p)
{
	/* ORDER(park): release, pairs with the acquire in park_wait(); the increment below is a full barrier. */
	at_add(&p->wakes, 1, release, park);
	ck_ec_inc(&p->count, &mode);
}

weir_status idlers_init(struct idlers *s, uint32_t capacity)
{
	uint32_t words = capacity / 64 + (capacity % 64 != 0);
	size_t bytes = ((size_t)words * sizeof(uint64_t) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	s->words = words;
	at_init(&s->announced, 0);
	s->word = aligned_alloc(CACHE_LINE, bytes ? bytes : CACHE_LINE);
	if (!s->word)
		return error_set(WEIR_ENOMEM, "no memory for a set of %u idle workers", capacity);
	for (uint32_t w = 0; w < words; w++)
		at_init(&s->word[w], 0);
	return WEIR_OK;
}

void idlers_fini(struct idlers *s)
{
	free(s->word);
	s->word = NULL;
	s->words = 0;
}

static int pick(struct idlers *s, uint32_t but_word, uint64_t but_bit)
{
	for (uint32_t w = 0; w < s->words; w++) {
		/* ORDER(announce): seq_cst, C of the argument in park.h. */
		uint64_t set = at_load(&s->word[w], seq_cst, announce);
		uint64_t but = w == but_word ? but_bit : 0;
		while (set & ~but) {
			uint64_t bit = (set & ~but) & -(set & ~but);
			/* ORDER(announce): acq_rel, pairs with the announce: the ticket was read before it. Release
			 * hands on to the member's next announce, and one of two pickers sees the bit set (P2). */
			set = at_and(&s->word[w], ~bit, acq_rel, announce);
			if (!(set & bit))
				continue;
			at_sub(&s->announced, 1, relaxed, none);
			return (int)(w * 64 + (uint32_t)__builtin_ctzll(bit));
		}
	}
	return -1;
}

int idlers_pick(struct idlers *s)
{
	return pick(s, UINT32_MAX, 0);
}

int idlers_pick_but(struct idlers *s, uint32_t i)
{
	int picked = pick(s, i / 64, UINT64_C(1) << i % 64);
	return picked >= 0 ? picked : idlers_pick(s);
}
