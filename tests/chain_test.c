/* SPDX-License-Identifier: MIT */
/* chain_test.c - grants that are handed on: to whom, in which order, and what is left behind. H2, H3, H4; A1, W2, L2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"

#define SLOT_BITS 24

enum { MANY = 100 };

/* What the tasks of a test saw, in the order in which they ran (one worker). */
struct seen {
	weir_pool *pool;
	weir_group *group;
	int ran;
	int what[2 * MANY];
	uint64_t handle[2 * MANY];
	int not_live;	/* a task's own grant was not in the book */
	int still_live; /* the one before it was */
	struct gate gate;
	atomic_int submitted; /* the larger one */
	atomic_int since;     /* rounds */
};

struct one {
	struct seen *seen;
	int what;
};

static weir_status note(weir_task *task, void *argument)
{
	struct one *one = argument;
	struct seen *seen = one->seen;
	weir_tracker *tracker = weir_pool_tracker(seen->pool);
	weir_allocation allocation;
	weir_grant grant = weir_task_grant(task);
	if (weir_tracker_look(tracker, grant, &allocation) || allocation.held.cores != 1 ||
	    allocation.node != weir_task_node(task))
		seen->not_live++;
	if (seen->ran && !weir_tracker_look(tracker, (weir_grant){.handle = seen->handle[seen->ran - 1]}, &allocation))
		seen->still_live++;
	seen->what[seen->ran] = one->what;
	seen->handle[seen->ran++] = grant.handle;
	return WEIR_OK;
}

static weir_pool *small_pool(const char *machine, uint32_t workers, double cores)
{
	return hostile_pool(WEIR_OPTIONS(.machine = machine, .workers = workers, .resource_aware = true,
					 .limits = WEIR_LIMITS(.cores = cores)));
}

static void close_gate(struct seen *seen, weir_group *group, const weir_demand *demand)
{
	assert_ok(weir_submit(group, stay, &seen->gate, demand));
	await(&seen->gate.there, 1);
}

/* Fails if the ledger is asked (the handles' slots would differ or their generations jump), if two tasks share a handle, or
 * if a task's grant is not live while it runs. */
