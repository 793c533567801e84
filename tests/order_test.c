/* SPDX-License-Identifier: MIT */
/*
 * What "announce, then look again" (park.h) and membarrier.h rest on: of two threads that each store and then look at what the
 * other one stores, one sees the other. Fails where compiler and machine keep less order than they promise (an emulator, say): then no
 * other test's answer means much.
 *
 * Both count their turns, each writes down what it saw of the other, and nobody waits. If my turn i saw no more than j - 1 of the
 * other, then mine was stored before the other looked in its turn j, which therefore saw at least i.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "private/atomics.h"
#include "private/compiler.h"
#include "private/membarrier.h"

enum { TURNS = 1000000 };

struct side {
	CACHE_ALIGNED _Atomic(uint32_t) turn;
	CACHE_ALIGNED uint32_t turns; /* that were made */
	uint32_t *saw;
};

struct game {
	struct side side[2];
	_Atomic(uint32_t) there;
	_Atomic(uint32_t) over;
};

static void wait_for_both(struct game *game)
{
	at_add(&game->there, 1, relaxed, none);
	while (at_load(&game->there, relaxed, none) < 2)
		sched_yield();
}

/* Turns that say that each missed the other. */
static uint32_t missed(const struct side *me, const struct side *other)
{
	uint32_t count = 0;
	for (uint32_t i = 1; i <= me->turns; i++) {
		uint32_t unseen = me->saw[i] + 1;
		count += unseen <= other->turns && other->saw[unseen] < i;
	}
	return count;
}

static struct game *begin(void)
{
	struct game *game = aligned_alloc(CACHE_LINE, sizeof(*game));
	assert_non_null(game);
	memset(game, 0, sizeof(*game));
	for (int i = 0; i < 2; i++) {
		game->side[i].saw = calloc(TURNS + 1, sizeof(uint32_t));
		assert_non_null(game->side[i].saw);
	}
	return game;
}

static void end(struct game *game)
{
	uint32_t first = missed(&game->side[0], &game->side[1]);
	uint32_t second = missed(&game->side[1], &game->side[0]);
	print_message("%u and %u turns\n", game->side[0].turns, game->side[1].turns);
	for (int i = 0; i < 2; i++)
		free(game->side[i].saw);
	free(game);
	assert_int_equal(first, 0);
	assert_int_equal(second, 0);
}

static void play(struct game *game, struct side *me, struct side *other)
{
	wait_for_both(game);
	for (uint32_t i = 1; i <= TURNS; i++) {
		/* ORDER(announce): seq_cst, both. */
		at_store(&me->turn, i, seq_cst, announce);
		me->saw[i] = at_load(&other->turn, seq_cst, announce);
	}
	me->turns = TURNS;
}

static void *play_second(void *argument)
{
	struct game *game = argument;
	play(game, &game->side[1], &game->side[0]);
	return NULL;
}

static void one_of_two_who_announce_and_look_sees_the_other(void **state)
{
	(void)state;
	struct game *game = begin();
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, play_second, game), 0);
	play(game, &game->side[0], &game->side[1]);
	pthread_join(thread, NULL);
	end(game);
}

/* Who looks seldom, and has a barrier put into the other. */
static void *look_seldom(void *argument)
{
	struct game *game = argument;
	struct side *me = &game->side[1];
	wait_for_both(game);
	uint32_t i = 0;
	while (i < TURNS && !at_load(&game->over, relaxed, none)) {
		at_store(&me->turn, ++i, relaxed, none);
		membarrier_all();
		me->saw[i] = at_load(&game->side[0].turn, relaxed, none);
	}
	me->turns = i;
	return NULL;
}

static void so_it_does_where_one_has_the_barrier_put_into_the_other(void **state)
{
	(void)state;
	if (!membarrier_ready())
		skip();
	struct game *game = begin();
	struct side *me = &game->side[0];
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, look_seldom, game), 0);
	wait_for_both(game);
	for (uint32_t i = 1; i <= TURNS; i++) {
		at_store(&me->turn, i, relaxed, none);
		at_signal_fence();
		me->saw[i] = at_load(&game->side[1].turn, relaxed, none);
		at_pause();
	}
	me->turns = TURNS;
	at_store(&game->over, 1, relaxed, none);
	pthread_join(thread, NULL);
	end(game);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_two_who_announce_and_look_sees_the_other),
		cmocka_unit_test(so_it_does_where_one_has_the_barrier_put_into_the_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
