/* SPDX-License-Identifier: MIT */
/* producers_test.c - plain tasks from outside, by lanes and in batches: order, limits, threads that end, long tasks, wake-ups,
 * memory, and a kernel without membarrier. (What many threads do at once: stress/stress_producers_test.c.) */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "fixture.h"
#include "hostile.h"
#include "no_membarrier.h"
#include "private/membarrier.h"
#include "runtime/producers.h"

enum { MANY = 5000, BURST = 50000 };

struct row {
	int next;
	int wrong;
};
static struct row row;

static weir_status in_turn(weir_task *task, void *argument)
{
	(void)task;
	row.wrong += row.next++ != (int)(intptr_t)argument;
	return WEIR_OK;
}

/* I4, by way of a worker's hand: fails if a hand is emptied from the wrong end, or a lane passed over. */
static void one_workers_tasks_run_in_the_order_of_one_producer(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *group = hostile_group(pool);
	row = (struct row){0};
	for (intptr_t i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, in_turn, (void *)i, NULL));
	assert_ok(weir_submit_batch(group, in_turn, (void *)(intptr_t)MANY, 1, MANY, NULL, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(row.next, 2 * MANY);
	assert_int_equal(row.wrong, 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status hold_on(weir_task *task, void *argument)
{
	(void)task;
	sem_t *sem = argument; /* [0]: there; [1]: go */
	sem_post(&sem[0]);
	while (sem_wait(&sem[1]))
		;
	return WEIR_OK;
}

/* Both workers: one is in a long task with others behind it in its hand, the other must get at them. Fails (by the net under
 * hangs) if a hand cannot be stolen from, or a worker sleeps beside one. */
static void a_long_task_does_not_keep_those_behind_it(void **state)
{
	(void)state;
	for (int batch = 0; batch < 2; batch++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .spin_ns = batch ? 1000 : 1));
		weir_group *group = hostile_group(pool);
		for (int round = 0; round < 5; round++) {
			sem_t first[2], sem[2];
			atomic_int count = 0;
			for (int i = 0; i < 2; i++) {
				sem_init(&first[i], 0, 0);
				sem_init(&sem[i], 0, 0);
			}
			/* Both are busy while the lane fills, so that handfuls are large. */
			assert_ok(weir_submit(group, hold_on, first, NULL));
			assert_ok(weir_submit(group, hold_on, first, NULL));
			sem_wait(&first[0]);
			sem_wait(&first[0]);
			assert_ok(weir_submit(group, hold_on, sem, NULL));
			if (batch)
				assert_ok(weir_submit_batch(group, count_up, &count, 0, 200, NULL, NULL));
			for (int i = 0; !batch && i < 200; i++)
				assert_ok(weir_submit(group, count_up, &count, NULL));
			sem_post(&first[1]);
			sem_post(&first[1]);
			sem_wait(&sem[0]);
			await(&count, 200); /* while one worker is in hold_on() */
			sem_post(&sem[1]);
			assert_ok(weir_group_wait(group));
		}
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

struct leaver {
	weir_pool *pool;
	weir_group *group;
	atomic_int *count;
	weir_status status;
};

static void *submit_and_leave(void *argument)
{
	struct leaver *leaver = argument;
	for (int i = 0; i < 300 && !leaver->status; i++)
		leaver->status = weir_submit(leaver->group, count_up, leaver->count, NULL);
	return NULL;
}

/* What a thread leaves in its lane runs, and who gets its number goes on with the lane: so however many come and go, the lanes
 * are no more than those at one time. */
static void what_ended_threads_left_is_run(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(group, stay, &gate, NULL));
	await(&gate.there, 1);
	for (int t = 0; t < 20; t++) {
		struct leaver leaver = {.pool = pool, .group = group, .count = &count};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, submit_and_leave, &leaver), 0);
		pthread_join(thread, NULL);
		assert_ok(leaver.status);
	}
	assert_int_equal(weir_group_pending(group), 6001);
	assert_in_range(at_load(&pool->producers->made, relaxed, none), 1, 3);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 6000);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status block_for(weir_task *task, void *argument)
{
	(void)task;
	weir_blocking_begin();
	await(&((struct gate *)argument)->there, 1);
	weir_blocking_end();
	return WEIR_OK;
}

