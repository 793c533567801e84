/* SPDX-License-Identifier: MIT */
/* stress_guest_test.c - threads outside that run functions and loops, submit, wait and block at random, as guests of one pool, plain
 * and aware. No two threads are the same worker (W9: assertions in debug builds, and ThreadSanitizer), no wake is lost (W10: it would
 * hang), each task runs once (W1). */
#include "stress.h"

enum { WORKERS = 3 };

struct crowd {
	weir_pool *pool;
	uint64_t until_ns;
	uint64_t seed;
	atomic_int numbers;
	atomic_int failed;
	atomic_llong ran;
	atomic_llong wanted;
};

struct outsider {
	struct crowd *crowd;
	weir_group *group;
	uint64_t random;
};

static void spend(uint64_t random)
{
	for (volatile uint64_t i = random % 300; i > 0; i--)
		;
}

static weir_status body(weir_task *task, void *argument)
{
	(void)task;
	struct crowd *crowd = argument;
	spend(137);
	atomic_fetch_add(&crowd->ran, 1);
	return WEIR_OK;
}

static weir_status piece(int64_t begin, int64_t end, void *argument)
{
	struct crowd *crowd = argument;
	for (int64_t i = begin; i < end; i++)
		spend((uint64_t)i % 16);
	atomic_fetch_add(&crowd->ran, end - begin);
	return WEIR_OK;
}

/* Submits to a group of its own, forks, and waits; its seat is lent while it sleeps. */
static weir_status nested(weir_task *task, void *argument)
{
	(void)task;
	struct crowd *crowd = argument;
	weir_group *group;
	weir_status status = weir_group_create(&group, crowd->pool);
	if (status)
		return status;
	for (int i = 0; i < 4 && !status; i++)
		status = weir_submit(group, body, crowd, NULL);
	weir_status forked = weir_fork(body, crowd);
	if (!status)
		status = weir_group_wait(group);
	(void)weir_group_destroy(group);
	return status ? status : forked ? forked : weir_join();
}

static weir_status blocks(weir_task *task, void *argument)
{
	weir_blocking_begin();
	usleep(50);
	weir_blocking_end();
	return body(task, argument);
}

static weir_status one_turn(struct outsider *outsider)
{
	struct crowd *crowd = outsider->crowd;
	uint64_t random = fixture_random(&outsider->random);
	weir_status status = WEIR_OK;
	int tasks = (int)((random >> 8) % 40);
	switch (random % 8) {
	case 0:
		atomic_fetch_add(&crowd->wanted, 1);
		return weir_pool_run(crowd->pool, body, crowd, NULL);
	case 1:
		atomic_fetch_add(&crowd->wanted, tasks);
		return weir_parallel_for(crowd->pool, 0, tasks, 1, piece, crowd);
	case 2:
		atomic_fetch_add(&crowd->wanted, 5);
		return weir_pool_run(crowd->pool, nested, crowd, NULL);
	case 3:
		atomic_fetch_add(&crowd->wanted, tasks);
		status = weir_submit_batch(outsider->group, body, crowd, 0, (size_t)tasks, NULL, NULL);
		break;
	case 4:
		atomic_fetch_add(&crowd->wanted, 1);
		status = weir_submit(outsider->group, blocks, crowd, NULL);
		break;
	case 5:
		atomic_fetch_add(&crowd->wanted, 1);
		status = weir_submit(outsider->group, body, crowd, WEIR_DEMAND(.cores = 1));
		break;
	case 6:
		usleep((useconds_t)(random >> 16) % 300);
		break;
	default:
		break;
	}
	for (int i = 0; i < tasks % 7 && !status; i++) {
		atomic_fetch_add(&crowd->wanted, 1);
		status = weir_submit(outsider->group, body, crowd, NULL);
	}
	return status ? status : weir_group_wait(outsider->group);
}

static void *come_and_go(void *argument)
{
	struct crowd *crowd = argument;
	struct outsider me = {.crowd = crowd, .random = crowd->seed + (uint64_t)atomic_fetch_add(&crowd->numbers, 1)};
	if (weir_group_create(&me.group, crowd->pool)) {
		atomic_fetch_add(&crowd->failed, 1);
		return NULL;
	}
	while (weir_clock_monotonic_ns() < crowd->until_ns)
		atomic_fetch_add(&crowd->failed, one_turn(&me) != WEIR_OK);
	atomic_fetch_add(&crowd->failed, weir_group_wait(me.group) != WEIR_OK);
	(void)weir_group_destroy(me.group);
	return NULL;
}

static void guests_come_and_go(const weir_options *options, uint64_t seed)
{
	struct crowd crowd = {.pool = hostile_pool(options), .until_ns = stress_until_ns(), .seed = seed};
	pthread_t thread[STRESS_THREADS];
	for (int i = 0; i < STRESS_THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, come_and_go, &crowd), 0);
	for (int i = 0; i < STRESS_THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(atomic_load(&crowd.failed), 0);
	assert_int_equal(atomic_load(&crowd.ran), atomic_load(&crowd.wanted));
	end_pool(crowd.pool);
}

