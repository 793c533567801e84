/* SPDX-License-Identifier: MIT */
/*
 * slots_flat_test.c - slots in one range of addresses: reserved as a whole, and charged as slots are made.
 * Covers S1, S2 of flat slots. It failed where a pool for a million tasks was charged 847 MB in a kernel that overcommits nothing. This
 * program's own mprotect() stands between.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/slots.h"

enum { SIZE = 256, LIVE_MAX = 1 << 20, SEGMENT_BYTES = SLOTS_SEGMENT * SIZE };

static _Atomic(bool) host_refuses;

int mprotect(void *start, size_t bytes, int protection)
{
	if (at_load(&host_refuses, relaxed, none)) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_mprotect, start, bytes, protection);
}

/* Bytes of these slots that may be written, and in how many mappings. */
static size_t writable(struct slots *slots, int *mappings)
{
	uintptr_t base = (uintptr_t)slots_base(slots), end = base + slots->flat_bytes;
	FILE *file = fopen("/proc/self/maps", "r");
	assert_non_null(file);
	char line[4096], access[8];
	unsigned long from, to;
	size_t sum = 0;
	*mappings = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, access) != 3 || to <= base || from >= end ||
		    access[1] != 'w')
			continue;
		sum += (to < end ? to : end) - (from > base ? from : base);
		++*mappings;
	}
	fclose(file);
	return sum;
}

static void what_has_no_slots_yet_is_not_charged(void **state)
{
	(void)state;
	enum { SLOTS = 5000 };
	static uint32_t number[SLOTS];
	struct slots *slots;
	int mappings;
	assert_int_equal(slots_create_flat(&slots, LIVE_MAX, SIZE), WEIR_OK);
	assert_int_equal(writable(slots, &mappings), 0);
	for (uint32_t i = 0; i < SLOTS; i++) {
		number[i] = slots_get(slots);
		assert_true(number[i] < slots_made(slots));
		unsigned char *slot = (unsigned char *)slots_base(slots) + (size_t)number[i] * SIZE;
		assert_ptr_equal(slot, slots_at(slots, number[i], slots->slot_shift));
		assert_int_equal(slot[SIZE - 1], 0);
		slot[SIZE - 1] = 1;
	}
	size_t segments = (slots_made(slots) + SLOTS_SEGMENT - 1) / SLOTS_SEGMENT;
	assert_int_equal(writable(slots, &mappings), segments * SEGMENT_BYTES);
	assert_int_equal(mappings, 1);
	for (uint32_t i = 0; i < SLOTS; i++)
		slots_put(slots, number[i]);
	assert_int_equal(slots_count(slots), 0);
	slots_destroy(slots);
}

/* Nobody is ended, none of the numbers is lost, and all is well when there is memory again. */
static void who_is_refused_a_segment_gets_no_slot_and_later_one(void **state)
{
	(void)state;
	struct slots *slots;
	assert_int_equal(slots_create_flat(&slots, LIVE_MAX, SIZE), WEIR_OK);
	at_store(&host_refuses, true, relaxed, none);
	assert_int_equal(slots_get(slots), SLOTS_NONE);
	assert_int_equal(slots_count(slots), 0);
	at_store(&host_refuses, false, relaxed, none);
	for (uint32_t i = 0; i < SLOTS_SEGMENT; i++)
		assert_true(slots_get(slots) < SLOTS_SEGMENT);
	at_store(&host_refuses, true, relaxed, none);
	assert_int_equal(slots_get(slots), SLOTS_NONE);
	assert_int_equal(slots_count(slots), SLOTS_SEGMENT);
	at_store(&host_refuses, false, relaxed, none);
	assert_int_equal(slots_get(slots) >> SLOTS_SEGMENT_BITS, 1);
	slots_destroy(slots);
}

static uint32_t at_hand(struct slot_cache *cache)
{
	return (uint32_t)at_load(&cache->state, relaxed, none);
}

/* Who put and got by turns where the next put would spill fetched all that a spill writes to each time: 600 instructions a put. */
static void what_a_spill_writes_to_is_fetched_once(void **state)
{
	(void)state;
	enum { SLOTS = 2 * SLOTS_CACHE_MAX };
	uint32_t number[SLOTS], next = 0;
	struct slots *slots;
	assert_int_equal(slots_create_flat(&slots, LIVE_MAX, SIZE), WEIR_OK);
	for (uint32_t i = 0; i < SLOTS; i++)
		number[i] = slots_get(slots);
	struct slot_cache *cache = slots_cache(slots);
	while (at_hand(cache) < slots->cache_max) {
		assert_false(cache->fetched);
		slots_put(slots, number[next++]);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(cache->fetched);
		uint32_t slot = slots_get(slots);
		slots_put(slots, slot);
	}
	slots_put(slots, number[next++]);
	assert_false(cache->fetched);
	assert_true(at_hand(cache) < slots->cache_max);
	while (at_hand(cache) < slots->cache_max)
		slots_put(slots, number[next++]);
	assert_true(cache->fetched);
	while (at_hand(cache))
		(void)slots_get(slots);
	assert_true(cache->fetched);
	(void)slots_get(slots);
	assert_false(cache->fetched);
	slots_destroy(slots);
}

static void *use_slots(void *argument)
{
	struct slots *slots = argument;
	uintptr_t wrong = 0;
	for (uint32_t i = 0; i < 3 * SLOTS_SEGMENT; i++) {
		uint32_t number = slots_get(slots);
		_Atomic(uint32_t) *word =
			(_Atomic(uint32_t) *)(void *)((char *)slots_base(slots) + (size_t)number * SIZE + SIZE / 2);
		wrong += at_add(word, 1, relaxed, none) != 0;
	}
	return (void *)wrong;
}

/* S1: several threads open the same segment at once. */
static void threads_that_open_a_segment_together_have_slots_of_their_own(void **state)
{
	(void)state;
	enum { THREADS = 4 };
	pthread_t thread[THREADS];
	struct slots *slots;
	assert_int_equal(slots_create_flat(&slots, LIVE_MAX, SIZE), WEIR_OK);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, use_slots, slots), 0);
	for (int i = 0; i < THREADS; i++) {
		void *wrong;
		pthread_join(thread[i], &wrong);
		assert_null(wrong);
	}
	assert_int_equal(slots_count(slots), THREADS * 3 * SLOTS_SEGMENT);
	slots_destroy(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_slots_yet_is_not_charged),
		cmocka_unit_test(who_is_refused_a_segment_gets_no_slot_and_later_one),
		cmocka_unit_test(what_a_spill_writes_to_is_fetched_once),
		cmocka_unit_test(threads_that_open_a_segment_together_have_slots_of_their_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
