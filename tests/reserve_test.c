/* SPDX-License-Identifier: MIT */
/* reserve_test.c - room that is held ahead of a task: its states, and K5: it goes one way. They would fail by room that is
 * lost, or there twice (L2, looked at after every case), on a clock that only the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

#include <weir/weir.h>

#include "hostile.h"
#define counts_of house_counts_of
#include "house.h"

static const char one_node[] = "numa:1 core:4 pu:1";

static struct house house_of(const char *machine, weir_admission_options options)
{
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = machine), options);
	return house;
}

static weir_reservation reserve(struct house *house, const weir_demand *demand, uint64_t ttl_ns)
{
	weir_reservation reservation;
	assert_ok(weir_reserve(house->admission, demand, ttl_ns, &reservation));
	assert_true(reservation.handle != 0);
	return reservation;
}

static weir_reserved look_at(struct house *house, weir_reservation reservation)
{
	weir_reserved reserved;
	assert_ok(weir_reservation_state(house->admission, reservation, &reserved));
	return reserved;
}

static double cores_held(struct house *house)
{
	weir_usage usage;
	assert_ok(weir_tracker_usage(house->tracker, WEIR_ALL_NODES, &usage));
	return usage.held.cores;
}

static void tick(struct house *house)
{
	assert_ok(weir_admission_tick(house->admission, NULL));
}

/* One line for each way through the states: what is done to a held reservation, and where that leads. */
static void a_reservation_goes_one_way(void **state)
{
	(void)state;
	enum { NOTHING, BIND, BIND_AND_END, RELEASE, EXPIRE, BIND_LATE, BIND_THEN_EXPIRE };
	const struct {
		int what;
		weir_reserved_state then;
		weir_status release; /* after that */
		weir_status bind;
		double held;
		uint64_t bound, released, expired;
	} ways[] = {
		{NOTHING, WEIR_RESERVED_HELD, WEIR_OK, WEIR_OK, 3, 0, 0, 0},
		{BIND, WEIR_RESERVED_BOUND, WEIR_EBUSY, WEIR_ESTALE, 3, 1, 0, 0},
		{BIND_AND_END, WEIR_RESERVED_RELEASED, WEIR_EBUSY, WEIR_ESTALE, 0, 1, 0, 0},
		{RELEASE, WEIR_RESERVED_RELEASED, WEIR_ESTALE, WEIR_ESTALE, 0, 0, 1, 0},
		{EXPIRE, WEIR_RESERVED_EXPIRED, WEIR_ESTALE, WEIR_ESTALE, 0, 0, 0, 1},
		{BIND_LATE, WEIR_RESERVED_EXPIRED, WEIR_ESTALE, WEIR_ESTALE, 0, 0, 0, 1},
		{BIND_THEN_EXPIRE, WEIR_RESERVED_BOUND, WEIR_EBUSY, WEIR_ESTALE, 3, 1, 0, 0},
	};
	for (size_t w = 0; w < ARRAY_LENGTH(ways); w++) {
		for (int other = 0; other < 2; other++) { /* then it is released; bound */
			struct house house = house_of(one_node, (weir_admission_options){0});
			weir_reservation r = reserve(&house, WEIR_DEMAND(.cores = 3), 1000);
			uint64_t asked = 1;
			weir_decision decision = {0};
			assert_int_equal(look_at(&house, r).expires_ns, now_ns + 1000);
			assert_true(look_at(&house, r).amount.cores == 3);
			if (ways[w].what == BIND || ways[w].what == BIND_AND_END || ways[w].what == BIND_THEN_EXPIRE) {
				now_ns += 999;
				tick(&house);
				decision = ask(&house, WEIR_DEMAND(.reservation = r));
				assert_int_equal(decision.verdict, WEIR_ADMITTED);
				asked++;
			}
			if (ways[w].what == BIND_AND_END)
				release(&house, decision.grant);
			if (ways[w].what == RELEASE)
				assert_ok(weir_reservation_release(house.admission, r));
			if (ways[w].what >= EXPIRE)
				now_ns += 1000;
			if (ways[w].what == EXPIRE || ways[w].what == BIND_THEN_EXPIRE)
				tick(&house);
			if (ways[w].what == BIND_LATE) {
				assert_refused(ask(&house, WEIR_DEMAND(.reservation = r)), WEIR_REJECTED,
					       WEIR_CAUSE_INVALID, "invalid");
				assert_non_null(strstr(weir_error_text(), "expired"));
				asked++;
			}
			assert_int_equal(look_at(&house, r).state, ways[w].then);
			assert_true(cores_held(&house) == ways[w].held);
			weir_admission_counts counts = house_counts_of(&house);
			assert_int_equal(counts.reservations, 1);
			assert_int_equal(counts.reservations_bound, ways[w].bound);
			assert_int_equal(counts.reservations_released, ways[w].released);
			assert_int_equal(counts.reservations_expired, ways[w].expired);
			if (other) {
				weir_decision again = ask(&house, WEIR_DEMAND(.reservation = r));
				assert_int_equal(again.allowed, ways[w].bind == WEIR_OK);
				if (again.allowed)
					decision = again;
				asked++;
			} else {
				assert_int_equal(weir_reservation_release(house.admission, r), ways[w].release);
			}
			if (ways[w].what != BIND_AND_END && decision.grant.handle)
				release(&house, decision.grant);
			if (ways[w].what == BIND || ways[w].what == BIND_THEN_EXPIRE)
				assert_int_equal(look_at(&house, r).state, WEIR_RESERVED_RELEASED);
			assert_true(cores_held(&house) == 0);
			pull_down(&house, asked);
		}
	}
}