/* A stand-in that has the number of an ended producer leaves the lane to another thread, and takes what is in it. */
static void a_worker_with_a_producers_number_hands_the_lane_on(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0, others = 0;
	struct gate gate = {0};
	for (int round = 0; round < 4; round++) {
		struct leaver leaver = {.pool = pool, .group = group, .count = &count};
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, submit_and_leave, &leaver), 0);
		pthread_join(thread, NULL);
		assert_ok(leaver.status);
		atomic_store(&gate.there, 0);
		assert_ok(weir_submit(group, block_for, &gate, NULL));
		await(&count, 300 * (round + 1));
		for (int i = 0; i < 50; i++)
			assert_ok(weir_submit(group, count_up, &others, NULL)); /* for whoever stands in */
		atomic_store(&gate.there, 1);
		assert_ok(weir_group_wait(group));
	}
	assert_in_range(at_load(&pool->producers->made, relaxed, none), 1, 4);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct rival {
	weir_pool *pool;
	weir_group *group;
	atomic_int *count;
	weir_status registered, submitted, again;
	sem_t told, go;
};

static void *register_too(void *argument)
{
	struct rival *rival = argument;
	rival->registered = weir_producer_register(rival->pool);
	for (int i = 0; i < 100 && !rival->submitted; i++)
		rival->submitted = weir_submit(rival->group, count_up, rival->count, NULL);
	sem_post(&rival->told);
	sem_wait(&rival->go);
	rival->again = weir_producer_register(rival->pool);
	sem_post(&rival->told);
	return NULL;
}

static void past_lanes_max_a_thread_shares_a_queue(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .lanes_max = 1));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	struct rival rival = {.pool = pool, .group = group, .count = &count};
	sem_init(&rival.told, 0, 0);
	sem_init(&rival.go, 0, 0);
	assert_error(weir_producer_register(NULL), WEIR_EINVAL, "pool");
	assert_ok(weir_producer_register(pool));
	assert_ok(weir_producer_register(pool));
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, register_too, &rival), 0);
	sem_wait(&rival.told);
	assert_int_equal(rival.registered, WEIR_EFULL);
	assert_ok(rival.submitted);
	assert_ok(weir_producer_unregister(pool));
	sem_post(&rival.go);
	sem_wait(&rival.told);
	assert_ok(rival.again);
	pthread_join(thread, NULL);
	for (int i = 0; i < 100; i++)
		assert_ok(weir_submit(group, count_up, &count, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 200);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
	/* None at all in a pool that is smaller than a lane. */
	pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = 10));
	assert_error(weir_producer_register(pool), WEIR_EFULL, "options.lanes_max");
	end_pool(pool);
}

static void *submit_once(void *argument)
{
	struct rival *rival = argument;
	rival->submitted = weir_submit(rival->group, count_up, rival->count, NULL);
	rival->registered = producers_have_mine(rival->pool) ? WEIR_OK : WEIR_EFULL;
	return NULL;
}

static weir_status submit_elsewhere(struct rival *rival)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, submit_once, rival), 0);
	pthread_join(thread, NULL);
	assert_ok(rival->submitted);
	return rival->registered;
}

/* Who found that all lanes are taken does not walk them again at each submit, until one is given up. It fails where a free one
 * that nobody announced is found, by a walk, and where one that was given up is not. */