/* As it is used: workers look on for a while, and are pinned. */
static void guests_of_a_plain_pool(void **state)
{
	(void)state;
	guests_come_and_go(WEIR_OPTIONS(.workers = WORKERS), fixture_seed("guests_of_a_plain_pool"));
}

static void guests_of_an_aware_pool_on_two_nodes(void **state)
{
	(void)state;
	guests_come_and_go(WEIR_OPTIONS(.workers = WORKERS, .machine = stress_machine, .resource_aware = true,
					.idle = WEIR_IDLE_BLOCK),
			   fixture_seed("guests_of_an_aware_pool_on_two_nodes"));
}

/* Two pools, threads that end, functions that run functions of the other pool, trees of children, groups that are cancelled while
 * their guest is at work. No pool waits for itself through the other. */
struct pair {
	weir_pool *pool[2];
	uint64_t until_ns;
	uint64_t seed;
	atomic_uint turn;
	atomic_int failed;
	atomic_llong ran;
	atomic_llong wanted;
};

WEIR_FORK_2(long, tree, struct pair *, pair, int, depth)
{
	if (depth < 1) {
		atomic_fetch_add(&pair->ran, 1);
		return 1;
	}
	WEIR_SPAWN(tree, pair, depth - 1);
	long right = WEIR_CALL(tree, pair, depth - 1);
	return WEIR_JOIN(tree) + right;
}

static weir_status climb(weir_task *task, void *argument)
{
	(void)task;
	struct pair *pair = argument;
	long leaves = 0;
	weir_status status = WEIR_RUN(pair->pool[1], tree, &leaves, pair, 6);
	return status ? status : leaves == 64 ? WEIR_OK : WEIR_EINVAL;
}

static weir_status count_one(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_llong *)argument, 1);
	return WEIR_OK;
}

static bool wrongly_cancelled(struct pair *pair, uint64_t random)
{
	weir_group *group;
	atomic_llong ran = 0;
	weir_status status = weir_group_create(&group, pair->pool[random % 2]);
	int tasks = (int)((random >> 8) % 100);
	for (int i = 0; i < tasks && !status; i++)
		status = weir_submit(group, count_one, &ran, NULL);
	weir_group_cancel(group);
	weir_status waited = weir_group_wait(group);
	bool wrong = status || waited != WEIR_ECANCELED || atomic_load(&ran) > tasks;
	return weir_group_destroy(group) || wrong;
}

static void *live_shortly(void *argument)
{
	struct pair *pair = argument;
	uint64_t random = pair->seed + atomic_fetch_add(&pair->turn, 1);
	long leaves = 0;
	for (int turn = 0; turn < 8; turn++) {
		uint64_t what = fixture_random(&random);
		bool wrong = false;
		switch (what % 3) {
		case 0:
			atomic_fetch_add(&pair->wanted, 64);
			wrong = weir_pool_run(pair->pool[0], climb, pair, NULL) != WEIR_OK;
			break;
		case 1:
			atomic_fetch_add(&pair->wanted, 256);
			wrong = WEIR_RUN(pair->pool[what >> 8 & 1], tree, &leaves, pair, 8) || leaves != 256;
			break;
		default:
			wrong = wrongly_cancelled(pair, what >> 8);
		}
		atomic_fetch_add(&pair->failed, wrong);
	}
	return NULL;
}

static void guests_of_two_pools_nest_cancel_and_end(void **state)
{
	(void)state;
	struct pair pair = {.until_ns = stress_until_ns(),
			    .seed = fixture_seed("guests_of_two_pools_nest_cancel_and_end")};
	pair.pool[0] = hostile_pool(WEIR_OPTIONS(.workers = 2, .machine = "core:2 pu:1", .idle = WEIR_IDLE_BLOCK));
	pair.pool[1] = hostile_pool(WEIR_OPTIONS(.workers = 1, .machine = "core:1 pu:1"));
	while (weir_clock_monotonic_ns() < pair.until_ns) {
		pthread_t thread[STRESS_THREADS / 2];
		for (int i = 0; i < STRESS_THREADS / 2; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, live_shortly, &pair), 0);
		for (int i = 0; i < STRESS_THREADS / 2; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
	}
	assert_int_equal(atomic_load(&pair.failed), 0);
	assert_int_equal(atomic_load(&pair.ran), atomic_load(&pair.wanted));
	end_pool(pair.pool[0]);
	end_pool(pair.pool[1]);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_of_a_plain_pool),
		cmocka_unit_test(guests_of_an_aware_pool_on_two_nodes),
		cmocka_unit_test(guests_of_two_pools_nest_cancel_and_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