static void what_is_demanded_less_goes_back_at_once_and_more_is_refused(void **state)
{
	(void)state;
	struct house house = house_of(two_nodes, (weir_admission_options){0});
	weir_reservation r =
		reserve(&house, WEIR_DEMAND(.cores = 3, .memory_bytes = 64 * MIB, .home = WEIR_NODE(1)), UINT64_MAX);
	assert_int_equal(look_at(&house, r).node, 1);
	assert_int_equal(look_at(&house, r).expires_ns, UINT64_MAX);
	const struct {
		weir_demand demand;
		const char *word;
	} wrong[] = {
		{*WEIR_DEMAND(.cores = 3.5, .reservation = r), "CPU"},
		{*WEIR_DEMAND(.cores = 1, .memory_bytes = 65 * MIB, .reservation = r), "memory"},
		{*WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true, .reservation = r), "node 1"},
		{*WEIR_DEMAND(.cores = -1, .reservation = r), "demand.cores"},
		{*WEIR_DEMAND(.cores = 1, .reservation = {r.handle + (1 << 24)}), "not held"},
		{*WEIR_DEMAND(.cores = 1, .reservation = {UINT64_MAX}), "not held"},
		{*WEIR_DEMAND(.cores = 1, .reservation = {1}), "not held"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		assert_refused(ask(&house, &wrong[i].demand), WEIR_REJECTED, WEIR_CAUSE_INVALID, "invalid");
		assert_non_null(strstr(weir_error_text(), wrong[i].word));
		assert_int_equal(look_at(&house, r).state, WEIR_RESERVED_HELD);
	}
	/* Somebody waits for what goes back. */
	told_count = 0;
	(void)queue(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(1), .home_only = true), NULL);
	weir_decision decision = ask(&house, WEIR_DEMAND(.cores = 1, .memory_bytes = 1, .reservation = r));
	assert_true(decision.allowed);
	assert_int_equal(decision.node, 1);
	assert_int_equal(told_count, 1);
	weir_allocation allocation;
	assert_ok(weir_tracker_look(house.tracker, decision.grant, &allocation));
	assert_true(allocation.held.cores == 1);
	assert_true(cores_held(&house) == 4);
	release(&house, told[0].grant);
	release(&house, decision.grant);
	pull_down(&house, 1 + ARRAY_LENGTH(wrong) + 2);
}

