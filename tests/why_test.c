/* SPDX-License-Identifier: MIT */
/* why_test.c - why something waits. Y1: what is said is of the use that the ticket names, and whole. It would fail by an
 * amount, a holder or a place in the queue that is another's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include <weir/weir.h>

#include "hostile.h"
#define counts_of house_counts_of
#include "house.h"

static weir_why why_of(struct house *house, uint64_t ticket)
{
	weir_why why = {.size = sizeof(why)};
	assert_ok(weir_admission_why_pending(house->admission, ticket, &why));
	return why;
}

static void assert_text(const weir_why *why, const char *words)
{
	char text[1024];
	size_t length = weir_why_text(why, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	assert_int_equal(weir_why_text(why, NULL, sizeof(text)), length);
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static weir_demand on_node(uint32_t node, double cores, uint64_t memory_bytes)
{
	return *WEIR_DEMAND(.cores = cores, .memory_bytes = memory_bytes, .home = WEIR_NODE(node), .home_only = true);
}

/* What is short, by how much, who holds it, and which release would do. */
static void it_names_what_is_short_and_who_holds_it(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:2 core:8 pu:1"), (weir_admission_options){0});
	told_count = 0;
	weir_demand take = on_node(0, 2, MIB);
	assert_ok(weir_tracker_allocate(house.tracker, "job 17", &take, NULL));
	take = on_node(0, 3.5, MIB);
	assert_ok(weir_tracker_allocate(house.tracker, "job 18", &take, NULL));
	take = on_node(0, 0.5, 0);
	weir_grant small = admit(&house, &take);
	take = on_node(0, 0, 64 * MIB); /* holds nothing of what is short */
	weir_grant memory = admit(&house, &take);
	take = on_node(1, 8, 0); /* holds it elsewhere */
	weir_grant elsewhere = admit(&house, &take);
	weir_demand wants = on_node(0, 5, MIB);
	now_ns += 1000;
	uint64_t ticket = queue(&house, &wants, NULL).ticket;
	now_ns += 2 * WEIR_NS_PER_MS;
	weir_why why = why_of(&house, ticket);
	assert_false(why.held_back);
	assert_int_equal(why.waited_ns, 2 * WEIR_NS_PER_MS);
	assert_int_equal(why.ahead, 0);
	assert_int_equal(why.node, 0);
	assert_int_equal(why.short_resources, BIT(WEIR_CPU));
	assert_false(why.short_total);
	assert_true(why.missing.cores == 3);
	assert_int_equal(why.missing.memory_bytes, 0);
	assert_int_equal(why.eta_ns, UINT64_MAX);
	assert_int_equal(why.holders_in_all, 3);
	assert_int_equal(why.holders, 3);
	assert_string_equal(why.holder[0].id, "job 18");
	assert_true(why.holder[0].held.cores == 3.5);
	assert_string_equal(why.holder[1].id, "job 17");
	assert_int_equal(why.holder[2].grant.handle, small.handle);
	assert_int_equal(why.enough, 1);
	assert_text(&why, "waits for 2.000 ms, 0 ahead: short of CPU by 3 on node 0; nothing of it came back");
	assert_text(&why, "would start if there came back grant ");
	assert_text(&why, "\"job 18\" (CPU 3.5)");
	assert_int_equal(weir_admission_cancel(house.admission, ticket), WEIR_OK);
	/* It takes two, the largest first. */
	wants = on_node(0, 7.5, MIB);
	ticket = queue(&house, &wants, NULL).ticket;
	why = why_of(&house, ticket);
	assert_true(why.missing.cores == 5.5);
	assert_int_equal(why.enough, 2);
	assert_text(&why, "\"job 17\" (CPU 2)");
	/* And that is true. */
	assert_ok(weir_tracker_release(house.tracker, why.holder[0].id));
	assert_int_equal(told_count, 1);
	why = why_of(&house, ticket);
	assert_true(why.missing.cores == 2);
	assert_ok(weir_tracker_release(house.tracker, "job 17"));
	assert_int_equal(told_count, 2);
	weir_why gone = {.size = sizeof(gone)};
	assert_error(weir_admission_why_pending(house.admission, ticket, &gone), WEIR_ESTALE, "does not wait");
	release(&house, told[1].grant);
	release(&house, small);
	release(&house, memory);
	release(&house, elsewhere);
	pull_down(&house, 5);
}

