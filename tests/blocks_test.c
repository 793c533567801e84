/* SPDX-License-Identifier: MIT */
/*
 * blocks_test.c - which blocks are free and how far they hold memory, step by step; no memory is behind them here.
 * Covers E7, E8: it fails where a word says too little of what a block holds, where a block is lost as its hint was wrong or a purge
 * was at it, and where a block is in two hands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/blocks.h"
#include "private/compiler.h"

enum { KIB = 1 << 10, MIB = 1 << 20, PAGE = 4096 };
#define GIB ((size_t)1 << 30)

static struct blocks b;

static int make(void **state)
{
	(void)state;
	blocks_init(&b, PAGE);
	return 0;
}

static int unmake(void **state)
{
	(void)state;
	blocks_fini(&b);
	return 0;
}

/* In use, all of it held. */
static struct large_block *filled(size_t bytes, bool huge)
{
	uint32_t class = blocks_class_of(bytes);
	struct large_block *block = blocks_slot(&b, class);
	assert_non_null(block);
	block->split = (char *)(uintptr_t)GIB;
	blocks_fill(&b, block, huge, blocks_extent(&b, class, huge, bytes));
	return block;
}

static struct large_block *kept(size_t bytes, bool huge)
{
	struct large_block *block = filled(bytes, huge);
	blocks_put(block);
	return block;
}

static struct large_block *taken(size_t bytes, uint64_t *found)
{
	char *start;
	uint64_t ignored;
	return blocks_take(&b, blocks_class_of(bytes), bytes, &start, found ? found : &ignored);
}

/* What all blocks hold that is not in use; nothing is changed. */
static uint64_t in_sight(unsigned which)
{
	struct blocks_place at = blocks_begin(&b, 0);
	struct block_state state;
	uint64_t sum = 0;
	for (struct large_block *block; (block = blocks_hold(&b, &at, which, &state));) {
		sum += extent_sum(state.held) - extent_sum(state.used);
		blocks_let_go(&b, block, state.held);
	}
	return sum;
}

static void purge_all(void)
{
	struct blocks_place at = blocks_begin(&b, 0);
	struct block_state state;
	for (struct large_block *block; (block = blocks_hold(&b, &at, BLOCKS_FREE | BLOCKS_WIDE, &state));)
		blocks_let_go(&b, block, state.used);
}

/* No less than was asked for, to a unit, which is a 2^20th of the class at most; beside huge pages small ones are the head. */
static void a_word_says_how_far_a_block_holds_memory(void **state)
{
	(void)state;
	static const struct {
		size_t bytes, unit, head;
		bool huge;
	} cases[] = {
		{40 * KIB, PAGE, 0, false},
		{64 * KIB, PAGE, 0, false},
		{9 * MIB, PAGE, 0, false},
		{9 * MIB, 2 * MIB, MIB, true},
		{8 * MIB, 2 * MIB, 0, true},
		{8 * MIB - PAGE, 2 * MIB, 2 * MIB - PAGE, true},
		{4 * GIB, PAGE, 0, false},
		{4 * GIB + PAGE, 2 * PAGE, 0, false},
		{5 * GIB + PAGE, 2 * PAGE, 0, false},
		{2048 * GIB - PAGE, 2 * MIB, 2 * MIB - PAGE, true},
		{3000 * GIB + PAGE, 4 * MIB, 0, true},
		{((size_t)1 << 45) + PAGE, 64 * MIB, 0, true},
		{((size_t)1 << 45) + PAGE, 64 * MIB, 0, false},
		{(size_t)1 << 46, 64 * MIB, 0, false},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		size_t bytes = cases[i].bytes, unit = cases[i].unit;
		struct extent e = blocks_extent(&b, blocks_class_of(bytes), cases[i].huge, bytes);
		assert_int_equal(e.head, cases[i].head);
		assert_int_equal(e.body % unit, 0);
		assert_in_range(extent_sum(e), bytes, bytes + (cases[i].head ? 0 : unit - 1));
		assert_true(e.body <= blocks_class_bytes(blocks_class_of(bytes)));
		struct large_block *block = filled(bytes, cases[i].huge);
		assert_int_equal(blocks_used(&b, block), extent_sum(e));
		assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_WIDE), 0);
		blocks_put(block);
		struct blocks_place at = blocks_begin(&b, 0);
		struct block_state got;
		assert_ptr_equal(blocks_hold(&b, &at, BLOCKS_FREE, &got), block);
		assert_int_equal(got.unit, unit);
		assert_int_equal(got.held.head, e.head);
		assert_int_equal(got.held.body, e.body);
		blocks_let_go(&b, block, (struct extent){0});
	}
}

