/* SPDX-License-Identifier: MIT */
/* room_test.c - the waiting room as lists: the order of service, shapes, sweeping; against a plain sorted list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/room.h"

enum { NODES = 3, WAITERS = 600 };

static const weir_class order_of_service[WEIR_CLASSES] = {WEIR_CRITICAL, WEIR_HIGH, WEIR_NORMAL, WEIR_BEST_EFFORT};

static void make(struct waiter *waiter, weir_class task_class, int32_t priority, uint64_t units, uint32_t home)
{
	memset(waiter, 0, sizeof(*waiter));
	at_init(&waiter->state, WAITER_WAITING);
	waiter->demand = (weir_demand){.task_class = task_class, .priority = priority};
	waiter->wish = (struct wish){.units.main = units, .home = home, .home_only = home != NO_NODE};
}

static void make_room(struct room *room)
{
	assert_true(room_init(room, NODES));
}

/* R2 by a walk: all waiters, by way of the leaders. */
static uint32_t count_all(const struct room *room)
{
	uint32_t all = 0;
	for (int s = 0; s < WEIR_CLASSES; s++)
		for (const struct waiter *leader = room->service[s].first; leader; leader = leader->after)
			for (const struct waiter *one = leader; one; one = one->next)
				all++;
	return all;
}

/* R1: leaders by priority, then age; behind each leader its shape by age; lists that agree in both directions. R2: the
 * counts. R3: it would fail by a scan that stops before one that fits. */
static void check(const struct room *room, uint32_t lent)
{
	uint32_t at_nodes = 0;
	for (int s = 0; s < WEIR_CLASSES; s++) {
		const struct waiter *before = NULL;
		for (const struct waiter *leader = room->service[s].first; leader; leader = leader->after) {
			assert_ptr_equal(leader->before, before);
			for (int r = 0; r < WEIR_RESOURCES; r++)
				assert_true(packed_get(room->service[s].least, (weir_resource)r) <=
					    packed_get(leader->wish.units, (weir_resource)r));
			assert_int_equal(leader->demand.task_class, order_of_service[s]);
			if (before)
				assert_true(before->demand.priority > leader->demand.priority ||
					    (before->demand.priority == leader->demand.priority &&
					     waiter_order(before) < waiter_order(leader)));
			const struct waiter *last = leader;
			for (const struct waiter *one = leader->next; one; last = one, one = one->next)
				assert_true(waiter_order(one) > waiter_order(last) &&
					    one->wish.units.main == leader->wish.units.main);
			assert_ptr_equal(leader->last, last);
			before = leader;
		}
		assert_ptr_equal(room->service[s].last, before);
	}
	for (uint32_t n = 0; n < NODES; n++)
		at_nodes += room->at_node[n];
	assert_int_equal(room->count, room->everywhere + at_nodes);
	assert_int_equal(room->count, count_all(room) + lent);
}

/* Equal demands stand behind one leader; any difference in what they need makes another shape. */
static void equal_demands_form_one_shape(void **state)
{
	(void)state;
	struct room room;
	make_room(&room);
	static struct waiter same[100], other[5];
	for (int i = 0; i < 100; i++) {
		make(&same[i], WEIR_NORMAL, 0, 7, NO_NODE);
		room_add(&room, &same[i]);
	}
	assert_ptr_equal(room.service[2].first, &same[0]);
	assert_ptr_equal(room.service[2].last, &same[0]);
	make(&other[0], WEIR_NORMAL, 1, 7, NO_NODE);
	make(&other[1], WEIR_NORMAL, 0, 8, NO_NODE);
	make(&other[2], WEIR_NORMAL, 0, 7, 1);
	make(&other[3], WEIR_HIGH, 0, 7, NO_NODE);
	make(&other[4], WEIR_NORMAL, 0, 7, NO_NODE);
	other[4].wish.units.counted = 1;
	for (int i = 0; i < 5; i++)
		room_add(&room, &other[i]);
	check(&room, 0);
	assert_ptr_equal(room.service[1].first, &other[3]);
	const struct waiter *expected[] = {&other[0], &same[0], &other[1], &other[2], &other[4]};
	const struct waiter *leader = room.service[2].first;
	for (int i = 0; i < 5; i++, leader = leader->after)
		assert_ptr_equal(leader, expected[i]);
	assert_null(leader);
	assert_int_equal(room.count, 105);
	assert_int_equal(room.everywhere, 104);
	assert_int_equal(room.at_node[1], 1);
	room_fini(&room);
}

/* R1: the follower of a leader that leaves stands where its own age puts it. Fails if it inherits the leader's
 * place. */