static void a_node_and_a_total_and_counted_things_can_be_short_at_once(void **state)
{
	(void)state;
	struct house house;
	build(&house,
	      WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = WEIR_LIMITS(.memory_bytes = 64 * MIB, .counted = {3},
									       .counted_name = {"gpu"})),
	      (weir_admission_options){0});
	weir_grant a =
		admit(&house, WEIR_DEMAND(.cores = 3, .memory_bytes = 40 * MIB, .counted = {1}, .home = WEIR_NODE(0)));
	weir_grant b =
		admit(&house, WEIR_DEMAND(.cores = 4, .memory_bytes = 20 * MIB, .counted = {2}, .home = WEIR_NODE(1)));
	uint64_t ticket = queue(&house, WEIR_DEMAND(.cores = 2, .memory_bytes = 10 * MIB, .counted = {1}), NULL).ticket;
	weir_why why = why_of(&house, ticket);
	assert_int_equal(why.node, 0); /* the smaller part of a node is missing */
	assert_int_equal(why.short_resources, BIT(WEIR_CPU) | BIT(WEIR_MEMORY) | BIT(WEIR_COUNTED));
	assert_true(why.short_total);
	assert_string_equal(why.short_name, "gpu");
	assert_true(why.missing.cores == 1);
	assert_int_equal(why.missing.memory_bytes, 6 * MIB);
	assert_int_equal(why.missing.counted[0], 1);
	assert_int_equal(why.holders, 2);
	assert_int_equal(why.holder[0].grant.handle, a.handle);
	assert_int_equal(why.enough, 1);
	assert_text(&why, "short of CPU by 1, memory by 6291456 B, gpu by 1 in all, soonest on node 0");
	/* With releases known, room comes soonest where they are. */
	for (int i = 0; i < 300; i++) {
		weir_grant quick = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true));
		now_ns += WEIR_NS_PER_MS;
		release(&house, quick);
		rates_sample(&house.admission->rates, house.tracker->book, now_ns);
	}
	why = why_of(&house, ticket);
	assert_int_equal(why.eta_ns, UINT64_MAX); /* no memory and no gpu came back */
	assert_int_equal(weir_admission_cancel(house.admission, ticket), WEIR_OK);
	weir_grant last = admit(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true));
	ticket = queue(&house, WEIR_DEMAND(.cores = 1), NULL).ticket;
	why = why_of(&house, ticket);
	assert_int_equal(why.node, 0);
	assert_in_range(why.eta_ns, 8 * WEIR_NS_PER_MS / 10, 12 * WEIR_NS_PER_MS / 10);
	assert_text(&why, "room in about ");
	assert_int_equal(weir_admission_cancel(house.admission, ticket), WEIR_OK);
	release(&house, last);
	release(&house, a);
	release(&house, b);
	pull_down(&house, 3 + 300 + 2);
}

/* The order of service: class, then priority, then age. */
static void who_is_served_before_is_ahead(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1"), (weir_admission_options){0});
	weir_grant all = admit(&house, WEIR_DEMAND(.cores = 4));
	const struct {
		weir_class task_class;
		int32_t priority;
		uint64_t ahead;
	} cases[] = {
		{WEIR_NORMAL, 0, 4}, {WEIR_NORMAL, 5, 3},	    {WEIR_NORMAL, 0, 5},   {WEIR_BEST_EFFORT, 9, 7},
		{WEIR_HIGH, -3, 2},  {WEIR_CRITICAL, INT32_MIN, 1}, {WEIR_CRITICAL, 0, 0}, {WEIR_NORMAL, -1, 6},
	};
	uint64_t ticket[ARRAY_LENGTH(cases)];
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		ticket[i] = queue(&house,
				  WEIR_DEMAND(.cores = 1 + (double)i / 64, .task_class = cases[i].task_class,
					      .priority = cases[i].priority),
				  NULL)
				    .ticket;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		weir_why why = why_of(&house, ticket[i]);
		assert_int_equal(why.ahead, cases[i].ahead);
		assert_int_equal(why.task_class, cases[i].task_class);
		assert_true(why.missing.cores == 1 + (double)i / 64);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_int_equal(weir_admission_cancel(house.admission, ticket[i]), WEIR_OK);
	release(&house, all);
	pull_down(&house, 1 + ARRAY_LENGTH(cases));
}