/* Of those with most of what is needed the one of which least is left over; of the class above where there is none. */
static void of_a_few_the_best_is_taken(void **state)
{
	(void)state;
	uint64_t found;
	struct large_block *small = kept(600 * KIB, false), *large = kept(1000 * KIB, false),
			   *middle = kept(800 * KIB, false);
	assert_ptr_equal(taken(700 * KIB, &found), middle);
	assert_int_equal(found, 700 * KIB);
	assert_ptr_equal(taken(700 * KIB, &found), large);
	assert_ptr_equal(taken(700 * KIB, &found), small);
	assert_int_equal(found, 600 * KIB);
	assert_null(taken(700 * KIB, &found));
	blocks_put(large);
	assert_ptr_equal(taken(300 * KIB, &found), large);
	assert_int_equal(found, 300 * KIB);
	blocks_put(large);
	assert_null(taken(200 * KIB, &found));
}

/* E4: in sight from the moment that it is taken, and not what is in use. It failed where a block was out of sight while it was taken. */
static void what_a_block_in_use_holds_behind_its_end_is_in_sight(void **state)
{
	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		uint64_t found;
		struct large_block *block = kept(15 * MIB, huge);
		assert_int_equal(in_sight(BLOCKS_WIDE), 0);
		assert_int_equal(in_sight(BLOCKS_FREE), 15 * MIB);
		assert_ptr_equal(taken(9 * MIB, &found), block);
		assert_int_equal(in_sight(BLOCKS_FREE), 0);
		assert_int_equal(in_sight(BLOCKS_WIDE), 6 * MIB);
		purge_all();
		assert_int_equal(in_sight(BLOCKS_WIDE), 0);
		assert_int_equal(blocks_used(&b, block), 9 * MIB);
		blocks_put(block);
		assert_int_equal(in_sight(BLOCKS_FREE), 9 * MIB);
		/* Head and body are apart: of 8 and 1 MiB it lacks nothing for 8. */
		assert_ptr_equal(taken(10 * MIB, &found), block);
		assert_int_equal(found, huge ? 8 * MIB : 9 * MIB);
		assert_int_equal(in_sight(BLOCKS_WIDE), huge ? MIB : 0);
		purge_all();
	}
}

/* E8: shown by who is at it last, be it the purge. */
static void a_block_that_is_put_while_a_purge_is_at_it_is_found_again(void **state)
{
	(void)state;
	for (int rest = 0; rest < 2; rest++) {
		struct block_state got;
		struct large_block *block = kept(800 * KIB, false);
		assert_ptr_equal(taken(600 * KIB, NULL), block);
		struct blocks_place at = blocks_begin(&b, 0);
		assert_ptr_equal(blocks_hold(&b, &at, BLOCKS_WIDE, &got), block);
		blocks_put(block);
		/* It is the purge's now. */
		assert_null(taken(600 * KIB, NULL));
		blocks_let_go(&b, block, rest ? got.used : (struct extent){0});
		uint64_t found;
		assert_ptr_equal(taken(600 * KIB, &found), block);
		assert_int_equal(found, rest ? 600 * KIB : 0);
	}
}

/* E8: hints are wrong while blocks are in use, and as one loses its memory. */
static void a_wrong_hint_loses_no_block(void **state)
{
	(void)state;
	struct large_block *first = kept(800 * KIB, false), *second = kept(800 * KIB, false);
	for (int turn = 0; turn < 3; turn++) {
		struct large_block *one = taken(800 * KIB, NULL), *other = taken(800 * KIB, NULL);
		assert_true((one == first && other == second) || (one == second && other == first));
		assert_null(taken(800 * KIB, NULL));
		blocks_put(other);
		if (turn == 1)
			purge_all();
		assert_ptr_equal(taken(800 * KIB, NULL), other);
		blocks_put(one);
		blocks_put(other);
		if (turn == 0)
			purge_all();
	}
}

/* Among many in use, on three shelves. It failed where a hint that a purge had taken away did not come back. (A purge that went by the words
 * alone took 161 us with 100,000 blocks in use, for one that was free; with 1000 it took 5.) */
