/* SPDX-License-Identifier: MIT */
/* foreign_test.c - a handle, a ticket or a reservation of one house is nothing in another that did just the same. B1, A1, K5:
 * they would fail by generations that begin at one number everywhere, so that a mixed-up handle ends another's grant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/weir.h>

#include "hostile.h"
#define counts_of house_counts_of
#include "house.h"

enum { HOUSES = 8 };

static const char one_node[] = "numa:1 core:4 pu:1";

/* In each of several trackers the same grant is taken; each one's handle is given in all others. */
static void a_grant_of_another_tracker_is_refused(void **state)
{
	(void)state;
	weir_tracker *tracker[HOUSES];
	weir_grant grant[HOUSES];
	for (int i = 0; i < HOUSES; i++) {
		assert_ok(weir_tracker_create(&tracker[i], WEIR_TRACKER_OPTIONS(.machine = one_node)));
		assert_ok(weir_tracker_take(tracker[i], WEIR_DEMAND(.cores = 1), &grant[i], NULL));
	}
	for (int i = 0; i < HOUSES; i++)
		for (int other = 0; other < HOUSES; other++) {
			weir_allocation allocation;
			if (other == i)
				continue;
			assert_error(weir_tracker_give(tracker[i], grant[other]), WEIR_ESTALE, "never taken here");
			assert_error(weir_tracker_look(tracker[i], grant[other], &allocation), WEIR_ESTALE, "not live");
			assert_error(weir_tracker_shrink(tracker[i], grant[other], &(weir_amount){0}), WEIR_ESTALE,
				     "not live");
		}
	for (int i = 0; i < HOUSES; i++) {
		assert_ok(weir_tracker_give(tracker[i], grant[i]));
		assert_ok(weir_tracker_destroy(tracker[i]));
	}
}

/* The same with one that waits, and with room that is held, in each. */
static void a_ticket_and_a_reservation_of_another_admission_are_refused(void **state)
{
	(void)state;
	struct house house[HOUSES];
	weir_reservation held[HOUSES];
	uint64_t ticket[HOUSES];
	for (int i = 0; i < HOUSES; i++) {
		build(&house[i], WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
		assert_ok(weir_reserve(house[i].admission, WEIR_DEMAND(.cores = 4), UINT64_MAX, &held[i]));
		ticket[i] = queue(&house[i], WEIR_DEMAND(.cores = 1), NULL).ticket;
	}
	for (int i = 0; i < HOUSES; i++)
		for (int other = 0; other < HOUSES; other++) {
			weir_admission *here = house[i].admission;
			weir_why why = {.size = sizeof(why)};
			weir_reserved reserved;
			if (other == i)
				continue;
			assert_error(weir_admission_cancel(here, ticket[other]), WEIR_ESTALE, "not of this");
			assert_error(weir_admission_why_pending(here, ticket[other], &why), WEIR_ESTALE, "not of this");
			assert_error(weir_reservation_release(here, held[other]), WEIR_ESTALE, "another admission");
			assert_error(weir_reservation_state(here, held[other], &reserved), WEIR_ESTALE,
				     "another admission");
			weir_demand demand = {.reservation = held[other]};
			assert_int_equal(weir_admission_admit(here, &demand, NULL, NULL).cause, WEIR_CAUSE_INVALID);
		}
	for (int i = 0; i < HOUSES; i++) {
		assert_ok(weir_admission_cancel(house[i].admission, ticket[i]));
		assert_ok(weir_reservation_release(house[i].admission, held[i]));
		pull_down(&house[i], 2 + HOUSES - 1);
	}
}

/* A number of a place that was never used says nothing, whatever its generation. */
static void a_place_that_was_never_used_has_no_state(void **state)
{
	(void)state;
	struct house house;
	weir_reservation held;
	weir_reserved reserved;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = one_node), (weir_admission_options){0});
	assert_ok(weir_reserve(house.admission, WEIR_DEMAND(.cores = 1), UINT64_MAX, &held));
	/* The next place has the generation that this one had before it was used. */
	weir_reservation never = {.handle = held.handle - (UINT64_C(1) << SLOTS_BITS) + 1};
	assert_error(weir_reservation_state(house.admission, never, &reserved), WEIR_ESTALE, "is over");
	assert_error(weir_reservation_release(house.admission, never), WEIR_ESTALE, "not held");
	assert_ok(weir_reservation_release(house.admission, held));
	pull_down(&house, 1);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_of_another_tracker_is_refused),
		cmocka_unit_test(a_ticket_and_a_reservation_of_another_admission_are_refused),
		cmocka_unit_test(a_place_that_was_never_used_has_no_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