static void a_follower_stands_at_the_place_of_its_own_age(void **state)
{
	(void)state;
	struct room room;
	make_room(&room);
	struct waiter a, b, c, a2;
	make(&a, WEIR_NORMAL, 0, 1, NO_NODE);
	make(&b, WEIR_NORMAL, 0, 2, NO_NODE);
	make(&a2, WEIR_NORMAL, 0, 1, NO_NODE);
	make(&c, WEIR_NORMAL, 0, 3, NO_NODE);
	struct waiter *all[] = {&a, &b, &a2, &c};
	for (int i = 0; i < 4; i++)
		room_add(&room, all[i]);
	room_remove(&room, &a);
	check(&room, 0);
	const struct waiter *expected[] = {&b, &a2, &c};
	const struct waiter *leader = room.service[2].first;
	for (int i = 0; i < 3; i++, leader = leader->after)
		assert_ptr_equal(leader, expected[i]);
	room_fini(&room);
}

/* A sweep takes out who is cancelled, by its own state or by its group's flag, wherever it stands, and nobody else. */
static bool is_cancelled(struct waiter *waiter, void *context)
{
	(void)context;
	return waiter_is_cancelled(waiter);
}

static void a_sweep_takes_out_the_cancelled_and_nobody_else(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("sweep");
	static struct waiter waiter[WAITERS];
	for (int round = 0; round < 40; round++) {
		struct room room;
		make_room(&room);
		_Atomic(uint32_t) flag;
		at_init(&flag, round & 1);
		int cancelled = 0;
		for (int i = 0; i < WAITERS; i++) {
			uint64_t r = fixture_random(&random);
			make(&waiter[i], (weir_class)(r % 4), (int32_t)(r >> 8 & 1), 1 + (r >> 16) % 5,
			     r >> 24 & 1 ? NO_NODE : (uint32_t)(r >> 32) % NODES);
			room_add(&room, &waiter[i]);
			if (r >> 40 & 1)
				waiter[i].cancelled = &flag;
			if (round > 1 && (r >> 41) % (unsigned)round == 0)
				waiter_set(&waiter[i], WAITER_CANCELLED);
			cancelled += waiter_is_cancelled(&waiter[i]);
		}
		int swept = 0;
		for (struct waiter *one = room_sweep(&room, is_cancelled, NULL); one; one = one->next, swept++)
			assert_true(waiter_is_cancelled(one));
		assert_int_equal(swept, cancelled);
		assert_int_equal(room.count, WAITERS - cancelled);
		check(&room, 0);
		for (int s = 0; s < WEIR_CLASSES; s++)
			for (struct waiter *leader = room.service[s].first; leader; leader = leader->after)
				for (struct waiter *one = leader; one; one = one->next)
					assert_false(waiter_is_cancelled(one));
		assert_null(room_sweep(&room, is_cancelled, NULL));
		room_fini(&room);
	}
}

/* Against a plain list: whoever a plain search for (class, priority, age) finds first is first in the room. */
static bool served_before(const struct waiter *a, const struct waiter *b)
{
	uint32_t s = room_service(a->demand.task_class), t = room_service(b->demand.task_class);
	if (s != t)
		return s < t;
	if (a->demand.priority != b->demand.priority)
		return a->demand.priority > b->demand.priority;
	return waiter_order(a) < waiter_order(b);
}

static void the_room_agrees_with_a_plain_list(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("room");
	static struct waiter waiter[WAITERS];
	struct waiter *plain[WAITERS];
	uint32_t made = 0, waiting = 0;
	struct room room;
	make_room(&room);
	while (made < WAITERS || waiting) {
		uint64_t r = fixture_random(&random);
		if (made < WAITERS && (!waiting || r % 5 < 3)) {
			struct waiter *one = &waiter[made++];
			make(one, (weir_class)(r >> 8 & 3), (int32_t)((r >> 16) % 5) - 2, 1 + (r >> 24) % 4,
			     r >> 32 & 3 ? NO_NODE : (uint32_t)(r >> 40) % NODES);
			room_add(&room, one);
			plain[waiting++] = one;
		} else {
			uint32_t best = 0;
			for (uint32_t i = 1; i < waiting; i++)
				if (served_before(plain[i], plain[best]))
					best = i;
			struct waiter *first = NULL;
			for (int s = 0; s < WEIR_CLASSES && !first; s++)
				first = room.service[s].first;
			assert_ptr_equal(first, plain[best]);
			/* Sometimes one further back leaves, as when the first does not fit. */
			struct waiter *leaves = r >> 48 & 1 && first->after ? first->after : first;
			room_remove(&room, leaves);
			for (uint32_t i = 0; i < waiting; i++)
				if (plain[i] == leaves)
					plain[i] = plain[--waiting];
		}
		if (made % 16 == 0)
			check(&room, 0);
		assert_int_equal(room.count, waiting);
	}
	room_fini(&room);
}

