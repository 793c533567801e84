/* SPDX-License-Identifier: MIT */
/*
 * large_test.c - blocks of whole pages: apart, and what free ones hold is known.
 * Covers E4, E6: what is counted as kept is what the kernel has; it fails where a block that is taken again, for another size
 * too, is counted or purged wrongly.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/large.h"
#include "private/clock.h"

enum { MIB = 1 << 20, PAGE_SLACK = 8192 };

static weir_machine *machine;

static int make_machine(void **state)
{
	(void)state;
	return weir_machine_create(&machine, "numa:1 core:1 pu:1");
}

static int destroy_machine(void **state)
{
	(void)state;
	weir_machine_destroy(machine);
	return 0;
}

static struct large *made(bool huge)
{
	struct large *l = aligned_alloc(CACHE_LINE, (sizeof(*l) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	assert_non_null(l);
	large_init(l, machine, 0, false);
	large_keep(l);
	l->huge &= huge;
	return l;
}

static void unmake(struct large *l)
{
	large_fini(l);
	free(l);
}

static unsigned char *filled(struct large *l, size_t bytes)
{
	unsigned char *block = large_alloc(l, bytes);
	assert_non_null(block);
	memset(block, 1, bytes);
	return block;
}

/* Taken again for less, the rest stays kept; for more, all is used: with huge pages and without. */
static void a_block_that_is_taken_again_has_the_memory_that_it_had(void **state)
{
	(void)state;
	static const struct {
		size_t first, second;
	} cases[] = {{9 * MIB, 7 * MIB + 4096}, {7 * MIB + 4096, 8 * MIB - 5000},	  {3 * MIB, 2 * MIB},
		     {100000, 70000},		{40 * MIB + 1000000, 40 * MIB + 2000000}, {8 * MIB, 8 * MIB}};
	for (int huge = 0; huge < 2; huge++)
		for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
			struct large *l = made(huge);
			size_t first = cases[i].first, second = cases[i].second;
			large_free(l, filled(l, first));
			assert_in_range(large_kept(l), first, first + PAGE_SLACK);
			unsigned char *block = filled(l, second);
			/* Head and body are apart: of two sizes, each may have more of one. */
			size_t rest = first > second ? first - second : 0;
			assert_in_range(large_kept(l) + PAGE_SLACK, rest,
					rest + PAGE_SLACK + PAGE_SLACK + (huge ? 2 * MIB : 0));
			large_free(l, block);
			size_t most = first > second ? first : second;
			assert_in_range(large_kept(l), most, most + PAGE_SLACK + (huge ? 2 * MIB : 0));
			large_purge(l, 0);
			assert_int_equal(large_kept(l), 0);
			unmake(l);
		}
}

/* As many bytes as are too many, to a page, or to a huge one. What is in use keeps its bytes. */
static void a_purge_takes_what_it_is_told_to(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("a_purge_takes_what_it_is_told_to");
	for (int round = 0; round < 16; round++) {
		struct large *l = made(round % 2);
		for (int i = 0; i < 6; i++) {
			unsigned char *block = filled(l, 40000 + fixture_random(&random) % (6 * MIB));
			large_free(l, block);
		}
		size_t bytes = 40000 + fixture_random(&random) % (6 * MIB);
		unsigned char *used = filled(l, bytes);
		for (uint64_t kept; (kept = large_kept(l)) > 0;) {
			uint64_t most = kept - (1 + fixture_random(&random) % kept);
			large_purge(l, most);
			assert_in_range(large_kept(l), most > 2 * MIB ? most - 2 * MIB : 0, most);
		}
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(used[i], 1);
		unmake(l);
	}
}

struct held {
	unsigned char *block;
	size_t bytes;
	unsigned char mark;
};