static void past_lanes_max_a_thread_walks_the_lanes_once(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .lanes_max = 2));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	struct rival rival = {.pool = pool, .group = group, .count = &count};
	assert_ok(weir_producer_register(pool));
	assert_int_equal(submit_elsewhere(&rival), WEIR_OK);
	struct intake *second = at_load(&pool->producers->all[1], relaxed, none);
	/* Its thread has ended, and its number has it; as if a third one came, with a number of its own. */
	at_store(&second->owned, 1, relaxed, none);
	for (uint32_t i = 0; i < THREADS_MAX; i++)
		if (at_load(&pool->producers->mine[i + 1], relaxed, none) == second)
			at_store(&pool->producers->mine[i + 1], NULL, relaxed, none);
	assert_int_equal(submit_elsewhere(&rival), WEIR_EFULL);
	at_store(&second->owned, 0, relaxed, none);
	assert_int_equal(submit_elsewhere(&rival), WEIR_EFULL);
	at_store(&second->owned, 1, relaxed, none);
	assert_ok(weir_producer_unregister(pool));
	assert_int_equal(submit_elsewhere(&rival), WEIR_OK);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 4);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* W8: whatever a batch wants. It fails where batches that begin at the same time get leave for tasks_max each, which counts of a
 * group would not hold. */
static void nobody_gets_leave_for_more_than_a_quarter_of_its_share(void **state)
{
	(void)state;
	enum { TASKS = 100000 };
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = TASKS));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	bool full;
	struct intake *in = producers_ask(pool, TASKS, &full);
	assert_non_null(in);
	assert_in_range(in->left, 1, TASKS / 4);
	assert_ok(weir_submit_batch(group, count_up, &count, 0, TASKS, NULL, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, TASKS);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* W8: what a thread has leave for counts when it asks again, and what it has not used it may use when there is no more. */
static void unused_leave_counts_and_stays(void **state)
{
	(void)state;
	enum { TASKS = 100000 };
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = TASKS));
	bool full;
	struct intake *in = NULL;
	for (int i = 0; i < 30; i++) {
		in = producers_ask(pool, UINT32_MAX, &full);
		assert_non_null(in);
		assert_in_range(in->left, 1, TASKS);
	}
	assert_in_range(in->left, TASKS - TASKS / 100, TASKS);
	/* As if others had submitted so many. */
	tally_add(&pool->tally, POOL_SUBMITTED, TASKS);
	uint32_t left = in->left;
	assert_ptr_equal(producers_ask(pool, UINT32_MAX, &full), in);
	assert_false(full);
	assert_int_equal(in->left, left);
	in->left = 0;
	assert_null(producers_ask(pool, TASKS, &full));
	assert_true(full);
	tally_add(&pool->tally, POOL_SUBMITTED, (uint64_t)-TASKS);
	end_pool(pool);
}

struct burster {
	pthread_t thread;
	struct leaver what;
	sem_t go, told, end;
};

static void *burst(void *argument)
{
	struct burster *burster = argument;
	struct leaver *leaver = &burster->what;
	sem_wait(&burster->go);
	for (int i = 0; i < BURST && !leaver->status; i++)
		leaver->status = weir_submit(leaver->group, count_up, leaver->count, NULL);
	sem_post(&burster->told);
	sem_wait(&burster->end);
	return NULL;
}

/* Each of many threads submits much, and no more after that. It fails where their lanes keep the segments of that, so that in the end
 * there are none, and others submit by the inbox. */
