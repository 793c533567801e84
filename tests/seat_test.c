/* SPDX-License-Identifier: MIT */
/*
 * seat_test.c - lending a seat at moments that hardly ever come by themselves, by the functions that guests use. W10: who sleeps on
 * after its seat was lent must leave nobody asleep beside private work, or a fork waits for its thief for ever. And a guest must
 * not run what another left in the seat, or its own wait ends with a stranger's task; nor sit where there is one seat too many.
 */
#include "hostile.h"

#include <pthread.h>

#include "runtime/group.h"
#include "runtime/pending.h"
#include "runtime/producers.h"
#include "runtime/seat.h"
#include "runtime/worker.h"

#define INVENTED .machine = "numa:1 core:3 pu:1", .idle = WEIR_IDLE_BLOCK

enum { TURNS = 20, WORKERS_MAX = 3 };

/* A task that forks when it is told to. */
enum order { NOTHING, FORK_AND_JOIN, FORK_UNTIL_TAKEN, END };

struct servant {
	_Atomic(enum order) order;
	_Atomic(struct worker *) at;
	atomic_int taken;
	atomic_int untaken;
};

static weir_status be_taken(weir_task *task, void *argument)
{
	(void)task;
	struct servant *servant = argument;
	atomic_fetch_add(&servant->taken, worker_self != atomic_load(&servant->at));
	return WEIR_OK;
}

static weir_status fork_and_join(struct servant *servant)
{
	weir_status status = weir_fork(be_taken, servant);
	for (volatile int i = 0; i < 1000; i++)
		;
	return status ? status : weir_join();
}

/* Children again and again: who is asked makes the next one public. Long enough for any machine, shorter than what counts as a
 * hang. */
static weir_status fork_until_taken(struct servant *servant)
{
	uint64_t end_ns = weir_clock_monotonic_ns() + 20 * WEIR_NS_PER_S;
	atomic_store(&servant->taken, 0);
	while (!atomic_load(&servant->taken)) {
		weir_status status = fork_and_join(servant);
		if (status)
			return status;
		if (weir_clock_monotonic_ns() > end_ns) {
			atomic_store(&servant->untaken, 1);
			break;
		}
	}
	return WEIR_OK;
}

static weir_status serve(weir_task *task, void *argument)
{
	(void)task;
	struct servant *servant = argument;
	weir_status status = WEIR_OK;
	atomic_store(&servant->at, worker_self);
	while (!status) {
		enum order order = atomic_load(&servant->order);
		if (order == END)
			return WEIR_OK;
		if (order == NOTHING)
			continue;
		status = order == FORK_AND_JOIN ? fork_and_join(servant) : fork_until_taken(servant);
		atomic_store(&servant->order, NOTHING);
	}
	return status;
}

static void order(struct servant *servant, enum order what)
{
	atomic_store(&servant->order, what);
	while (what != END && atomic_load(&servant->order) != NOTHING)
		;
}

struct house {
	weir_pool *pool;
	weir_group *group;
	struct servant servant;
};

static void begin(struct house *house, uint32_t workers)
{
	house->pool = hostile_pool(WEIR_OPTIONS(.workers = workers, INVENTED));
	house->group = hostile_group(house->pool);
	assert_ok(weir_submit(house->group, serve, &house->servant, NULL));
	while (!atomic_load(&house->servant.at))
		usleep(100);
	order(&house->servant, FORK_UNTIL_TAKEN); /* who sleeps next sees that somebody runs, and is the searcher */
}

static void end(struct house *house)
{
	order(&house->servant, END);
	assert_ok(weir_group_wait(house->group));
	assert_int_equal(atomic_load(&house->servant.untaken), 0);
	assert_ok(weir_group_destroy(house->group));
	end_pool(house->pool);
}

/* The worker that looks for private work now and then, asleep; borrowed. */
static struct worker *borrow_the_searcher(weir_pool *pool, bool *called)
{
	for (;;) {
		uint32_t number = at_load(&pool->searcher, relaxed, none);
		if (number && seat_borrow(pool_worker(pool, number - 1), called))
			return pool_worker(pool, number - 1);
		usleep(10);
	}
}

static struct worker *borrow_of(struct worker *worker, bool *called)
{
	while (!seat_borrow(worker, called))
		usleep(10);
	return worker;
}

/* A guest finds that somebody else has taken its task. When the searcher's time is over it sleeps on, as it is announced: who forks
 * from then on must have been asked, or nobody ever looks. */