/* E4: any order of taking, giving and purging; memory that the kernel counts is what is used and kept. */
static void what_is_kept_is_what_the_kernel_counts(void **state)
{
	(void)state;
	enum { BLOCKS = 12, SLACK = 8 * MIB };
	uint64_t random = fixture_seed("what_is_kept_is_what_the_kernel_counts");
	static struct held held[BLOCKS];
	struct large *l = made(true);
	long before = fixture_resident_bytes();
	uint64_t used = 0;
	for (int step = 0; step < 250; step++) {
		struct held *h = &held[fixture_random(&random) % BLOCKS];
		if (h->block) {
			assert_int_equal(h->block[0], h->mark);
			assert_int_equal(h->block[h->bytes / 2], h->mark);
			assert_int_equal(h->block[h->bytes - 1], h->mark);
			large_free(l, h->block);
			used -= h->bytes;
			h->block = NULL;
		} else {
			h->bytes = (size_t)40000 << fixture_random(&random) % 8;
			h->bytes += fixture_random(&random) % h->bytes;
			h->mark = (unsigned char)step;
			h->block = large_alloc(l, h->bytes);
			assert_non_null(h->block);
			memset(h->block, h->mark, h->bytes);
			used += h->bytes;
		}
		if (step % 5 == 0)
			large_purge(l, fixture_random(&random) % (40 * MIB));
		long more = fixture_resident_bytes() - before, counted = (long)(used + large_kept(l));
		if (!FIXTURE_SANITIZED && (more > counted + SLACK || more < counted - SLACK))
			fail_msg("step %d: the kernel counts %ld KiB more than before, we %ld", step, more >> 10,
				 counted >> 10);
	}
	memset(held, 0, sizeof(held));
	unmake(l);
}

/* Nobody tells it to purge: what was not needed for a while goes, and no more. */
static void without_a_keeper_what_is_not_needed_decays(void **state)
{
	(void)state;
	struct large *l = made(false);
	l->decays = true;
	unsigned char *a = filled(l, MIB), *b = filled(l, 10 * MIB);
	large_free(l, b);
	for (int turn = 0; turn < 3; turn++) {
		assert_true(turn == 2 ? large_kept(l) < MIB : large_kept(l) >= 10 * MIB);
		at_store(&l->decay_ns, 0, relaxed, none); /* long ago */
		large_free(l, a);
		a = filled(l, MIB);
	}
	unmake(l);
}

struct crowd {
	struct large *l;
	_Atomic(bool) stop;
	_Atomic(uint32_t) wrong;
	_Atomic(uint32_t) numbers;
};

static void *take_and_give(void *argument)
{
	struct crowd *crowd = argument;
	uint32_t number = at_add(&crowd->numbers, 1, relaxed, none) + 1;
	uint64_t random = number * UINT64_C(0x9e3779b97f4a7c15);
	for (int i = 0; i < 600; i++) {
		size_t bytes = (size_t)40000 << fixture_random(&random) % 8;
		unsigned char *block = large_alloc(crowd->l, bytes);
		for (size_t at = 0; block && at < bytes; at += 4096)
			block[at] = (unsigned char)number;
		for (size_t at = 0; block && at < bytes; at += 4096)
			if (block[at] != (unsigned char)number)
				at_add(&crowd->wrong, 1, relaxed, none);
		if (block)
			large_free(crowd->l, block);
	}
	return NULL;
}

static void *purge_on_and_on(void *argument)
{
	struct crowd *crowd = argument;
	uint64_t random = 5;
	while (!at_load(&crowd->stop, relaxed, none))
		large_purge(crowd->l, fixture_random(&random) % (8 * MIB));
	return NULL;
}

/* Nobody finds another's bytes in his block, or zeros of a purge; and the sum comes out even. */
static void blocks_in_use_are_left_alone_by_others(void **state)
{
	(void)state;
	enum { THREADS = 4 };
	struct crowd crowd = {.l = made(true)};
	pthread_t thread[THREADS], purger;
	assert_int_equal(pthread_create(&purger, NULL, purge_on_and_on, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_and_give, &crowd), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	at_store(&crowd.stop, true, relaxed, none);
	pthread_join(purger, NULL);
	assert_int_equal(at_load(&crowd.wrong, relaxed, none), 0);
	large_purge(crowd.l, 0);
	assert_int_equal(large_kept(crowd.l), 0);
	unmake(crowd.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_that_is_taken_again_has_the_memory_that_it_had),
		cmocka_unit_test(a_purge_takes_what_it_is_told_to),
		cmocka_unit_test(what_is_kept_is_what_the_kernel_counts),
		cmocka_unit_test(without_a_keeper_what_is_not_needed_decays),
		cmocka_unit_test(blocks_in_use_are_left_alone_by_others),
	};
	return cmocka_run_group_tests(tests, make_machine, destroy_machine);
}
