/* SPDX-License-Identifier: MIT */
/* hands_test.c - what others do while some lie in hands: who gives back because the room's token is taken (A2, H4), what a hand may
 * change in the order of service, and for how long (H2). The clock moves when a test says so, and stops who holds the token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"

enum { MANY = 40, AWAIT_TRIES = 200000 };

/* Time, and a worker that is to be stopped where it next looks at it: with the token of the room, as it fills its hand. */
struct times {
	atomic_ullong now_ns;
	struct gate gate;
};

static _Thread_local bool stops;

static uint64_t look_at_clock(void *context)
{
	struct times *times = context;
	if (stops) {
		stops = false;
		(void)stay(NULL, &times->gate);
	}
	return atomic_load(&times->now_ns);
}

static weir_status stay_and_stop(weir_task *task, void *argument)
{
	weir_status status = stay(task, argument);
	stops = true;
	return status;
}

static weir_pool *pool_of(struct times *times, const char *machine, uint32_t workers)
{
	*times = (struct times){.now_ns = 1000};
	return hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = workers, .resource_aware = true,
					 .clock = {.now_ns = look_at_clock, .context = times}));
}

/* As await(), but what never happens is no hang. */
static bool comes(atomic_int *value, int wanted)
{
	for (int tries = 0; tries < AWAIT_TRIES && atomic_load(value) < wanted; tries++)
		usleep(100);
	return atomic_load(value) >= wanted;
}

static void await_held(weir_pool *pool, double cores)
{
	weir_usage usage;
	do {
		usleep(50);
		assert_ok(weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage));
	} while (usage.held.cores != cores);
}

/* One runs for long, with some behind it in its worker's hand; another holds the token; `ends` more end their tasks meanwhile, and
 * as they cannot have the token they give back. Some wait in the hand, some in the room, and there is room for all of them then. */
static void give_while_the_token_is_taken(int ends, int in_hand, int in_room)
{
	struct times times;
	char machine[64];
	uint32_t cores = (uint32_t)ends + 2;
	snprintf(machine, sizeof(machine), "numa:1 core:%u pu:1", cores);
	weir_pool *pool = pool_of(&times, machine, cores);
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, holder = {0}, other = {0}, last = {0}, waiting = {0};
	assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(group, stay_and_stop, &holder, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < ends; i++)
		assert_ok(weir_submit(group, stay, &other, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	await(&holder.there, 1);
	await(&other.there, ends);
	assert_ok(weir_submit(group, stay, &last, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < in_hand; i++)
		assert_ok(weir_submit(group, stay, &waiting, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&last.there, 1);
	for (int i = 0; i < in_room; i++)
		assert_ok(weir_submit(group, stay, &waiting, WEIR_DEMAND(.cores = 1)));
	atomic_store(&holder.open, 1);
	await(&times.gate.there, 1);
	atomic_store(&other.open, 1);
	await_held(pool, 2); /* the long one, and the holder's, which is not given yet */
	assert_int_equal(atomic_load(&waiting.there), 0);
	atomic_store(&times.gate.open, 1);
	if (!comes(&waiting.there, in_hand + in_room))
		fail_msg("%d gave, %d were in a hand, %d in the room: %d start", ends, in_hand, in_room,
			 atomic_load(&waiting.there));
	atomic_store(&waiting.open, 1);
	atomic_store(&last.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* A2, H4. Fails (somebody does not start) if the holder is not told, if it forgets that it was, if it leaves those in hands there
 * although nobody of their shape stands in the room, or although all who do find room. */
static void who_gives_while_the_token_is_taken_is_heard(void **state)
{
	(void)state;
	for (int ends = 1; ends <= 3; ends++)
		for (int in_hand = 0; in_hand <= ends + 1; in_hand++)
			for (int in_room = !in_hand; in_hand + in_room <= ends + 1; in_room++)
				give_while_the_token_is_taken(ends, in_hand, in_room);
}

struct line {
	atomic_int ran;
	int what[MANY];
};

struct one {
	struct line *line;
	int what;
};

static weir_status note(weir_task *task, void *argument)
{
	struct one *one = argument;
	(void)task;
	one->line->what[atomic_fetch_add(&one->line->ran, 1)] = one->what;
	return WEIR_OK;
}

/* H2. Some lie behind a long task in a hand; a millisecond after all were looked at last another fills its own. Fails if younger ones
 * of their shape go on passing them. */
static void who_is_behind_a_long_task_is_passed_by_for_a_millisecond(void **state)
{
	(void)state;
	struct times times;
	weir_pool *pool = pool_of(&times, "numa:1 core:2 pu:1", 2);
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, second = {0}, last = {0};
	struct line line = {0};
	struct one one[MANY];
	assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	await(&second.there, 1);
	assert_ok(weir_submit(group, stay, &last, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++) {
		one[i] = (struct one){&line, i};
		assert_ok(weir_submit(group, note, &one[i], WEIR_DEMAND(.cores = 1)));
	}
	atomic_store(&first.open, 1);
	await(&last.there, 1);
	atomic_fetch_add(&times.now_ns, 1000000);
	atomic_store(&second.open, 1);
	await(&line.ran, MANY);
	atomic_store(&last.open, 1);
	assert_ok(weir_group_wait(group));
	for (int i = 0; i < MANY; i++)
		assert_int_equal(line.what[i], i);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* H2. A CRITICAL one that any node would do for lies behind a long task in a hand of node 0; a hand of node 1 is full of NORMAL ones
 * that run for long, and nobody comes, gives, or fills a hand. Fails if all of that hand pass it. */
static void a_hand_of_another_node_does_not_pass_a_higher_class_for_long(void **state)
{
	(void)state;
	struct times times;
	weir_pool *pool = pool_of(&times, "numa:2 core:1 pu:1", 2);
	weir_group *group = hostile_group(pool);
	struct gate first[2] = {0}, last = {0}, critical = {0}, normal[6] = {0};
	for (uint32_t n = 0; n < 2; n++) {
		assert_ok(weir_submit(group, stay, &first[n],
				      WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(n), .home_only = true)));
		await(&first[n].there, 1);
	}
	assert_ok(weir_submit(group, stay, &last, WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL)));
	assert_ok(weir_submit(group, stay, &critical, WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL)));
	for (int i = 0; i < 6; i++)
		assert_ok(weir_submit(group, stay, &normal[i], WEIR_DEMAND(.cores = 1)));
	atomic_store(&first[0].open, 1);
	await(&last.there, 1);
	atomic_store(&first[1].open, 1);
	await(&normal[0].there, 1);
	atomic_fetch_add(&times.now_ns, 1000000000);
	assert_ok(weir_admission_tick(weir_pool_admission(pool), NULL));
	atomic_store(&normal[0].open, 1);
	bool came = comes(&critical.there, 1);
	int passed = atomic_load(&normal[1].there);
	for (int i = 0; i < 6; i++)
		atomic_store(&normal[i].open, 1);
	atomic_store(&critical.open, 1);
	atomic_store(&last.open, 1);
	assert_ok(weir_group_wait(group));
	assert_true(came);
	assert_int_equal(passed, 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_gives_while_the_token_is_taken_is_heard),
		cmocka_unit_test(who_is_behind_a_long_task_is_passed_by_for_a_millisecond),
		cmocka_unit_test(a_hand_of_another_node_does_not_pass_a_higher_class_for_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
