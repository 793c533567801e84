/* SPDX-License-Identifier: MIT */
/*
 * chain_busy_test.c - a hand in which everybody was decided by others while nobody could pull it back. H3, W2, L2.
 *
 * Fails if the grant is then given back under the handle that it had before it was renewed for nobody: its room never returns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"
#include "runtime/admission.h"
#include "runtime/pool.h"

enum { MANY = 40, TOKEN_IDLE = 0, TOKEN_BUSY = 1 };

/* As if another thread held the room's token, and were descheduled. */
static void hold_token(weir_pool *pool)
{
	uint32_t idle = TOKEN_IDLE;
	/* ORDER(token): acq_rel, as in kick.c. */
	while (!at_cas(&pool->admission->token, &idle, TOKEN_BUSY, acq_rel, relaxed, token))
		idle = TOKEN_IDLE;
}

static void let_token_go(weir_pool *pool)
{
	at_swap(&pool->admission->token, TOKEN_IDLE, acq_rel, token);
	/* A note that was left is ours to act on. */
	admission_settle(pool->admission);
}

static void a_grant_that_was_renewed_for_nobody_goes_back(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = 1,
						    .resource_aware = true, .limits = WEIR_LIMITS(.cores = 1)));
	weir_group *first = hostile_group(pool), *group = hostile_group(pool);
	struct gate gate = {0}, second = {0};
	atomic_int before = 0, count = 0;
	uint64_t ticket[MANY];
	assert_ok(weir_submit(first, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 1);
	/* They are short, so that hands get long. */
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_submit(first, count_up, &before, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(first, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < MANY; i++) {
		weir_decision decision;
		assert_ok(weir_submit_decision(group, count_up, &count, WEIR_DEMAND(.cores = 1), &decision));
		ticket[i] = decision.ticket;
	}
	atomic_store(&gate.open, 1);
	await(&second.there, 1);
	hold_token(pool);
	for (int i = 0; i < MANY; i++)
		assert_ok(weir_task_cancel(pool, ticket[i]));
	atomic_store(&second.open, 1);
	assert_ok(weir_group_wait(first));
	let_token_go(pool);
	assert_int_equal(weir_group_wait(group), WEIR_ECANCELED);
	assert_int_equal(atomic_load(&before), MANY);
	assert_int_equal(atomic_load(&count), 0);
	/* There is room again. */
	assert_ok(weir_pool_run(pool, count_up, &count, WEIR_DEMAND(.cores = 1, .when_short = WEIR_FAIL)));
	assert_int_equal(atomic_load(&count), 1);
	assert_ok(weir_group_destroy(first));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_grant_that_was_renewed_for_nobody_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
