/* SPDX-License-Identifier: MIT */
/* stress_producers_test.c - eight threads, and others that come and go, submit plain tasks from outside, one by one and in batches,
 * in groups that are waited for, cancelled and left to the pool's end; tasks submit and block; the pool is small, so that it is
 * full at times. Every task ends once (I4, D3, W1), none is forgotten by a sleeping worker (park.h), and what ran and what was
 * cancelled is what was submitted. */
#include "stress.h"

struct shared {
	weir_pool *pool;
	atomic_llong ran;
	atomic_llong submitted;
	atomic_llong cancelled; /* perhaps: in groups that were */
	atomic_llong full;
	atomic_llong twice;
};

/* Each element of a batch is run at most once. */
struct element {
	struct shared *shared;
	atomic_int runs;
	uint32_t work;
};

static weir_status run_once(weir_task *task, void *argument)
{
	struct element *element = argument;
	(void)task;
	if (atomic_fetch_add(&element->runs, 1))
		atomic_fetch_add(&element->shared->twice, 1);
	for (volatile uint32_t i = 0; i < element->work; i++)
		;
	if (element->work == 199)
		usleep(50);
	if (element->work == 198) {
		weir_blocking_begin();
		usleep(100);
		weir_blocking_end();
	}
	atomic_fetch_add(&element->shared->ran, 1);
	return WEIR_OK;
}

static void found(struct stress_thread *self, const char *what, weir_status status)
{
	if (status && !self->wrong[0])
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s: %s", what, weir_status_text(status), weir_error_text());
}

enum { ELEMENTS = 600 };

static void *submit_some(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	struct element *element = calloc(ELEMENTS, sizeof(*element));
	weir_group *group = NULL;
	found(self, "create", weir_group_create(&group, shared->pool));
	size_t in = 0;
	uint64_t r = fixture_random(&self->random);
	bool cancels = r % 8 == 0;
	for (size_t i = 0; i < ELEMENTS; i++)
		element[i] = (struct element){.shared = shared, .work = (uint32_t)(fixture_random(&self->random) % 200)};
	while (in < ELEMENTS && group && !self->wrong[0]) {
		r = fixture_random(&self->random);
		size_t wanted = r & 1 ? 1 : 1 + (r >> 8) % (ELEMENTS - in), taken = 0;
		weir_status status = wanted > 1 ? weir_submit_batch(group, run_once, &element[in], sizeof(*element), wanted, NULL, &taken)
						: weir_submit(group, run_once, &element[in], NULL);
		in += wanted > 1 ? taken : !status;
		if (status == WEIR_EFULL) {
			atomic_fetch_add(&shared->full, 1);
			usleep(20);
		} else {
			found(self, "submit", status);
		}
		if (cancels && r >> 40 & 1)
			break;
		if ((r >> 32) % 64 == 0)
			usleep(100);
	}
	atomic_fetch_add(&shared->submitted, (long long)in);
	self->operations += in;
	if (cancels)
		weir_group_cancel(group);
	weir_status status = weir_group_wait(group);
	found(self, "wait", cancels && status == WEIR_ECANCELED ? WEIR_OK : status);
	for (size_t i = 0; i < ELEMENTS; i++) {
		int runs = atomic_load(&element[i].runs);
		if (cancels && i < in && !runs)
			atomic_fetch_add(&shared->cancelled, 1);
		else if (runs != (i < in))
			found(self, "a task was lost, or ran that was refused", WEIR_EUSER);
	}
	found(self, "destroy", weir_group_destroy(group));
	free(element);
	return NULL;
}

/* Now by itself, now by a thread that ends with it. */
static void *come_and_go(void *argument)
{
	struct stress_thread *self = argument;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		pthread_t thread;
		if (fixture_random(&self->random) & 3 || pthread_create(&thread, NULL, submit_some, self))
			submit_some(self);
		else
			pthread_join(thread, NULL);
		if (fixture_random(&self->random) % 16 == 0)
			found(self, "unregister", weir_producer_unregister(((struct shared *)self->shared)->pool));
	}
	return NULL;
}

static void run(const weir_options *options)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.pool = hostile_pool(options)};
	assert_true(stress_run(threads, come_and_go, &shared, fixture_seed("producers")));
	assert_int_equal(shared.twice, 0);
	assert_int_equal(shared.ran + shared.cancelled, shared.submitted);
	print_message("%lld tasks, %lld cancelled, %lld times full\n", shared.submitted, shared.cancelled, shared.full);
	assert_int_equal(counts_of(shared.pool).submitted, shared.submitted);
	assert_int_equal(counts_of(shared.pool).cancelled, shared.cancelled);
	end_pool(shared.pool);
}

static void with_one_worker(void **state)
{
	(void)state;
	run(WEIR_OPTIONS(.workers = 1, .tasks_max = 1500, .lanes_max = 4, .spin_ns = 1));
}

static void with_more_workers_than_cores_on_two_nodes(void **state)
{
	(void)state;
	run(WEIR_OPTIONS(.machine = stress_machine, .workers = 9, .tasks_max = 4000, .stack_bytes = 1 << 20));
}

/* W5: a pool is destroyed while lanes and hands are full. */
static void pools_that_end_with_work_left(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("producers"), until_ns = stress_until_ns();
	struct shared shared = {0};
	static struct element element[ELEMENTS];
	while (weir_clock_monotonic_ns() < until_ns) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .spin_ns = 1, .stack_bytes = 1 << 20));
		weir_group *group = hostile_group(pool);
		memset(element, 0, sizeof(element));
		for (int i = 0; i < ELEMENTS; i++)
			element[i].shared = &shared;
		size_t half = fixture_random(&random) % ELEMENTS;
		assert_ok(weir_submit_batch(group, run_once, element, sizeof(*element), half, NULL, NULL));
		for (size_t i = half; i < ELEMENTS; i++)
			assert_ok(weir_submit(group, run_once, &element[i], NULL));
		bool cancel = fixture_random(&random) & 1;
		assert_ok(weir_pool_shutdown(pool, cancel ? WEIR_SHUTDOWN_CANCEL : WEIR_SHUTDOWN_DRAIN));
		weir_pool_counts counts = counts_of(pool);
		int ran = 0;
		for (int i = 0; i < ELEMENTS; i++)
			ran += atomic_load(&element[i].runs);
		assert_int_equal(counts.completed, ran);
		assert_int_equal(counts.completed + counts.cancelled, ELEMENTS);
		assert_true(cancel || ran == ELEMENTS);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
	assert_int_equal(shared.twice, 0);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_one_worker),
		cmocka_unit_test(with_more_workers_than_cores_on_two_nodes),
		cmocka_unit_test(pools_that_end_with_work_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