static void a_purge_finds_by_hints_what_is_free_or_wide(void **state)
{
	(void)state;
	enum { BLOCKS = 300 };
	static struct large_block *block[BLOCKS];
	for (int i = 0; i < BLOCKS; i++)
		block[i] = filled(60 * KIB, false);
	for (int turn = 0; turn < 3; turn++) {
		for (int i = turn; i < BLOCKS; i += 7)
			blocks_put(block[i]);
		assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_HINTED), in_sight(BLOCKS_FREE));
		assert_int_equal(in_sight(BLOCKS_WIDE | BLOCKS_HINTED), 0);
		for (int i = turn; i < BLOCKS; i += 7)
			assert_non_null(taken(40 * KIB, NULL));
		assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_HINTED), 0);
		uint64_t wide = in_sight(BLOCKS_WIDE);
		assert_int_equal(wide, (uint64_t)((BLOCKS - turn + 6) / 7) * 20 * KIB);
		assert_int_equal(in_sight(BLOCKS_WIDE | BLOCKS_HINTED), wide);
		assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_WIDE | BLOCKS_HINTED), wide);
		/* Taken again as a whole, they are wide no more. */
		for (int i = turn; i < BLOCKS; i += 7)
			blocks_put(block[i]);
		assert_int_equal(in_sight(BLOCKS_WIDE | BLOCKS_HINTED), 0);
		for (int i = turn; i < BLOCKS; i += 7)
			assert_non_null(taken(60 * KIB, NULL));
		assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_WIDE | BLOCKS_HINTED), 0);
	}
	for (int i = 0; i < BLOCKS; i++)
		blocks_put(block[i]);
	purge_all();
	assert_int_equal(in_sight(BLOCKS_FREE | BLOCKS_WIDE | BLOCKS_HINTED), 0);
	for (int i = 0; i < BLOCKS; i++)
		assert_non_null(taken(60 * KIB, NULL));
	assert_null(taken(60 * KIB, NULL));
}

/* Slots are more than one word of hints, and are used again. */
static void there_are_as_many_slots_as_blocks(void **state)
{
	(void)state;
	enum { BLOCKS = 1000, BYTES = 60 * KIB };
	static struct large_block *block[BLOCKS];
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < BLOCKS; i++)
			block[i] = filled(BYTES, false);
		assert_null(taken(BYTES, NULL));
		for (int i = 0; i < BLOCKS; i++)
			blocks_put(block[i]);
		assert_int_equal(in_sight(BLOCKS_FREE), (uint64_t)BLOCKS * BYTES);
		for (int i = 0; i < BLOCKS; i++)
			assert_non_null(taken(BYTES, NULL));
		assert_null(taken(BYTES, NULL));
		for (int i = 0; i < BLOCKS; i++) {
			blocks_put(block[i]);
			struct block_state got;
			struct blocks_place at = blocks_begin(&b, 0);
			struct large_block *held = blocks_hold(&b, &at, BLOCKS_FREE, &got);
			assert_ptr_equal(held, block[i]);
			blocks_clear(held);
			blocks_give_slot(&b, held);
		}
		assert_int_equal(in_sight(BLOCKS_FREE), 0);
		assert_null(taken(BYTES, NULL));
	}
}

/* E7 */
static void who_frees_a_block_twice_is_ended(void **state)
{
	(void)state;
	struct large_block *block = kept(100 * KIB, false);
	pid_t child = fork();
	if (!child) {
		close(STDERR_FILENO);
		blocks_put(block);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_word_says_how_far_a_block_holds_memory, make, unmake),
		cmocka_unit_test_setup_teardown(of_a_few_the_best_is_taken, make, unmake),
		cmocka_unit_test_setup_teardown(what_a_block_in_use_holds_behind_its_end_is_in_sight, make, unmake),
		cmocka_unit_test_setup_teardown(a_block_that_is_put_while_a_purge_is_at_it_is_found_again, make,
						unmake),
		cmocka_unit_test_setup_teardown(a_wrong_hint_loses_no_block, make, unmake),
		cmocka_unit_test_setup_teardown(a_purge_finds_by_hints_what_is_free_or_wide, make, unmake),
		cmocka_unit_test_setup_teardown(there_are_as_many_slots_as_blocks, make, unmake),
		cmocka_unit_test_setup_teardown(who_frees_a_block_twice_is_ended, make, unmake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