/* H2. What is lent is what would be served next on the place, in that order; what comes back stands where it stood. Fails if
 * a rival is passed by, or if a waiter comes back behind a younger one. */
static void what_is_lent_is_next_and_comes_back_to_its_place(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("lend");
	static struct waiter waiter[WAITERS];
	for (int round = 0; round < 30; round++) {
		struct room room;
		make_room(&room);
		for (int i = 0; i < WAITERS; i++) {
			uint64_t r = fixture_random(&random);
			make(&waiter[i], (weir_class)(r & 1), (int32_t)(r >> 8 & 1),
			     1 + (r >> 16) % (1 + (unsigned)round % 3),
			     r >> 32 & 3 ? NO_NODE : (uint32_t)(r >> 40) % NODES);
			waiter[i].demand.size = sizeof(weir_demand);
			waiter[i].may_be_lent = r >> 50 & 63;
			room_add(&room, &waiter[i]);
		}
		/* Two are lent to at a time. */
		struct waiter *lent[2][8];
		uint32_t count[2] = {0}, left = WAITERS;
		for (int turn = 0; left; turn ^= 1) {
			uint64_t r = fixture_random(&random);
			uint32_t place = (uint32_t)r % NODES;
			uint32_t gone = count[turn] ? (uint32_t)(r >> 16) % (count[turn] + 1) : 0;
			for (uint32_t l = gone; l < count[turn]; l++)
				lent[turn][l]->demand.size = sizeof(weir_demand);
			if (gone)
				room_lent_gone(&room, lent[turn][0]->wish.home, lent[turn][0]->wish.home_only, gone);
			if (gone < count[turn])
				room_take_back(&room, lent[turn] + gone, count[turn] - gone);
			left -= gone;
			count[turn] = 0;
			check(&room, count[!turn]);
			struct waiter *head = room_first_at(&room, place);
			if (!head || !head->may_be_lent) {
				/* It leaves otherwise. */
				for (int s = 0; s < WEIR_CLASSES && !head; s++)
					head = room.service[s].first;
				if (!head)
					continue;
				room_remove(&room, head);
				head->demand.size = 0;
				left--;
				continue;
			}
			count[turn] = room_lend(&room, head, place, lent[turn], 1 + (uint32_t)(r >> 8) % 8);
			assert_in_range(count[turn], 1, 8);
			assert_ptr_equal(lent[turn][0], head);
			for (uint32_t l = 0; l < count[turn]; l++)
				lent[turn][l]->demand.size = 0;
			/* Nobody who may start there, and is not lent, is served before one that is. */
			for (int i = 0; i < WAITERS; i++)
				if (waiter[i].demand.size &&
				    (!waiter[i].wish.home_only || waiter[i].wish.home == place))
					assert_false(served_before(&waiter[i], lent[turn][count[turn] - 1]));
			assert_int_equal(room.count, left);
		}
		room_fini(&room);
	}
}

/* Fails if who waited before the room remembered more is forgotten then, or if who is beyond the youngest is made up. */
static void who_comes_is_known_by_order_however_many_wait(void **state)
{
	(void)state;
	enum { QUEUE = 5 * ROOM_LATEST_FIRST + 7, MOST = 64 };
	static struct waiter waiter[QUEUE];
	struct waiter *out[MOST];
	struct room room;
	make_room(&room);
	for (int i = 0; i < QUEUE; i++) {
		make(&waiter[i], WEIR_NORMAL, 0, 1, NO_NODE);
		room_add(&room, &waiter[i]);
	}
	for (uint64_t order = 1; order <= QUEUE + MOST; order += 13) {
		uint64_t there = order > QUEUE ? 0 : QUEUE + 1 - order;
		uint32_t count = room_coming(&room, order, out, MOST);
		assert_int_equal(count, there < MOST ? there : MOST);
		for (uint32_t i = 0; i < count; i++)
			assert_ptr_equal(out[i], &waiter[order - 1 + i]);
	}
	for (int i = 0; i < QUEUE; i++)
		room_remove(&room, &waiter[i]);
	room_fini(&room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_lent_is_next_and_comes_back_to_its_place),
		cmocka_unit_test(equal_demands_form_one_shape),
		cmocka_unit_test(a_follower_stands_at_the_place_of_its_own_age),
		cmocka_unit_test(a_sweep_takes_out_the_cancelled_and_nobody_else),
		cmocka_unit_test(the_room_agrees_with_a_plain_list),
		cmocka_unit_test(who_comes_is_known_by_order_however_many_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
