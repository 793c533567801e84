/* SPDX-License-Identifier: MIT */
/* floor_test.c - errors, status texts, the log, thread numbers. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "private/error.h"
#include "private/log.h"
#include "private/rcu.h"
#include "private/thread.h"

static void every_status_has_a_text(void **state)
{
	(void)state;
	for (weir_status s = WEIR_OK; s <= WEIR_ETIME; s++)
		assert_string_not_equal(weir_status_text(s), "unknown status");
	assert_string_equal(weir_status_text(-1), "unknown status");
	assert_string_equal(weir_status_text(WEIR_ETIME + 1), "unknown status");
	assert_string_equal(weir_status_text(WEIR_EUSER + 7), "application error");
	assert_true(weir_status_retryable(WEIR_EAGAIN));
	assert_false(weir_status_retryable(WEIR_EINFEASIBLE));
}

static void *text_of_a_new_thread(void *out)
{
	strcpy(out, weir_error_text());
	return NULL;
}

static void the_error_text_is_the_threads_own(void **state)
{
	(void)state;
	assert_int_equal(error_set(WEIR_EINVAL, "workers is %d: give at least 1", -3), WEIR_EINVAL);
	assert_string_equal(weir_error_text(), "workers is -3: give at least 1");
	char other[600] = "?";
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, text_of_a_new_thread, other), 0);
	pthread_join(thread, NULL);
	assert_string_equal(other, "");
}

static void count_lines(weir_log_level level, const char *line, void *context)
{
	(void)level;
	(void)line;
	++*(int *)context;
}

static void the_log_is_off_until_asked_for_and_limited_in_rate(void **state)
{
	(void)state;
	int lines = 0;
	LOG(WEIR_LOG_ERROR, "goes nowhere");
	assert_int_equal(weir_log_set(WEIR_LOG_INFO, count_lines, &lines, 5), WEIR_OK);
	LOG(WEIR_LOG_DEBUG, "below the level");
	assert_int_equal(lines, 0);
	for (int i = 0; i < 1000; i++)
		LOG(WEIR_LOG_INFO, "line %d", i);
	/* At most two seconds were touched: 5 lines each, and the line that says how many were dropped. */
	assert_in_range(lines, 5, 12);
	assert_int_equal(weir_log_set((weir_log_level)9, NULL, NULL, 0), WEIR_EINVAL);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
}

static void *own_index(void *out)
{
	rcu_enter();
	rcu_leave();
	*(uint32_t *)out = thread_index();
	return NULL;
}

/* T1: a number is exclusive while its thread lives, and handed on after. */
static void thread_numbers_are_handed_on(void **state)
{
	(void)state;
	uint32_t mine = thread_index();
	uint32_t first = mine;
	for (int i = 0; i < 3000; i++) {
		uint32_t theirs = mine;
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, own_index, &theirs), 0);
		pthread_join(thread, NULL);
		assert_int_not_equal(theirs, mine);
		if (i == 0)
			first = theirs;
		assert_int_equal(theirs, first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_has_a_text),
		cmocka_unit_test(the_error_text_is_the_threads_own),
		cmocka_unit_test(the_log_is_off_until_asked_for_and_limited_in_rate),
		cmocka_unit_test(thread_numbers_are_handed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