static void more_holders_than_are_listed_are_counted_and_not_enough(void **state)
{
	(void)state;
	struct house house;
	enum { MANY = 20 };
	build(&house, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:20 pu:1"), (weir_admission_options){0});
	weir_grant grant[MANY];
	for (int i = 0; i < MANY; i++)
		grant[i] = admit(&house, WEIR_DEMAND(.cores = 1));
	uint64_t ticket = queue(&house, WEIR_DEMAND(.cores = 15), NULL).ticket;
	weir_why why = why_of(&house, ticket);
	assert_int_equal(why.holders_in_all, MANY);
	assert_int_equal(why.holders, WEIR_WHY_HOLDERS);
	assert_int_equal(why.enough, 0);
	assert_text(&why, "20 grants hold it, the largest 8 are not enough");
	for (int i = 0; i < MANY; i++)
		release(&house, grant[i]);
	release(&house, told[told_count - 1].grant);
	weir_why wrong = {.size = 3};
	assert_error(weir_admission_why_pending(house.admission, ticket, &wrong), WEIR_EINVAL, "out->size is 3");
	assert_error(weir_admission_why_pending(house.admission, ticket, NULL), WEIR_EINVAL, "out");
	assert_error(weir_admission_why_pending(NULL, ticket, &why), WEIR_EINVAL, "NULL");
	assert_error(weir_why_pending(NULL, ticket, &why), WEIR_EINVAL, "NULL");
	const uint64_t none[] = {0, 1, UINT64_MAX, ticket + (UINT64_C(1) << 24), ticket + 1};
	for (size_t i = 0; i < ARRAY_LENGTH(none); i++)
		assert_error(weir_admission_why_pending(house.admission, none[i], &why), WEIR_ESTALE, "does not wait");
	assert_int_equal(weir_why_text(NULL, NULL, 0), 0);
	pull_down(&house, MANY + 1);
}

static weir_status remain(weir_task *task, void *gate)
{
	(void)task;
	while (!atomic_load((atomic_int *)gate))
		usleep(200);
	return WEIR_OK;
}

static void a_task_is_asked_for_by_its_ticket(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = two_nodes, .resource_aware = true));
	weir_group *group = hostile_group(pool), *later = hostile_group(pool);
	atomic_int open = 0;
	weir_decision decision, kept;
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(group, remain, &open, WEIR_DEMAND(.cores = 4)));
	assert_ok(weir_submit_decision(group, remain, &open, WEIR_DEMAND(.cores = 3), &decision));
	assert_int_equal(decision.verdict, WEIR_QUEUED);
	weir_why why = {.size = sizeof(why)};
	assert_ok(weir_why_pending(pool, decision.ticket, &why));
	assert_true(why.missing.cores == 3);
	assert_int_equal(why.holders, 1);
	assert_int_equal(why.enough, 1);
	assert_ok(weir_group_after(later, group));
	assert_ok(weir_submit_decision(later, remain, &open, WEIR_DEMAND(.cores = 3), &kept));
	assert_ok(weir_why_pending(pool, kept.ticket, &why));
	assert_true(why.held_back);
	assert_text(&why, "kept back");
	atomic_store(&open, 1);
	assert_ok(weir_group_wait(later));
	assert_error(weir_why_pending(pool, decision.ticket, &why), WEIR_ESTALE, "does not wait");
	assert_error(weir_why_pending(pool, kept.ticket, &why), WEIR_ESTALE, "does not wait");
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(later));
	assert_ok(weir_pool_destroy(pool));
	pool = hostile_pool(WEIR_OPTIONS(.machine = two_nodes));
	assert_error(weir_why_pending(pool, 1, &why), WEIR_EINVAL, "plain");
	assert_ok(weir_pool_destroy(pool));
}

/* Y1, with threads: all is taken, so what is missing is the demand, and its amounts and class come from one number. */
enum { COMERS = 3, ASKERS = 3, TAGS = 256 };

struct crowd {
	weir_admission *admission;
	_Atomic(uint64_t) ticket[16];
	atomic_int stop;
	atomic_ullong asked, answered, torn;
};

static void ignore(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)ticket;
	(void)grant;
	(void)node;
	(void)cause;
	(void)context;
}