static void what_cannot_be_reserved_says_why(void **state)
{
	(void)state;
	struct house house = house_of(one_node, (weir_admission_options){.reservations_max = 2});
	weir_reservation r = reserve(&house, WEIR_DEMAND(.cores = 1), UINT64_MAX), none = {7};
	const weir_demand *one = WEIR_DEMAND(.cores = 1);
	weir_admission *a = house.admission;
	assert_error(weir_reserve(a, WEIR_DEMAND(.cores = 4), 1, &none), WEIR_EAGAIN, "CPU is short");
	assert_int_equal(none.handle, 0);
	assert_error(weir_reserve(a, WEIR_DEMAND(.cores = 5), 1, &none), WEIR_EINFEASIBLE, "CPU");
	assert_error(weir_reserve(a, WEIR_DEMAND(.cores = 0), 1, &none), WEIR_EINVAL, "asks for nothing");
	assert_error(weir_reserve(a, WEIR_DEMAND(.cores = 1, .reservation = r), 1, &none), WEIR_EINVAL, "reservation");
	assert_error(weir_reserve(a, one, 0, &none), WEIR_EINVAL, "ttl_ns");
	assert_error(weir_reserve(a, one, 1, NULL), WEIR_EINVAL, "out");
	assert_error(weir_reserve(NULL, one, 1, &none), WEIR_EINVAL, "NULL");
	assert_error(weir_reserve(a, NULL, 1, &none), WEIR_EINVAL, "NULL");
	weir_reservation second = reserve(&house, one, UINT64_MAX);
	assert_error(weir_reserve(a, one, 1, &none), WEIR_EFULL, "reservations_max");
	/* A bound one's place is found again when its grant is gone. */
	weir_grant grant = admit(&house, WEIR_DEMAND(.reservation = second));
	assert_error(weir_reserve(a, one, 1, &none), WEIR_EFULL, "reservations_max");
	release(&house, grant);
	weir_reservation third = reserve(&house, one, UINT64_MAX);
	assert_error(weir_reservation_state(a, second, &(weir_reserved){0}), WEIR_ESTALE, "over");
	assert_error(weir_reservation_release(a, second), WEIR_ESTALE, "not held");
	assert_error(weir_reservation_release(a, (weir_reservation){0}), WEIR_ESTALE, "not held");
	assert_error(weir_reservation_release(NULL, r), WEIR_EINVAL, "NULL");
	assert_error(weir_reservation_state(a, (weir_reservation){0}, &(weir_reserved){0}), WEIR_ESTALE, "over");
	assert_error(weir_reservation_state(a, r, NULL), WEIR_EINVAL, "NULL");
	assert_string_equal(weir_reserved_state_name(WEIR_RESERVED_EXPIRED), "expired");
	assert_string_equal(weir_reserved_state_name((weir_reserved_state)9), "?");
	/* What is only observed would be admitted without room: that is no reservation. */
	assert_ok(weir_admission_set_rule(a, WEIR_ADMIT_OBSERVE));
	assert_ok(weir_reservation_release(a, third));
	assert_error(weir_reserve(a, WEIR_DEMAND(.cores = 4), 1, &none), WEIR_EAGAIN, "CPU is short");
	assert_int_equal(none.handle, 0);
	assert_ok(weir_admission_set_rule(a, WEIR_ADMIT_HARD));
	assert_ok(weir_reservation_release(a, r));
	admission_close(a);
	assert_error(weir_reserve(a, one, 1, &none), WEIR_ESHUTDOWN, "shut down");
	pull_down(&house, 8);
}

/* Held room is neither's who waits nor lower classes', and goes back when admission does. */
static void held_room_is_in_the_book_and_goes_back_with_admission(void **state)
{
	(void)state;
	struct house house = house_of(one_node, (weir_admission_options){.rule = WEIR_ADMIT_WATERMARK});
	weir_grant some = admit(&house, WEIR_DEMAND(.cores = 1, .memory_bytes = 1));
	weir_usage usage;
	assert_ok(weir_tracker_usage(house.tracker, WEIR_ALL_NODES, &usage));
	uint64_t rest = usage.limit.memory_bytes - usage.held.memory_bytes;
	weir_reservation r;
	assert_error(
		weir_reserve(house.admission, WEIR_DEMAND(.memory_bytes = rest, .task_class = WEIR_BEST_EFFORT), 1, &r),
		WEIR_EAGAIN, "higher classes");
	r = reserve(&house, WEIR_DEMAND(.memory_bytes = rest, .task_class = WEIR_CRITICAL), UINT64_MAX);
	assert_ok(weir_tracker_audit(house.tracker));
	assert_refused(ask(&house, WEIR_DEMAND(.memory_bytes = 1, .task_class = WEIR_CRITICAL)), WEIR_DEFERRED,
		       WEIR_CAUSE_SHORT, "memory is short");
	release(&house, some);
	assert_ok(weir_admission_destroy(house.admission));
	assert_ok(weir_tracker_usage(house.tracker, WEIR_ALL_NODES, &usage));
	assert_int_equal(usage.held.memory_bytes, 0);
	assert_int_equal(usage.grants, 0);
	assert_ok(weir_tracker_destroy(house.tracker));
}