static void a_grant_is_handed_on_under_a_new_handle(void **state)
{
	(void)state;
	struct seen seen = {.pool = small_pool("numa:1 core:1 pu:1", 1, 1)};
	weir_group *group = hostile_group(seen.pool);
	struct one one[MANY];
	close_gate(&seen, group, WEIR_DEMAND(.cores = 1));
	for (int i = 0; i < MANY; i++) {
		one[i] = (struct one){&seen, i};
		assert_ok(weir_submit(group, note, &one[i], WEIR_DEMAND(.cores = 1)));
	}
	atomic_store(&seen.gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(seen.ran, MANY);
	assert_int_equal(seen.not_live, 0);
	assert_int_equal(seen.still_live, 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(seen.what[i], i);
	for (int i = 1; i < MANY; i++)
		assert_int_equal(seen.handle[i], seen.handle[i - 1] + (UINT64_C(1) << SLOT_BITS));
	assert_ok(weir_group_destroy(group));
	end_pool(seen.pool);
}

static weir_status note_and_submit(weir_task *task, void *argument)
{
	struct one *one = argument;
	struct seen *seen = one->seen;
	static struct one urgent;
	urgent = (struct one){seen, -1};
	weir_status status = note(task, argument);
	return status ? status
		      : weir_submit(seen->group, note, &urgent, WEIR_DEMAND(.cores = 1, .task_class = WEIR_HIGH));
}

/* H2. The order of service stays what it is without chains: class, priority, age; whoever comes while others are in the chain
 * already, and is served before them, is next. Fails if a chain goes on past it. */
static void nobody_is_passed_by(void **state)
{
	(void)state;
	struct seen seen = {.pool = small_pool("numa:1 core:1 pu:1", 1, 1)};
	weir_group *group = seen.group = hostile_group(seen.pool);
	static const struct {
		weir_class task_class;
		int32_t priority;
	} kinds[] = {{WEIR_BEST_EFFORT, 5}, {WEIR_NORMAL, 0}, {WEIR_NORMAL, 1}, {WEIR_CRITICAL, 0}};
	static const int order[] = {3, 2, 1, 0};
	struct one one[MANY];
	close_gate(&seen, group, WEIR_DEMAND(.cores = 1));
	for (int i = 0; i < MANY; i++) {
		int kind = i % 4;
		one[i] = (struct one){&seen, kind * MANY + i};
		assert_ok(weir_submit(group, i == 2 ? note_and_submit : note, &one[i],
				      WEIR_DEMAND(.cores = 1, .task_class = kinds[kind].task_class,
						  .priority = kinds[kind].priority)));
	}
	atomic_store(&seen.gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(seen.ran, MANY + 1);
	int at = 0;
	for (int k = 0; k < 4; k++)
		for (int i = order[k]; i < MANY; i += 4) {
			assert_int_equal(seen.what[at++], order[k] * MANY + i);
			if (i == 2)
				assert_int_equal(seen.what[at++], -1);
		}
	assert_ok(weir_group_destroy(group));
	end_pool(seen.pool);
}

/* By a look each time: whoever keeps time has nothing to do before a test is over. */
static uint64_t barely_move(void *context)
{
	static atomic_ullong now_ns;
	(void)context;
	return atomic_fetch_add(&now_ns, 1) + 1;
}

/* H2, O1: the claimant is handed its grant, and what its claim had kept is open to who fits beside it, although nobody gives
 * anything back. Fails if that one waits until somebody does. */
static void what_a_claim_kept_is_open_once_the_claimant_was_handed_its_grant(void **state)
{
	(void)state;
	struct seen seen = {0};
	struct gate other = {0}, late = {0}, small = {0};
	seen.pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:10 pu:1", .workers = 3, .resource_aware = true,
					      .limits = WEIR_LIMITS(.cores = 10), .clock = {.now_ns = barely_move},
					      .admission_options = WEIR_ADMISSION_OPTIONS(.overtaken_ns_max = 1)));
	weir_group *group = hostile_group(seen.pool);
	close_gate(&seen, group, WEIR_DEMAND(.cores = 4));
	assert_ok(weir_submit(group, stay, &other, WEIR_DEMAND(.cores = 4)));
	await(&other.there, 1);
	assert_ok(weir_submit(group, stay, &late, WEIR_DEMAND(.cores = 4)));
	assert_ok(weir_submit(group, stay, &small, WEIR_DEMAND(.cores = 2)));
	assert_int_equal(atomic_load(&small.there), 0);
	atomic_store(&seen.gate.open, 1);
	await(&late.there, 1);
	await(&small.there, 1);
	atomic_store(&late.open, 1);
	atomic_store(&small.open, 1);
	atomic_store(&other.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(seen.pool);
}

/* H3, A1. The first of the chain holds everything up; the group of half of the others is cancelled. Fails if the cancelled
 * ones are not ended before the chain goes on, if one of them runs, or if one of the others is lost. */
static void who_is_in_a_chain_can_be_cancelled(void **state)
{
	(void)state;
	struct seen seen = {.pool = small_pool("numa:1 core:1 pu:1", 1, 1)};
	weir_group *group = hostile_group(seen.pool), *doomed = hostile_group(seen.pool);
	struct one one[MANY];
	struct gate second = {0};
	close_gate(&seen, group, WEIR_DEMAND(.cores = 1));
	assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++) {
		one[i] = (struct one){&seen, i};
		assert_ok(weir_submit(i % 2 ? doomed : group, note, &one[i], WEIR_DEMAND(.cores = 1)));
	}
	atomic_store(&seen.gate.open, 1);
	await(&second.there, 1);
	weir_group_cancel(doomed);
	assert_int_equal(weir_group_wait(doomed), WEIR_ECANCELED);
	atomic_store(&second.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(seen.ran, MANY / 2);
	for (int i = 0; i < seen.ran; i++)
		assert_int_equal(seen.what[i], 2 * i);
	assert_int_equal(counts_of(seen.pool).cancelled, MANY / 2);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(doomed));
	end_pool(seen.pool);
}

/* H4. A chain waits behind a task that stays; room comes from elsewhere. Fails if those in the chain do not start there. */
static void a_chain_is_no_prison(void **state)
{
	(void)state;
	weir_pool *pool = small_pool("numa:1 core:2 pu:1", 2, 2);
	weir_tracker *tracker = weir_pool_tracker(pool);
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, second = {0};
	atomic_int count = 0;
	weir_grant outside;
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &outside, NULL));
	assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&second.there, 1); /* it was handed the grant, and others are in the chain behind it */
	assert_int_equal(atomic_load(&count), 0);
	assert_ok(weir_tracker_give(tracker, outside));
	await(&count, MANY);
	atomic_store(&second.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static uint64_t stand_still(void *context)
{
	(void)context;
	return 1000;
}

/* Where time stands still tasks take none of it, so a hand gets as many as fit, and nobody looks at everybody. */
static weir_pool *timeless_pool(uint32_t workers)
{
	return hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = workers, .resource_aware = true,
					 .limits = WEIR_LIMITS(.cores = workers), .clock = {.now_ns = stand_still}));
}

