/* SPDX-License-Identifier: MIT */
/*
 * arenas_test.c - arenas of several nodes side by side, under threads that take and free blocks of many sizes.
 * Covers E3: extents of two arenas are never joined. It fails by a crash in the allocator, or
 * by a block that changes under its owner: with a hook that unmaps single extents, in most runs (see numa/arena.c).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "numa/arena.h"

enum { THREADS = 8, NODES = 4, BLOCKS = 4, ROUNDS = 8, TURNS = 3000 };

struct one {
	pthread_t thread;
	struct arenas *arenas;
	uint64_t random;
	const char *fault; /* NULL: none */
};

struct held {
	uint64_t *block;
	size_t bytes;
	uint32_t node;
	uint64_t mark;
};

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* The last whole word of a block. */
static uint64_t *last_word(const struct held *held)
{
	return held->block + held->bytes / sizeof(uint64_t) - 1;
}

static bool give_back(struct one *one, struct held *held)
{
	bool intact = !held->block || (*held->block == held->mark && *last_word(held) == held->mark);
	arenas_free(one->arenas, held->node, held->block, held->bytes);
	held->block = NULL;
	return intact;
}

static void *take_and_free(void *argument)
{
	struct one *one = argument;
	struct held held[BLOCKS] = {0};
	for (int turn = 0; turn < TURNS && !one->fault; turn++) {
		struct held *h = &held[random_next(&one->random) % BLOCKS];
		if (!give_back(one, h))
			one->fault = "a block changed under its owner";
		uint64_t r = random_next(&one->random);
		h->bytes = 64 + 4096 * (1 + (r >> 8) % (r % 4 ? 64 : 3000));
		h->node = (uint32_t)(r >> 40) % NODES;
		h->mark = r;
		h->block = arenas_alloc(one->arenas, h->node, h->bytes);
		if (h->block)
			*h->block = *last_word(h) = h->mark;
		else
			one->fault = "no memory";
	}
	for (int b = 0; b < BLOCKS; b++) {
		if (!give_back(one, &held[b]))
			one->fault = "a block changed under its owner";
	}
	return NULL;
}

/* One life of the arenas: whether their mappings come to lie beside each other is the kernel's choice, each time
 * anew. */
static void one_round(const weir_machine *machine, uint64_t seed)
{
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	struct one one[THREADS];
	for (uint64_t t = 0; t < THREADS; t++) {
		one[t] = (struct one){.arenas = arenas, .random = (seed * UINT64_C(0x9e3779b97f4a7c15) + 2 * t) | 1};
		assert_int_equal(pthread_create(&one[t].thread, NULL, take_and_free, &one[t]), 0);
	}
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_join(one[t].thread, NULL), 0);
	for (int t = 0; t < THREADS; t++) {
		if (one[t].fault)
			fail_msg("%s", one[t].fault);
	}
	arenas_destroy(arenas);
}

static void arenas_side_by_side_do_not_mix(void **state)
{
	(void)state;
	const char *given = getenv("WEIR_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("WEIR_TEST_SEED=%llu\n", (unsigned long long)seed);
	weir_machine *machine;
	assert_int_equal(weir_machine_create(&machine, "numa:4 core:2 pu:1"), WEIR_OK);
	for (uint64_t round = 0; round < ROUNDS; round++)
		one_round(machine, seed + round);
	weir_machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arenas_side_by_side_do_not_mix),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