/* Each at its own time, and the next time is always the nearest. */
static void many_expire_each_in_its_time(void **state)
{
	(void)state;
	enum { MANY = 200 };
	struct house house = house_of("numa:1 core:8 pu:1", (weir_admission_options){0});
	uint64_t random = fixture_seed("many_expire_each_in_its_time"), end[MANY], start = now_ns;
	weir_reservation r[MANY];
	for (int i = 0; i < MANY; i++) {
		uint64_t ttl_ns = 1 + fixture_random(&random) % 1000;
		r[i] = reserve(&house, WEIR_DEMAND(.cores = 1.0 / 64), ttl_ns);
		end[i] = now_ns + ttl_ns;
	}
	while (now_ns < start + 1001) {
		uint64_t next_ns, expected = UINT64_MAX;
		assert_ok(weir_admission_tick(house.admission, &next_ns));
		for (int i = 0; i < MANY; i++) {
			assert_int_equal(look_at(&house, r[i]).state,
					 end[i] <= now_ns ? WEIR_RESERVED_EXPIRED : WEIR_RESERVED_HELD);
			expected = end[i] > now_ns && end[i] < expected ? end[i] : expected;
		}
		if (expected == UINT64_MAX)
			break;
		assert_int_equal(next_ns, expected);
		now_ns += 1 + fixture_random(&random) % 40;
	}
	tick(&house);
	assert_true(cores_held(&house) == 0);
	pull_down(&house, MANY);
}

/* With a pool. --------------------------------------------------------------------------------------------------- */

struct seen {
	atomic_int runs;
	uint32_t cores, node;
	bool past;
	size_t bytes;
};

static weir_status see(weir_task *task, void *argument)
{
	struct seen *seen = argument;
	seen->cores = weir_task_cores(task);
	seen->node = weir_task_node(task);
	seen->past = weir_task_alloc(task, seen->bytes) && !weir_task_alloc(task, 64);
	atomic_fetch_add(&seen->runs, 1);
	return WEIR_OK;
}

static void a_task_starts_in_what_was_reserved_while_others_wait(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = two_nodes, .resource_aware = true));
	weir_admission *admission = weir_pool_admission(pool);
	weir_group *group = hostile_group(pool), *others = hostile_group(pool);
	weir_reservation r;
	assert_ok(weir_reserve(admission, WEIR_DEMAND(.cores = 4, .memory_bytes = MIB, .home = WEIR_NODE(1)),
			       3600 * WEIR_NS_PER_S, &r));
	struct seen other = {.bytes = MIB}, mine = {.bytes = MIB};
	weir_decision decision;
	assert_ok(weir_submit_decision(
		others, see, &other,
		WEIR_DEMAND(.cores = 4, .memory_bytes = MIB, .home = WEIR_NODE(1), .home_only = true), &decision));
	assert_int_equal(decision.verdict, WEIR_QUEUED);
	assert_ok(weir_submit_decision(group, see, &mine, WEIR_DEMAND(.reservation = r), &decision));
	assert_int_equal(decision.verdict, WEIR_ADMITTED);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_wait(others));
	assert_int_equal(mine.runs, 1);
	assert_int_equal(mine.cores, 4);
	assert_int_equal(mine.node, 1);
	assert_true(mine.past);
	assert_true(other.past);
	assert_error(weir_submit_decision(group, see, &mine, WEIR_DEMAND(.reservation = r), &decision), WEIR_ESTALE,
		     "not held");
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	/* The keeper gives back what nobody used, and who waits for it starts. */
	assert_ok(weir_reserve(admission, WEIR_DEMAND(.cores = 4, .home = WEIR_NODE(1)), WEIR_NS_PER_MS, &r));
	assert_ok(weir_submit(others, see, &other,
			      WEIR_DEMAND(.cores = 4, .memory_bytes = MIB, .home = WEIR_NODE(1), .home_only = true)));
	assert_ok(weir_group_wait(others));
	assert_int_equal(other.runs, 2);
	assert_error(weir_submit(group, see, &mine, WEIR_DEMAND(.cores = 1, .reservation = r)), WEIR_ESTALE, "expired");
	/* One is left to the end: the pool gives it back. */
	assert_ok(weir_reserve(admission, WEIR_DEMAND(.cores = 4), UINT64_MAX, &r));
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(others));
	assert_ok(weir_pool_destroy(pool));
}

/* K5 between two threads: one binds, one releases. Exactly one has it, and the one who comes too late hears to whom: EBUSY, not
 * that it is no more. */
struct race {
	struct house house;
	weir_reservation reservation;
	atomic_int round, done;
	weir_grant bound;
};

enum { RACES = 2000 };

static void *bind_each(void *argument)
{
	struct race *race = argument;
	for (int i = 1; i <= RACES; i++) {
		while (atomic_load(&race->round) < i)
			sched_yield();
		weir_demand demand = {.size = sizeof(demand), .reservation = race->reservation};
		race->bound = weir_admission_admit(race->house.admission, &demand, NULL, NULL).grant;
		atomic_store(&race->done, i);
	}
	return NULL;
}