static void what_idle_threads_have_submitted_leaves_no_trace(void **state)
{
	(void)state;
	enum { TASKS = 4 * BURST, BURSTERS = 16 };
	static struct burster burster[BURSTERS];
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = TASKS));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	struct gate gate;
	for (int b = 0; b < BURSTERS; b++) {
		struct burster *one = &burster[b];
		one->what = (struct leaver){.pool = pool, .group = group, .count = &count};
		sem_init(&one->go, 0, 0);
		sem_init(&one->told, 0, 0);
		sem_init(&one->end, 0, 0);
		assert_int_equal(pthread_create(&one->thread, NULL, burst, one), 0);
	}
	for (int b = 0; b < BURSTERS; b++) {
		/* So that nothing is read before all of it is there. */
		gate = (struct gate){0};
		assert_ok(weir_submit(group, stay, &gate, NULL));
		await(&gate.there, 1);
		sem_post(&burster[b].go);
		sem_wait(&burster[b].told);
		assert_ok(burster[b].what.status);
		atomic_store(&gate.open, 1);
		assert_ok(weir_group_wait(group));
	}
	bool full;
	gate = (struct gate){0};
	assert_ok(weir_submit(group, stay, &gate, NULL));
	for (int i = 0; i < 3 * INTAKE_CALLS; i++) {
		assert_non_null(producers_ask(pool, 1, &full));
		assert_ok(weir_submit(group, count_up, &count, NULL));
	}
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	for (int b = 0; b < BURSTERS; b++) {
		sem_post(&burster[b].end);
		pthread_join(burster[b].thread, NULL);
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* W8: alone, a thread gets in exactly as many as tasks_max says, those that run and those that are held included. */
static void tasks_max_is_exact_for_one_thread(void **state)
{
	(void)state;
	enum { FULL = 3000, HELD = 77 };
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .tasks_max = FULL));
	weir_group *group = hostile_group(pool), *later = hostile_group(pool);
	for (int round = 0; round < 3; round++) {
		struct gate gate = {0};
		atomic_int count = 0;
		assert_ok(weir_submit(group, stay, &gate, NULL));
		assert_ok(weir_submit(group, stay, &gate, NULL));
		await(&gate.there, 2);
		assert_ok(weir_group_after(later, group));
		for (int i = 0; i < HELD; i++)
			assert_ok(weir_submit(later, count_up, &count, NULL));
		int rest = FULL - HELD - 2;
		if (round == 2) {
			size_t taken;
			assert_error(weir_submit_batch(group, count_up, &count, 0, FULL, NULL, &taken), WEIR_EFULL,
				     "options.tasks_max");
			assert_int_equal(taken, rest);
		}
		for (int i = 0; i < rest && round < 2; i++)
			assert_ok(weir_submit(group, count_up, &count, NULL));
		assert_error(weir_submit(group, count_up, &count, NULL), WEIR_EFULL, "options.tasks_max");
		assert_error(weir_submit(later, count_up, &count, NULL), WEIR_EFULL, "options.tasks_max");
		atomic_store(&gate.open, 1);
		assert_ok(weir_group_wait(later));
		assert_ok(weir_group_wait(group));
		assert_int_equal(count, FULL - 2);
	}
	assert_int_equal(counts_of(pool).refused, 7);
	assert_ok(weir_group_destroy(later));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct filler {
	weir_group *group;
	atomic_int *count;
	int in;
	weir_status status;
};

static void *fill_up(void *argument)
{
	struct filler *filler = argument;
	while (!(filler->status = weir_submit(filler->group, count_up, filler->count, NULL)))
		filler->in++;
	return NULL;
}

/* W8: together they get in at least as many; at most as many more as they had leave for when the last one asked. */
static void tasks_max_holds_for_many_threads(void **state)
{
	(void)state;
	enum { FULL = 20000, FILLERS = 4 };
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = FULL));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(group, stay, &gate, NULL));
	await(&gate.there, 1);
	struct filler filler[FILLERS];
	pthread_t thread[FILLERS];
	int in = 1;
	for (int t = 0; t < FILLERS; t++) {
		filler[t] = (struct filler){.group = group, .count = &count};
		assert_int_equal(pthread_create(&thread[t], NULL, fill_up, &filler[t]), 0);
	}
	for (int t = 0; t < FILLERS; t++) {
		pthread_join(thread[t], NULL);
		assert_int_equal(filler[t].status, WEIR_EFULL);
		in += filler[t].in;
	}
	assert_in_range(in, FULL, FULL + FULL / 4);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, in - 1);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct mover {
	atomic_long begun, ended;
};

static weir_status come_and_end(weir_task *task, void *argument)
{
	struct mover *mover = argument;
	(void)task;
	if (atomic_fetch_add(&mover->begun, 1) % 200 == 0)
		usleep(20); /* so that those behind it are stolen */
	atomic_fetch_add(&mover->ended, 1);
	return WEIR_OK;
}

/* W8, while calls go from lane to hand to hand: fails if what is on its way is missed, so that one thread gets in more than
 * tasks_max says, or counted twice, so that it is refused below. */
