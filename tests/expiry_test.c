/* SPDX-License-Identifier: MIT */
/* expiry_test.c - the heap of those whose time ends: against a plain list (X1). Fails if somebody is forgotten, comes out
 * before its turn, or is linked to where it is no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/expiry.h"

enum { WAITERS = 500 };

/* X1, and links that agree in both directions. Returns how many are below and here. */
static uint32_t check(const struct waiter *waiter, const struct waiter *above)
{
	if (!waiter)
		return 0;
	assert_ptr_equal(waiter->expiry.up, above);
	if (above)
		assert_true(above->expires_ns <= waiter->expires_ns);
	uint32_t left = check(waiter->expiry.left, waiter);
	uint32_t right = check(waiter->expiry.right, waiter);
	assert_true(left >= right);
	return 1 + left + right;
}

static uint64_t least_of(struct waiter *const *in, uint32_t count)
{
	uint64_t least = EXPIRY_NEVER;
	for (uint32_t i = 0; i < count; i++)
		least = in[i]->expires_ns < least ? in[i]->expires_ns : least;
	return least;
}

static void the_heap_agrees_with_a_plain_list(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("expiry");
	static struct waiter waiter[WAITERS];
	for (int round = 0; round < 20; round++) {
		struct expiry expiry = {0};
		struct waiter *in[WAITERS];
		uint32_t made = 0, count = 0;
		assert_int_equal(expiry_next_ns(&expiry), EXPIRY_NEVER);
		while (made < WAITERS || count) {
			uint64_t r = fixture_random(&random);
			if (made < WAITERS && (!count || r % 5 < 3)) {
				struct waiter *one = &waiter[made++];
				/* In some rounds as they come from one wait_ns_max, in others at random, with ties. */
				one->expires_ns = round & 1 ? made : 1 + (r >> 8) % 100;
				expiry_add(&expiry, one);
				in[count++] = one;
			} else {
				/* The first, or anybody, as when it is granted or cancelled. */
				uint32_t at = (uint32_t)(r >> 8) % count;
				struct waiter *leaves = r >> 40 & 1 ? expiry.first : in[at];
				expiry_remove(&expiry, leaves);
				for (uint32_t i = 0; i < count; i++)
					if (in[i] == leaves)
						in[i] = in[--count];
			}
			assert_int_equal(expiry.count, count);
			assert_int_equal(expiry_next_ns(&expiry), least_of(in, count));
			if (made % 8 == 0)
				assert_int_equal(check(expiry.first, NULL), count);
		}
		assert_null(expiry.first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_heap_agrees_with_a_plain_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