static void a_searcher_lent_in_vain_has_others_asked(void **state)
{
	(void)state;
	struct house house = {0};
	begin(&house, 2);
	for (int i = 0; i < TURNS && !atomic_load(&house.servant.untaken); i++) {
		bool called;
		struct worker *worker = borrow_the_searcher(house.pool, &called);
		order(&house.servant, FORK_AND_JOIN); /* it was asked before: now it is not */
		seat_give_back(worker, called);
		order(&house.servant, FORK_UNTIL_TAKEN);
	}
	end(&house);
}

/* It became the searcher as it was lent already; its time is over while the guest is at something long, and a third one sleeps. */
static void a_searcher_that_is_lent_for_long_has_others_asked(void **state)
{
	(void)state;
	struct house house = {0};
	begin(&house, WORKERS_MAX);
	struct worker *busy = atomic_load(&house.servant.at);
	for (int i = 0; i < TURNS && !atomic_load(&house.servant.untaken); i++) {
		bool called, other_called;
		struct worker *worker = borrow_the_searcher(house.pool, &called);
		uint32_t other = 0;
		while (pool_worker(house.pool, other) == busy || pool_worker(house.pool, other) == worker)
			other++;
		struct worker *third = borrow_of(pool_worker(house.pool, other), &other_called);
		order(&house.servant, FORK_AND_JOIN);
		seat_give_back(third, other_called);
		while (at_load(&house.pool->searcher, relaxed, none) == worker->number + 1)
			usleep(10);
		order(&house.servant, FORK_UNTIL_TAKEN);
		worker_self = worker;
		seat_give_back(worker, called);
	}
	end(&house);
}

static atomic_int strangers;
static pthread_t main_thread;

static weir_status be_a_strangers(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	atomic_fetch_add(&strangers, pthread_equal(pthread_self(), main_thread) != 0);
	return WEIR_OK;
}

static void *wake_late(void *argument)
{
	usleep(2000);
	park_wake(&((struct worker *)argument)->park);
	return NULL;
}