/* H2. Tasks lie behind a long one in the hand of its worker. Fails if they wait for it, although another worker ends grants
 * that would do for them. */
static void who_is_behind_a_long_task_is_served_by_others(void **state)
{
	(void)state;
	weir_pool *pool = timeless_pool(2);
	weir_group *group = hostile_group(pool);
	for (int round = 0; round < 20; round++) {
		struct gate first = {0}, second = {0};
		atomic_int count = 0;
		for (int i = 0; i < 2; i++)
			assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
		await(&first.there, 2);
		for (int i = 0; i < 3 * MANY; i++) {
			assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
			if (i == MANY + round)
				assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
		}
		atomic_store(&first.open, 1);
		await(&count, 3 * MANY);
		await(&second.there, 1);
		atomic_store(&second.open, 1);
		assert_ok(weir_group_wait(group));
	}
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* H3, A1. Fails if one who was cancelled in a hand runs, if its canceller is told that it was not there, if one of the others is
 * lost, or if they run in another order. */
static void one_who_is_in_a_hand_can_be_cancelled_by_its_ticket(void **state)
{
	(void)state;
	struct seen seen = {.pool = timeless_pool(1)};
	weir_group *group = hostile_group(seen.pool), *before = hostile_group(seen.pool);
	struct one one[MANY];
	uint64_t ticket[MANY];
	struct gate second = {0};
	atomic_int count = 0;
	assert_ok(weir_submit(before, stay, &seen.gate, WEIR_DEMAND(.cores = 1)));
	await(&seen.gate.there, 1);
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(before, count_up, &count, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(before, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++) {
		weir_decision decision;
		one[i] = (struct one){&seen, i};
		assert_ok(weir_submit_decision(group, note, &one[i], WEIR_DEMAND(.cores = 1), &decision));
		ticket[i] = decision.ticket;
	}
	atomic_store(&seen.gate.open, 1);
	await(&second.there, 1);
	for (int i = 0; i < MANY; i += 2)
		assert_ok(weir_task_cancel(seen.pool, ticket[i]));
	assert_int_equal(weir_task_cancel(seen.pool, ticket[0]), WEIR_ESTALE);
	atomic_store(&second.open, 1);
	assert_int_equal(weir_group_wait(group), WEIR_ECANCELED);
	assert_ok(weir_group_wait(before));
	assert_int_equal(seen.ran, MANY / 2);
	for (int i = 0; i < seen.ran; i++)
		assert_int_equal(seen.what[i], 2 * i + 1);
	assert_int_equal(counts_of(seen.pool).cancelled, MANY / 2);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(before));
	end_pool(seen.pool);
}

/* How room comes back while others lie behind long tasks in the hands of those that run them. */
enum way { GIVEN, SHRUNK, RELEASED, LIMITS_GROW, TASK_ENDS, TASK_SHRINKS, TASK_GIVES_BACK, WAYS };

struct room_to_come {
	weir_pool *pool;
	enum way way;
	weir_group *group;
	weir_grant grant;
	weir_reservation reservation;
	struct gate gate; /* of the task that holds it */
	struct gate after;
};

static weir_status block(weir_task *task, void *argument)
{
	weir_blocking_begin();
	weir_status status = stay(task, argument);
	weir_blocking_end();
	return status;
}

static weir_status hold_room(weir_task *task, void *argument)
{
	struct room_to_come *room = argument;
	weir_status status = block(task, &room->gate);
	if (room->way == TASK_SHRINKS)
		status = weir_task_shrink(task, &(weir_amount){.cores = 1});
	else if (room->way == TASK_GIVES_BACK)
		status = weir_tracker_give(weir_pool_tracker(room->pool), weir_task_grant(task));
	return status || room->way == TASK_ENDS ? status : block(task, &room->after);
}

static void keep_room(struct room_to_come *room, uint32_t cores)
{
	weir_tracker *tracker = weir_pool_tracker(room->pool);
	if (room->way == GIVEN || room->way == SHRUNK)
		assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 2), &room->grant, NULL));
	else if (room->way == RELEASED)
		assert_ok(weir_reserve(weir_pool_admission(room->pool), WEIR_DEMAND(.cores = 2), UINT64_MAX,
				       &room->reservation));
	else if (room->way == LIMITS_GROW)
		assert_ok(weir_tracker_set_limits(tracker, WEIR_LIMITS(.cores = cores - 2)));
	else {
		assert_ok(weir_submit(room->group, hold_room, room, WEIR_DEMAND(.cores = 2)));
		await(&room->gate.there, 1);
	}
}