static void tasks_max_holds_while_calls_go_from_hand_to_hand(void **state)
{
	(void)state;
	enum { FULL = 1024, WORKERS = 4, ROUNDS = 2000 };
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = WORKERS, .tasks_max = FULL, .spin_ns = 1000));
	weir_group *group = hostile_group(pool);
	struct mover mover = {0};
	uint64_t random = fixture_seed("producers");
	long in = 0, above = 0, below = 0;
	for (int i = 0; i < ROUNDS; i++) {
		long there = in - atomic_load(&mover.ended); /* and up to WORKERS that end now */
		size_t taken = 0, wanted = 1 + fixture_random(&random) % 600;
		weir_status status = weir_submit_batch(group, come_and_end, &mover, 0, wanted, NULL, &taken);
		in += (long)taken;
		below += status && there + (long)taken + WORKERS < FULL;
		above += in - atomic_load(&mover.begun) > FULL;
		assert_true(!status || status == WEIR_EFULL);
	}
	assert_int_equal(above, 0);
	assert_int_equal(below, 0);
	assert_ok(weir_group_wait(group));
	assert_int_equal(mover.ended, in);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* The announce argument with a producer that has no barrier: fails by hanging. */
static void no_wake_up_is_lost(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .spin_ns = 1, .no_guests = true));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	uint64_t random = fixture_seed("producers");
	for (int i = 0; i < MANY; i++) {
		assert_ok(weir_submit(group, count_up, &count, NULL));
		if (i % 3 == 0)
			assert_ok(weir_submit(group, count_up, &count, NULL));
		for (uint64_t pause = fixture_random(&random) % 2000; pause; pause--)
			at_pause();
		assert_ok(weir_group_wait(group));
	}
	assert_int_equal(count, MANY + (MANY + 2) / 3);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Where all share one core, who looks on and on must let the others come. */
static void breathe(void)
{
	static _Thread_local uint32_t looks;
	if (++looks % 256 == 0)
		sched_yield();
	else
		at_pause();
}

struct visitor {
	weir_pool *pool;
	atomic_int turn, done;
	weir_status status;
};

/* A guest for a moment each turn; a negative one is the last. */
static void *visit(void *argument)
{
	struct visitor *visitor = argument;
	atomic_int own = 0;
	for (int turn = 1; !visitor->status; turn++) {
		while (atomic_load(&visitor->turn) < turn && atomic_load(&visitor->turn) >= 0)
			breathe();
		if (atomic_load(&visitor->turn) < 0)
			break;
		visitor->status = weir_pool_run(visitor->pool, count_up, &own, NULL);
		atomic_store(&visitor->done, turn);
	}
	return NULL;
}

/* I5, and park.h's argument: the pauses are such that the push comes as the worker, or a guest for it, goes to sleep. Who submits does not
 * wait by weir's means, and so never comes round to what lies. Without a barrier in it, one call in some thousands lies for ever. */
static void no_wake_up_is_lost_by_who_never_comes_round(void **state)
{
	(void)state;
	enum { CALLS = FIXTURE_SANITIZED ? 3000 : 20000, PAUSES = 60 };
	uint64_t random = fixture_seed("producers");
	for (int guests = 0; guests < 2; guests++) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = guests ? "numa:1 core:2 pu:1" : NULL,
							    .workers = 1, .spin_ns = 1, .no_guests = !guests));
		weir_group *group = hostile_group(pool);
		struct visitor visitor = {.pool = pool};
		atomic_int count = 0;
		pthread_t thread;
		bool lies = false;
		if (guests)
			assert_int_equal(pthread_create(&thread, NULL, visit, &visitor), 0);
		for (int i = 1; i <= CALLS && !lies; i++) {
			atomic_store(&visitor.turn, i);
			for (uint64_t pause = fixture_random(&random) % PAUSES; pause; pause--)
				at_pause();
			assert_ok(weir_submit(group, count_up, &count, NULL));
			uint64_t end_ns = weir_clock_monotonic_ns() + 20 * WEIR_NS_PER_S;
			while (atomic_load(&count) < i && !lies) {
				breathe();
				lies = weir_clock_monotonic_ns() > end_ns;
			}
			while (guests && atomic_load(&visitor.done) < i)
				breathe();
		}
		atomic_store(&visitor.turn, -1);
		if (guests)
			assert_int_equal(pthread_join(thread, NULL), 0);
		assert_false(lies);
		assert_ok(visitor.status);
		assert_ok(weir_group_wait(group));
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