static void who_releases_what_is_being_bound_hears_that_it_is(void **state)
{
	(void)state;
	static struct race race;
	pthread_t thread;
	race.house = house_of(one_node, (weir_admission_options){0});
	assert_int_equal(pthread_create(&thread, NULL, bind_each, &race), 0);
	for (int i = 1; i <= RACES; i++) {
		race.reservation = reserve(&race.house, WEIR_DEMAND(.cores = 1), UINT64_MAX);
		atomic_store(&race.round, i);
		for (int spin = i % 200; spin; spin--)
			at_pause();
		weir_status status = weir_reservation_release(race.house.admission, race.reservation);
		while (atomic_load(&race.done) < i)
			sched_yield();
		assert_int_equal(status, race.bound.handle ? WEIR_EBUSY : WEIR_OK);
		if (race.bound.handle)
			release(&race.house, race.bound);
	}
	pthread_join(thread, NULL);
	pull_down(&race.house, 2 * RACES);
}

/* The grant of a bound one is in the middle of a change, shrinking or growing: its room is held all the same. Fails if it is said to be
 * back, or if its place is used for another. */
static void a_bound_one_stays_bound_while_its_grant_changes(void **state)
{
	(void)state;
	struct house house = house_of(one_node, (weir_admission_options){.reservations_max = 1});
	weir_reservation bound = reserve(&house, WEIR_DEMAND(.cores = 2), UINT64_MAX), other;
	weir_grant grant = admit(&house, WEIR_DEMAND(.reservation = bound));
	struct book_record record;
	for (int round = 0; round < 3; round++) {
		assert_ok(book_begin_change(house.tracker->book, grant, &record));
		assert_int_equal(look_at(&house, bound).state, WEIR_RESERVED_BOUND);
		assert_error(weir_reserve(house.admission, WEIR_DEMAND(.cores = 1), UINT64_MAX, &other), WEIR_EFULL,
			     "reservations");
		tick(&house);
		assert_false(book_changed(house.tracker->book, grant, record.main, record.counted));
		assert_int_equal(look_at(&house, bound).state, WEIR_RESERVED_BOUND);
	}
	/* Given back in the middle of one: it is over for who gave it. */
	assert_ok(book_begin_change(house.tracker->book, grant, &record));
	release(&house, grant);
	assert_int_equal(look_at(&house, bound).state, WEIR_RESERVED_RELEASED);
	assert_true(book_changed(house.tracker->book, grant, record.main, record.counted));
	struct taken taken = tracker_taken(&record);
	(void)ledger_give(&house.tracker->ledger, &taken);
	other = reserve(&house, WEIR_DEMAND(.cores = 4), UINT64_MAX);
	assert_ok(weir_reservation_release(house.admission, other));
	pull_down(&house, 3);
}

/* A pool that is shut down drains although room is reserved for ever: K5, held -> released; it would hang, as nobody from
 * outside could use the room any more, nor have it back. */
static void a_shutdown_gives_back_what_is_held_and_reserves_no_more(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = one_node, .resource_aware = true));
	weir_admission *admission = weir_pool_admission(pool);
	weir_group *group = hostile_group(pool);
	weir_reservation held, none;
	weir_reserved reserved;
	struct seen seen = {.bytes = MIB};
	assert_ok(weir_reserve(admission, WEIR_DEMAND(.cores = 4), UINT64_MAX, &held));
	assert_ok(weir_submit(group, see, &seen, WEIR_DEMAND(.cores = 1, .memory_bytes = MIB)));
	assert_int_equal(weir_group_pending(group), 1);
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
	assert_int_equal(seen.runs, 1);
	assert_ok(weir_reservation_state(admission, held, &reserved));
	assert_int_equal(reserved.state, WEIR_RESERVED_RELEASED);
	assert_error(weir_reserve(admission, WEIR_DEMAND(.cores = 1), 1, &none), WEIR_ESHUTDOWN, "shut down");
	assert_int_equal(none.handle, 0);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_pool_destroy(pool));
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reservation_goes_one_way),
		cmocka_unit_test(what_is_demanded_less_goes_back_at_once_and_more_is_refused),
		cmocka_unit_test(what_cannot_be_reserved_says_why),
		cmocka_unit_test(held_room_is_in_the_book_and_goes_back_with_admission),
		cmocka_unit_test(many_expire_each_in_its_time),
		cmocka_unit_test(who_releases_what_is_being_bound_hears_that_it_is),
		cmocka_unit_test(a_task_starts_in_what_was_reserved_while_others_wait),
		cmocka_unit_test(a_bound_one_stays_bound_while_its_grant_changes),
		cmocka_unit_test(a_shutdown_gives_back_what_is_held_and_reserves_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