static void let_room_come(struct room_to_come *room, uint32_t cores)
{
	weir_tracker *tracker = weir_pool_tracker(room->pool);
	if (room->way == GIVEN)
		assert_ok(weir_tracker_give(tracker, room->grant));
	else if (room->way == SHRUNK)
		assert_ok(weir_tracker_shrink(tracker, room->grant, &(weir_amount){.cores = 1}));
	else if (room->way == RELEASED)
		assert_ok(weir_reservation_release(weir_pool_admission(room->pool), room->reservation));
	else if (room->way == LIMITS_GROW)
		assert_ok(weir_tracker_set_limits(tracker, WEIR_LIMITS(.cores = cores)));
	atomic_store(&room->gate.open, 1);
}

/* longs tasks stay, each in front of a hand; their workers block, or there are others. */
static void free_room_behind(weir_pool *pool, enum way way, int longs, int lead, int behind, bool blocks)
{
	uint32_t cores = (uint32_t)longs + 2;
	struct room_to_come room = {.pool = pool, .way = way};
	struct gate first = {0}, second = {0};
	atomic_int count = 0;
	weir_group *group = room.group = hostile_group(pool);
	keep_room(&room, cores);
	for (int i = 0; i < longs; i++)
		assert_ok(weir_submit(group, blocks ? block : stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, longs);
	for (int i = 0; i < lead; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < longs; i++)
		assert_ok(weir_submit(group, blocks ? block : stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < behind; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&second.there, longs);
	assert_true(longs > 1 || atomic_load(&count) < lead + behind);
	let_room_come(&room, cores);
	await(&count, lead + behind);
	atomic_store(&second.open, 1);
	atomic_store(&room.after.open, 1);
	if (way == SHRUNK)
		assert_ok(weir_tracker_give(weir_pool_tracker(pool), room.grant));
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
}

/* H4. Whatever way room comes back, those in hands start there, while the tasks before them in their hands stay, their workers
 * block or not. Fails (by a hang) if a release of some kind does not have the hands pulled back. */
static void whatever_frees_room_reaches_into_hands(void **state)
{
	(void)state;
	/* One alone is in the hand, and nobody in the room. */
	static const int leads[] = {0, 9, 40}, behinds[] = {1, MANY, MANY};
	for (int shape = 0; shape < 8; shape++) {
		int longs = shape % 2 ? 3 : 1;
		bool blocks = shape / 2 % 2;
		uint32_t cores = (uint32_t)longs + 2, nodes = shape / 4 ? 2 : 1;
		char machine[64];
		snprintf(machine, sizeof(machine), "numa:%u core:%u pu:1", nodes, cores);
		weir_pool *pool =
			hostile_pool(WEIR_OPTIONS(.machine = machine,
						  .workers = blocks && nodes == 1 ? (uint32_t)longs : nodes * cores,
						  .resource_aware = true, .limits = WEIR_LIMITS(.cores = cores),
						  .clock = {.now_ns = stand_still}));
		for (int round = 0; round < WAYS * 3; round++)
			free_room_behind(pool, (enum way)(round % WAYS), longs, leads[round / WAYS],
					 behinds[round / WAYS], blocks);
		end_pool(pool);
	}
}

struct crowd {
	atomic_int inside;
	atomic_int most;
	atomic_int count;
};

static weir_status be_inside(weir_task *task, void *argument)
{
	struct crowd *crowd = argument;
	(void)task;
	int inside = atomic_fetch_add(&crowd->inside, 1) + 1;
	if (inside > atomic_load(&crowd->most))
		atomic_store(&crowd->most, inside);
	usleep(20);
	atomic_fetch_sub(&crowd->inside, 1);
	atomic_fetch_add(&crowd->count, 1);
	return WEIR_OK;
}

/* L2. A limit comes down while others lie in hands: what is owed is paid before they are handed anything. Fails if two of
 * them run at a time, or if one is lost. */
static void a_limit_that_comes_down_binds_those_in_hands(void **state)
{
	(void)state;
	weir_pool *pool = timeless_pool(2);
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, second = {0};
	struct crowd crowd = {0};
	atomic_int count = 0;
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 2);
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(group, be_inside, &crowd, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&second.there, 2);
	assert_ok(weir_tracker_set_limits(weir_pool_tracker(pool), WEIR_LIMITS(.cores = 1)));
	atomic_store(&second.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(crowd.count, MANY);
	assert_int_equal(crowd.most, 1);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status go_round(weir_task *task, void *argument)
{
	struct seen *seen = argument;
	(void)task;
	atomic_fetch_add(&seen->gate.there, 1);
	int since = 0;
	/* Until the larger one is there, who submits it may need the processor (SCHED_FIFO). */
	if (atomic_load(&seen->submitted))
		since = atomic_fetch_add(&seen->since, 1);
	else
		usleep(50);
	return atomic_load(&seen->gate.open) || since > 200000
		       ? WEIR_OK
		       : weir_submit(seen->group, go_round, seen, WEIR_DEMAND(.cores = 1));
}

static weir_status end_the_round(weir_task *task, void *argument)
{
	struct seen *seen = argument;
	seen->ran = atomic_load(&seen->since);
	seen->not_live = weir_task_cores(task) != 2;
	atomic_store(&seen->gate.open, 1);
	return WEIR_OK;
}

/* Claims bind chains. Tasks of one core go round in a pool of two, each handing on its grant and coming again; one wants both
 * cores. Fails (by 200,000 rounds) if chains go on past its claim. */
static void a_flood_that_hands_on_does_not_starve_a_larger_one(void **state)
{
	(void)state;
	struct seen seen = {.pool = small_pool("numa:1 core:2 pu:1", 2, 2)};
	weir_group *group = seen.group = hostile_group(seen.pool);
	for (int i = 0; i < 40; i++)
		assert_ok(weir_submit(group, go_round, &seen, WEIR_DEMAND(.cores = 1)));
	await(&seen.gate.there, 100);
	assert_ok(weir_submit(group, end_the_round, &seen, WEIR_DEMAND(.cores = 2)));
	atomic_store(&seen.submitted, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(seen.not_live, 0);
	assert_in_range(seen.ran, 0, 200000);
	assert_ok(weir_group_destroy(group));
	end_pool(seen.pool);
}

static weir_status give_own_grant_back(weir_task *task, void *argument)
{
	return weir_tracker_give(argument, weir_task_grant(task));
}

/* L2. A grant that its task released is not handed on: its room is given once. */
static void what_is_released_already_is_not_handed_on(void **state)
{
	(void)state;
	weir_pool *pool = small_pool("numa:1 core:1 pu:1", 1, 1);
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < 20; i++)
		assert_ok(weir_submit(group, give_own_grant_back, weir_pool_tracker(pool), WEIR_DEMAND(.cores = 1)));
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_pool_drain(pool));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* On several nodes each has its chain: those who are bound to one run there, those who are not run somewhere, and the counts
 * are those of as many tasks. */
static void each_node_has_its_chain(void **state)
{
	(void)state;
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:4 core:2 pu:1", .workers = 8, .resource_aware = true));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	for (int i = 0; i < 8; i++)
		assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 8);
	for (int i = 0; i < 40 * MANY; i++)
		assert_ok(weir_submit(group, count_up, &count,
				      i % 3 ? WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(i % 4), .home_only = true)
					    : WEIR_DEMAND(.cores = 1)));
	weir_admission_counts before = {.size = sizeof(before)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &before));
	assert_int_equal(before.waiting, 40 * MANY);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 40 * MANY);
	weir_pool_counts ran = counts_of(pool);
	assert_true(ran.ran_home >= 40 * MANY / 3 * 2);
	assert_int_equal(ran.ran_away, 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_is_handed_on_under_a_new_handle),
		cmocka_unit_test(nobody_is_passed_by),
		cmocka_unit_test(what_a_claim_kept_is_open_once_the_claimant_was_handed_its_grant),
		cmocka_unit_test(who_is_in_a_chain_can_be_cancelled),
		cmocka_unit_test(a_chain_is_no_prison),
		cmocka_unit_test(who_is_behind_a_long_task_is_served_by_others),
		cmocka_unit_test(one_who_is_in_a_hand_can_be_cancelled_by_its_ticket),
		cmocka_unit_test(whatever_frees_room_reaches_into_hands),
		cmocka_unit_test(a_limit_that_comes_down_binds_those_in_hands),
		cmocka_unit_test(a_flood_that_hands_on_does_not_starve_a_larger_one),
		cmocka_unit_test(what_is_released_already_is_not_handed_on),
		cmocka_unit_test(each_node_has_its_chain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