static atomic_long sum;

static weir_status add_up(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add(&sum, *(int *)argument);
	return WEIR_OK;
}

static weir_status batch_inside(weir_task *task, void *argument)
{
	(void)task;
	weir_group *group = argument;
	static int numbers[100];
	for (int i = 0; i < 100; i++)
		numbers[i] = i;
	weir_status status = weir_submit_batch(group, add_up, numbers, sizeof(int), 100, NULL, NULL);
	return status ? status : weir_group_wait(group);
}

static void a_batch_gives_each_task_its_element(void **state)
{
	(void)state;
	struct element {
		char more[24];
		int number;
	};
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2));
	weir_group *group = hostile_group(pool), *inner = hostile_group(pool);
	struct element *element = calloc(MANY, sizeof(*element));
	assert_non_null(element);
	for (int i = 0; i < MANY; i++)
		element[i].number = i;
	for (size_t count = 0; count <= MANY; count = count * 3 + 1) {
		size_t taken = 1;
		sum = 0;
		assert_ok(weir_submit_batch(group, add_up, &element[0].number, sizeof(*element), count, NULL, &taken));
		assert_int_equal(taken, count);
		assert_ok(weir_group_wait(group));
		assert_int_equal(sum, count * (count - (count > 0)) / 2);
		/* With a demand, that a plain pool carries along. */
		sum = 0;
		assert_ok(weir_submit_batch(group, add_up, &element[0].number, sizeof(*element), count,
					    WEIR_DEMAND(.cores = 1), &taken));
		assert_ok(weir_group_wait(group));
		assert_int_equal(sum, count * (count - (count > 0)) / 2);
	}
	sum = 0;
	assert_ok(weir_submit(group, batch_inside, inner, NULL));
	assert_ok(weir_group_wait(group));
	assert_int_equal(sum, 4950);
	free(element);
	assert_ok(weir_group_destroy(inner));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_batch_stops_at_the_first_refusal(void **state)
{
	(void)state;
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true, .workers = 2));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	size_t taken = 7;
	assert_error(
		weir_submit_batch(group, stay, &gate, 0, 5, WEIR_DEMAND(.cores = 1, .when_short = WEIR_FAIL), &taken),
		WEIR_EAGAIN, "CPU");
	assert_int_equal(taken, 2);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_error(weir_submit_batch(NULL, stay, &gate, 0, 5, NULL, &taken), WEIR_EINVAL, "group");
	assert_int_equal(taken, 0);
	assert_error(weir_submit_batch(group, NULL, &gate, 0, 5, NULL, NULL), WEIR_EINVAL, "fn");
	assert_error(weir_submit_batch(group, stay, &gate, (size_t)1 << 48, 5, NULL, NULL), WEIR_EINVAL, "stride");
	weir_group_cancel(group);
	assert_error(weir_submit_batch(group, stay, &gate, 0, 5, NULL, &taken), WEIR_ECANCELED, "cancelled");
	assert_int_equal(taken, 0);
	assert_ok(weir_group_reset(group));
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
	assert_error(weir_submit_batch(group, stay, &gate, 0, 5, NULL, &taken), WEIR_ESHUTDOWN, "shut down");
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Calls of a group that is cancelled while they lie in a lane and in hands count as cancelled. */
static void what_is_cancelled_in_a_lane_does_not_run(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2));
	weir_group *group = hostile_group(pool), *other = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(other, stay, &gate, NULL));
	assert_ok(weir_submit(other, stay, &gate, NULL));
	await(&gate.there, 2);
	for (int i = 0; i < 500; i++)
		assert_ok(weir_submit(group, count_up, &count, NULL));
	assert_ok(weir_submit_batch(group, count_up, &count, 0, 1000, NULL, NULL));
	weir_group_cancel(group);
	atomic_store(&gate.open, 1);
	assert_int_equal(weir_group_wait(group), WEIR_ECANCELED);
	assert_ok(weir_group_wait(other));
	assert_int_equal(count, 0);
	assert_int_equal(counts_of(pool).cancelled, 1500);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(other));
	end_pool(pool);
}