static void *come_and_go(void *argument)
{
	struct crowd *crowd = argument;
	uint64_t random = (uint64_t)(uintptr_t)&random;
	for (int i = 0; i < 3000; i++) {
		uint64_t tag = 1 + fixture_random(&random) % (TAGS - 1);
		weir_decision decision =
			weir_admission_admit(crowd->admission,
					     WEIR_DEMAND(.cores = (double)tag / 64, .memory_bytes = tag * 4096,
							 .task_class = (weir_class)(tag % WEIR_CLASSES)),
					     ignore, NULL);
		/* It stays until another takes its place. */
		uint64_t before = atomic_exchange(&crowd->ticket[fixture_random(&random) % 16], decision.ticket);
		if (before)
			(void)weir_admission_cancel(crowd->admission, before);
	}
	atomic_fetch_add(&crowd->stop, 1);
	return NULL;
}

static void *ask_why(void *argument)
{
	struct crowd *crowd = argument;
	while (atomic_load(&crowd->stop) < COMERS)
		for (int i = 0; i < 16; i++) {
			weir_why why = {.size = sizeof(why)};
			atomic_fetch_add(&crowd->asked, 1);
			if (weir_admission_why_pending(crowd->admission, atomic_load(&crowd->ticket[i]), &why))
				continue;
			uint64_t tag = (uint64_t)(why.missing.cores * 64);
			atomic_fetch_add(&crowd->answered, 1);
			if (!tag || why.missing.memory_bytes != tag * 4096 ||
			    why.task_class != (weir_class)(tag % WEIR_CLASSES) || why.enough != 1)
				atomic_fetch_add(&crowd->torn, 1);
		}
	return NULL;
}

static void what_is_said_is_of_one_use_while_tickets_come_and_go(void **state)
{
	(void)state;
	weir_tracker *tracker;
	static struct crowd crowd;
	assert_ok(weir_tracker_create(&tracker,
				      WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1",
							   .limits = WEIR_LIMITS(.memory_bytes = TAGS * 4096))));
	assert_ok(weir_admission_create(&crowd.admission, tracker, NULL));
	weir_usage usage;
	assert_ok(weir_tracker_usage(tracker, 0, &usage));
	assert_int_equal(usage.limit.memory_bytes, TAGS * 4096);
	weir_decision all =
		weir_admission_admit(crowd.admission, WEIR_DEMAND(.cores = 4, .memory_bytes = TAGS * 4096), NULL, NULL);
	assert_true(all.allowed);
	pthread_t thread[COMERS + ASKERS];
	for (int t = 0; t < COMERS + ASKERS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, t < COMERS ? come_and_go : ask_why, &crowd), 0);
	for (int t = 0; t < COMERS + ASKERS; t++)
		pthread_join(thread[t], NULL);
	for (int i = 0; i < 16; i++)
		assert_ok(crowd.ticket[i] ? weir_admission_cancel(crowd.admission, crowd.ticket[i]) : WEIR_OK);
	/* One that waits for certain is answered. */
	uint64_t ticket = weir_admission_admit(crowd.admission,
					       WEIR_DEMAND(.cores = 7.0 / 64, .memory_bytes = 7 * 4096), ignore, NULL)
				  .ticket;
	weir_why why = {.size = sizeof(why)};
	assert_ok(weir_admission_why_pending(crowd.admission, ticket, &why));
	assert_ok(weir_admission_cancel(crowd.admission, ticket));
	print_message("%llu asked, %llu answered\n", (unsigned long long)crowd.asked,
		      (unsigned long long)crowd.answered);
	assert_int_equal(crowd.torn, 0);
	assert_ok(weir_admission_release(crowd.admission, all.grant));
	assert_ok(weir_admission_destroy(crowd.admission));
	assert_ok(weir_tracker_destroy(tracker));
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_names_what_is_short_and_who_holds_it),
		cmocka_unit_test(a_node_and_a_total_and_counted_things_can_be_short_at_once),
		cmocka_unit_test(who_is_served_before_is_ahead),
		cmocka_unit_test(more_holders_than_are_listed_are_counted_and_not_enough),
		cmocka_unit_test(a_task_is_asked_for_by_its_ticket),
		cmocka_unit_test(what_is_said_is_of_one_use_while_tickets_come_and_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
