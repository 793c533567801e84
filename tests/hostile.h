/* SPDX-License-Identifier: MIT */
/* hostile.h - for tests that misuse weir: a status and the word that the error text must have; pools; a net under
 * hangs. */
#ifndef TESTS_HOSTILE_H
#define TESTS_HOSTILE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/weir.h>

/* A program that hangs is ended by SIGALRM, and has failed. Sanitizers and shared machines are slow, a hang is for
 * ever. */
#define HANG_SECONDS 240

static inline bool has_word(const char *text, const char *word)
{
	return strstr(text, word) != NULL;
}

#define assert_error(call, wanted, word)                                                                      \
	do {                                                                                                  \
		weir_status status_ = (call);                                                                 \
		if (status_ != (wanted) || !has_word(weir_error_text(), (word)))                              \
			fail_msg("%s: \"%s\", \"%s\" does not name \"%s\"", #call, weir_status_text(status_), \
				 weir_error_text(), (word));                                                  \
	} while (0)

#define assert_ok(call)                                                                                      \
	do {                                                                                                 \
		weir_status status_ = (call);                                                                \
		if (status_)                                                                                 \
			fail_msg("%s: \"%s\", \"%s\"", #call, weir_status_text(status_), weir_error_text()); \
	} while (0)

static inline weir_pool *hostile_pool(const weir_options *options)
{
	weir_pool *pool;
	assert_ok(weir_pool_create(&pool, options));
	return pool;
}

static inline weir_group *hostile_group(weir_pool *pool)
{
	weir_group *group;
	assert_ok(weir_group_create(&group, pool));
	return group;
}

static inline weir_pool_counts counts_of(weir_pool *pool)
{
	weir_pool_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_pool_counts_get(pool, &counts));
	return counts;
}

/* Drained, every task ended once, all room is back (L2), and the pool goes. */
static inline void end_pool(weir_pool *pool)
{
	assert_ok(weir_pool_drain(pool));
	weir_pool_counts counts = counts_of(pool);
	assert_int_equal(counts.submitted, counts.completed + counts.failed + counts.cancelled);
	if (weir_pool_tracker(pool))
		assert_ok(weir_tracker_audit(weir_pool_tracker(pool)));
	assert_ok(weir_pool_destroy(pool));
}

/* Bodies. ------------------------------------------------------------------------------------------------------- */

static inline weir_status count_up(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

/* A task that stays until it is told to go; it says when it is there. */
struct gate {
	atomic_int there;
	atomic_int open;
};

static inline weir_status stay(weir_task *task, void *argument)
{
	struct gate *gate = argument;
	(void)task;
	atomic_fetch_add(&gate->there, 1);
	while (!atomic_load(&gate->open))
		usleep(100);
	return WEIR_OK;
}

static inline void await(atomic_int *value, int wanted)
{
	while (atomic_load(value) < wanted)
		usleep(100);
}

#endif