/* A million tasks that wait from outside take at most 64 bytes each, the segments' headers and all. */
static void a_queued_task_takes_at_most_64_bytes(void **state)
{
	(void)state;
	enum { QUEUED = 1000000 };
	if (FIXTURE_SANITIZED)
		skip();
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(group, stay, &gate, NULL));
	await(&gate.there, 1);
	long before = fixture_resident_bytes();
	for (int i = 0; i < QUEUED; i++)
		assert_ok(weir_submit(group, count_up, &count, NULL));
	long more = fixture_resident_bytes() - before;
	print_message("%.1f bytes for a queued task\n", (double)more / QUEUED);
	assert_in_range(more, 1, 64L * QUEUED);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, QUEUED);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static int on_a_kernel_without(void)
{
	alarm(HANG_SECONDS);
	weir_pool *pool;
	weir_group *group;
	atomic_int count = 0;
	if (membarrier_ready() || weir_pool_create(&pool, WEIR_OPTIONS(.workers = 2, .spin_ns = 1)) ||
	    weir_group_create(&group, pool) || weir_producer_register(pool))
		return 1;
	for (int i = 0; i < MANY; i++) {
		if (weir_submit(group, count_up, &count, NULL) || (i % 4 == 0 && weir_group_wait(group)))
			return 2;
	}
	if (weir_submit_batch(group, count_up, &count, 0, MANY, NULL, NULL) || weir_group_wait(group) ||
	    count != 2 * MANY)
		return 3;
	return weir_group_destroy(group) || weir_pool_destroy(pool) ? 4 : 0;
}

static int forbidden;

static void it_goes_without_membarrier_too(void **state)
{
	(void)state;
	if (forbidden == NO_SECCOMP)
		skip();
	assert_int_equal(forbidden, 0);
}

int main(void)
{
	/* Before this process asks for it itself, and has threads. */
	forbidden = without_membarrier(on_a_kernel_without);
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_workers_tasks_run_in_the_order_of_one_producer),
		cmocka_unit_test(a_long_task_does_not_keep_those_behind_it),
		cmocka_unit_test(what_ended_threads_left_is_run),
		cmocka_unit_test(a_worker_with_a_producers_number_hands_the_lane_on),
		cmocka_unit_test(past_lanes_max_a_thread_shares_a_queue),
		cmocka_unit_test(past_lanes_max_a_thread_walks_the_lanes_once),
		cmocka_unit_test(nobody_gets_leave_for_more_than_a_quarter_of_its_share),
		cmocka_unit_test(unused_leave_counts_and_stays),
		cmocka_unit_test(what_idle_threads_have_submitted_leaves_no_trace),
		cmocka_unit_test(tasks_max_is_exact_for_one_thread),
		cmocka_unit_test(tasks_max_holds_for_many_threads),
		cmocka_unit_test(tasks_max_holds_while_calls_go_from_hand_to_hand),
		cmocka_unit_test(no_wake_up_is_lost),
		cmocka_unit_test(no_wake_up_is_lost_by_who_never_comes_round),
		cmocka_unit_test(a_batch_gives_each_task_its_element),
		cmocka_unit_test(a_batch_stops_at_the_first_refusal),
		cmocka_unit_test(what_is_cancelled_in_a_lane_does_not_run),
		cmocka_unit_test(a_queued_task_takes_at_most_64_bytes),
		cmocka_unit_test(it_goes_without_membarrier_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