/* Another guest gave the seat back with a call in the hand, and its worker is woken, but has not come round. */
static void what_another_guest_left_is_left_to_the_worker(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	struct worker *worker = pool_worker(pool, 0);
	atomic_int ran = 0, own = 0;
	for (int i = 1; i <= TURNS; i++) {
		bool called;
		pthread_t waker;
		(void)borrow_of(worker, &called);
		group_count_one(group);
		tally_add(&pool->tally, POOL_SUBMITTED, 1);
		assert_true(handful_open(&worker->handful));
		worker->handful.call[0] = (struct call){.fn = be_a_strangers, .argument = &ran, .group = group};
		handful_close(&worker->handful, 1);
		worker_self = NULL;
		/* ORDER(seat): release, as in seat_give_back(): called, and so not announced. */
		at_store(&worker->seat, SEAT_ASLEEP, seq_cst, seat);
		assert_int_equal(pthread_create(&waker, NULL, wake_late, worker), 0);
		assert_ok(weir_pool_run(pool, count_up, &own, NULL));
		assert_ok(weir_group_wait(group));
		assert_int_equal(pthread_join(waker, NULL), 0);
		assert_int_equal(atomic_load(&ran), i);
		assert_int_equal(atomic_load(&own), i);
	}
	assert_int_equal(atomic_load(&strangers), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct theft {
	struct worker *worker;
	uint64_t end;
	atomic_int there;
};

static weir_status be_there(weir_task *task, void *argument)
{
	(void)task;
	struct theft *theft = argument;
	while (!atomic_load(&theft->there))
		usleep(10);
	return WEIR_OK;
}

static void *give_back_late(void *argument)
{
	struct theft *theft = argument;
	usleep(2000);
	/* ORDER(handful): release, as in handful_steal(). */
	at_store(&theft->worker->handful.end, theft->end, release, handful);
	atomic_store(&theft->there, 1);
	park_wake(&theft->worker->park);
	return NULL;
}

/* A thief had cut off the hand's one call, and gives it back as it finds that its owner reaches for it: meanwhile nothing seems to be
 * there. It fails where a guest looks at what there is alone, and then runs a stranger's call after its own. */
static void what_a_thief_gives_back_is_left_to_the_worker(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, INVENTED));
	weir_group *group = hostile_group(pool);
	struct worker *worker = pool_worker(pool, 0);
	struct handful *hand = &worker->handful;
	atomic_int ran = 0;
	strangers = 0;
	for (int i = 1; i <= TURNS; i++) {
		bool called;
		(void)borrow_of(worker, &called);
		group_count_one(group);
		tally_add(&pool->tally, POOL_SUBMITTED, 1);
		assert_true(handful_open(hand));
		hand->call[0] = (struct call){.fn = be_a_strangers, .argument = &ran, .group = group};
		handful_close(hand, 1);
		struct theft theft = {.worker = worker, .end = at_load(&hand->end, relaxed, none)};
		at_store(&hand->end, at_load(&hand->next, relaxed, none) | HANDFUL_AT_IT, relaxed, none);
		worker_self = NULL;
		/* ORDER(seat): release, as in seat_give_back(): called, and so not announced. */
		at_store(&worker->seat, SEAT_ASLEEP, seq_cst, seat);
		pthread_t thief;
		assert_int_equal(pthread_create(&thief, NULL, give_back_late, &theft), 0);
		assert_ok(weir_pool_run(pool, be_there, &theft, NULL));
		assert_ok(weir_group_wait(group));
		assert_int_equal(pthread_join(thief, NULL), 0);
		assert_int_equal(atomic_load(&ran), i);
	}
	assert_int_equal(atomic_load(&strangers), 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Until somebody else has run what lies there: longer than any machine takes, shorter than what counts as a hang. */
static weir_status wait_for_another(weir_task *task, void *argument)
{
	(void)task;
	atomic_int *ran = argument;
	uint64_t end_ns = weir_clock_monotonic_ns() + 20 * WEIR_NS_PER_S;
	while (!atomic_load(ran) && weir_clock_monotonic_ns() < end_ns)
		usleep(10);
	return atomic_load(ran) ? WEIR_OK : WEIR_EUSER;
}

/* W10: a push picked a worker, and a guest came before it woke: its wake is lost on a seat that is lent. It fails (with WEIR_EUSER)
 * where the guest, who is at something of its own, does not hand the call on. */
static void who_borrows_one_that_was_called_hands_the_call_on(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, INVENTED));
	weir_group *group = hostile_group(pool);
	struct worker *first = queue_member(&pool->queue[0], 0);
	for (int i = 0; i < TURNS; i++) {
		atomic_int ran = 0;
		bool full;
		while (at_load(&pool->queue[0].idle.announced, relaxed, none) < 2 || seat_is_taken(first) ||
		       seat_is_taken(queue_member(&pool->queue[0], 1)))
			usleep(100);
		/* A push that has not come so far as to wake whom it picked. */
		struct intake *in = producers_ask(pool, 1, &full);
		assert_non_null(in);
		group_count_one(group);
		tally_add(&pool->tally, POOL_SUBMITTED, 1);
		in->left--;
		intake_write(in, count_up, &ran, group, 0);
		intake_show_again(in);
		assert_true(idlers_retract(&pool->queue[0].idle, first->member));
		assert_ok(weir_pool_run(pool, wait_for_another, &ran, NULL));
		park_wake(&first->park);
		assert_ok(weir_group_wait(group));
	}
	assert_int_equal(counts_of(pool).lent, TURNS);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* As after a blocked task came back while its stand-in slept: there is one seat, and who sleeps among two is one too many. A guest
 * in each would be two at work in a pool of one. */
static void nobody_is_a_guest_while_a_worker_is_one_too_many(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, INVENTED));
	struct node_queues *queue = &pool->queue[0];
	atomic_int ran = 0;
	while (counts_of(pool).parked < 2)
		usleep(100);
	at_add(&queue->surplus, 1, relaxed, none);
	assert_ok(weir_pool_run(pool, count_up, &ran, NULL));
	assert_int_equal(counts_of(pool).lent, 0);
	/* One of them rests from the next boundary on; then there are guests again. */
	while (!counts_of(pool).lent)
		assert_ok(weir_pool_run(pool, count_up, &ran, NULL));
	assert_int_equal(at_load(&queue->surplus, relaxed, none), 0);
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	main_thread = pthread_self();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_searcher_lent_in_vain_has_others_asked),
		cmocka_unit_test(a_searcher_that_is_lent_for_long_has_others_asked),
		cmocka_unit_test(what_another_guest_left_is_left_to_the_worker),
		cmocka_unit_test(what_a_thief_gives_back_is_left_to_the_worker),
		cmocka_unit_test(who_borrows_one_that_was_called_hands_the_call_on),
		cmocka_unit_test(nobody_is_a_guest_while_a_worker_is_one_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
