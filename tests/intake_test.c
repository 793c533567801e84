/* SPDX-License-Identifier: MIT */
/* intake_test.c - each call comes out exactly once and in order (I4), is seen until then (I5), and segments come back. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/intake.h"

enum { MAX = 100000, TAKERS = 4, EACH = 200000, HANDFUL = 32 };

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return WEIR_OK;
}

static void *number(uintptr_t n)
{
	return (void *)n;
}

static bool push(struct intake *in, uintptr_t n, uint64_t run)
{
	if (!intake_open(in))
		return false;
	intake_write(in, nothing, number(n), NULL, run);
	intake_show(in);
	return true;
}

static uint32_t take(struct intake *in, struct call *out, uint32_t most)
{
	return intake_take(in, intake_see(in), out, most);
}

static uint32_t take_of(struct intake *in, struct call *out, uint32_t most, const weir_group *group)
{
	return intake_take_of(in, intake_see(in), out, most, group);
}

/* As if so much had gone through it already. */
static void begin_at(struct intake *in, uint32_t place, uint32_t pushed)
{
	in->place = place;
	in->pushed = pushed;
	at_store(&in->oldest, place >> INTAKE_SEGMENT_BITS, relaxed, none);
	in->given = place >> INTAKE_SEGMENT_BITS;
	at_store(&in->tail, (uint64_t)place << 32 | pushed, relaxed, none);
	at_store(&in->head, (uint64_t)place << 32 | pushed, relaxed, none);
}

struct house {
	struct slots *store;
	struct intake *in;
};

static struct house build(uint32_t calls_max, bool fenced)
{
	struct house house;
	assert_int_equal(intake_store_create(&house.store, calls_max), WEIR_OK);
	house.in = aligned_alloc(CACHE_LINE, sizeof(*house.in));
	assert_non_null(house.in);
	assert_int_equal(intake_init(house.in, house.store, calls_max, fenced), WEIR_OK);
	return house;
}

static void pull_down(struct house *house)
{
	intake_fini(house->in);
	free(house->in);
	slots_destroy(house->store);
}

/* I4, I5: fails if a segment's header is taken for a call, or the last call of one is lost. */
static void calls_come_out_in_the_order_of_the_pushes(void **state)
{
	(void)state;
	for (int fenced = 0; fenced < 2; fenced++) {
		struct house house = build(MAX, fenced);
		struct call out[HANDFUL];
		uintptr_t pushed = 0, taken = 0;
		assert_false(intake_any(house.in));
		assert_int_equal(take(house.in, out, HANDFUL), 0);
		for (uint32_t step = 1; step < 700; step += 37) {
			for (uint32_t i = 0; i < step; i++)
				assert_true(push(house.in, ++pushed, 0));
			assert_int_equal(intake_seen_calls(intake_see(house.in)), pushed - taken);
			while (taken < pushed) {
				assert_true(intake_any(house.in));
				uint32_t count = take(house.in, out, 1 + step % HANDFUL);
				assert_in_range(count, 1, 1 + step % HANDFUL);
				for (uint32_t i = 0; i < count; i++)
					assert_int_equal((uintptr_t)out[i].argument, ++taken);
			}
			assert_false(intake_any(house.in));
			assert_false(intake_hint(house.in));
		}
		/* One segment is enough for who never lies far behind. */
		for (int i = 0; i < 3000; i++) {
			assert_true(push(house.in, 1, 0));
			assert_int_equal(take(house.in, out, 1), 1);
		}
		assert_in_range(slots_count(house.store), 0, 4);
		pull_down(&house);
	}
}

/* A run is one entry and many calls; it is taken by itself, and its arguments are a stride apart. */
static void a_run_is_taken_as_a_whole(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct call out[HANDFUL];
	assert_true(push(house.in, 1, 0));
	assert_true(push(house.in, 100, call_run(256, 24)));
	assert_true(push(house.in, 7, call_run(2, 0)));
	assert_true(push(house.in, 2, 0));
	assert_int_equal(intake_seen_calls(intake_see(house.in)), 260);
	assert_int_equal(take(house.in, out, HANDFUL), 1);
	assert_int_equal(take(house.in, out, HANDFUL), 1);
	assert_int_equal(call_count(out[0].run), 256);
	assert_int_equal((uintptr_t)call_argument(&out[0], 0), 100);
	assert_int_equal((uintptr_t)call_argument(&out[0], 255), 100 + 255 * 24);
	assert_int_equal(intake_seen_calls(intake_see(house.in)), 3);
	assert_int_equal(take(house.in, out, 1), 1);
	assert_int_equal((uintptr_t)call_argument(&out[0], 1), 7);
	assert_int_equal(take(house.in, out, HANDFUL), 1);
	assert_int_equal(out[0].run, 0);
	assert_int_equal(intake_seen_calls(intake_see(house.in)), 0);
	pull_down(&house);
}

/* Places are 32 bits: what is there when they come round is taken as before. */
static void places_come_round(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct intake *in = house.in;
	begin_at(in, UINT32_MAX - 2 * INTAKE_PLACES + 1, UINT32_MAX - 100);
	struct call out[HANDFUL];
	for (uintptr_t n = 1; n <= 2000; n++)
		assert_true(push(in, n, 0));
	assert_int_equal(intake_seen_calls(intake_see(in)), 2000);
	for (uintptr_t n = 0; n < 2000;) {
		assert_true(intake_any(in));
		uint32_t count = take(in, out, HANDFUL);
		assert_int_not_equal(count, 0);
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal((uintptr_t)out[i].argument, ++n);
	}
	assert_false(intake_any(in));
	assert_true(push(in, 1, 0));
	pull_down(&house);
}

/* A directory that is full refuses, and goes on when there is room. */
static void a_full_one_refuses(void **state)
{
	(void)state;
	struct house house = build(INTAKE_CALLS, false);
	struct call out[1];
	uintptr_t pushed = 0;
	while (push(house.in, pushed + 1, 0))
		pushed++;
	assert_int_equal(pushed, 4 * INTAKE_CALLS);
	for (uintptr_t i = 0; i < INTAKE_CALLS; i++)
		assert_int_equal(take(house.in, out, 1), 1);
	assert_true(push(house.in, pushed + 1, 0));
	pull_down(&house);
}

/* I4: fails if a segment is used again while who has its calls may still be reading them. */
static void what_is_still_read_is_not_written_over(void **state)
{
	(void)state;
	struct house house = build(INTAKE_CALLS, false);
	struct intake *in = house.in;
	struct call out[HANDFUL];
	assert_true(push(in, 1, 0));
	_Atomic(uint64_t) *read = &in->segment[0].run;
	assert_int_equal(take(in, out, 1), 1);
	assert_int_equal(at_load(read, relaxed, none), 1);
	at_sub(read, 1, relaxed, none); /* as if it had not got so far yet */
	uintptr_t pushed = 1;
	for (; push(in, pushed + 1, 0); pushed++)
		assert_int_equal(take(in, out, HANDFUL), 1);
	assert_int_equal(pushed, 4 * INTAKE_CALLS);
	assert_int_equal(intake_seen_calls(intake_see(in)), 0);
	at_add(read, 1, relaxed, none);
	for (int i = 0; i < 8 * INTAKE_CALLS; i++) {
		assert_true(push(in, 1, 0));
		assert_int_equal(take(in, out, HANDFUL), 1);
	}
	pull_down(&house);
}

/* A taker that was stopped half way kept all that came after it from being given back: the producer took the store's segments, which
 * are all intakes', one after the other. Fails if more than a few are out meanwhile, or one is given back twice. */
static void who_is_stopped_keeps_one_segment(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct intake *in = house.in;
	struct call out[HANDFUL];
	begin_at(in, UINT32_MAX - 20 * INTAKE_PLACES + 1, UINT32_MAX - 5000);
	uintptr_t n = 0;
	for (int round = 0; round < 3; round++) {
		assert_true(push(in, ++n, 0));
		_Atomic(uint64_t) *read = &in->segment[0].run;
		assert_int_equal(take(in, out, 1), 1);
		at_sub(read, 1, relaxed, none); /* as if it had not got so far yet */
		for (int i = 0; i < 50 * INTAKE_CALLS; i++) {
			assert_true(push(in, ++n, 0));
			assert_int_equal(take(in, out, HANDFUL), 1);
			assert_int_equal((uintptr_t)out[0].argument, n);
		}
		assert_in_range(slots_count(house.store), 1, 4);
		at_add(read, 1, relaxed, none);
		for (int i = 0; i < 2 * INTAKE_CALLS; i++) {
			assert_true(push(in, ++n, 0));
			assert_int_equal(take(in, out, HANDFUL), 1);
		}
		assert_in_range(slots_count(house.store), 1, 2);
	}
	pull_down(&house);
}

/* Several that were stopped keep one each, and what lies between them comes back. It fails where the second one that was stopped has
 * all kept that come after it. */
static void those_who_are_stopped_keep_one_segment_each(void **state)
{
	(void)state;
	enum { STOPPED = 5, QUEUED = 20 };
	struct house house = build(MAX, false);
	struct intake *in = house.in;
	struct call out[HANDFUL];
	_Atomic(uint64_t) *read[STOPPED];
	begin_at(in, UINT32_MAX - 20 * INTAKE_PLACES + 1, UINT32_MAX - 5000);
	for (int s = 0; s < STOPPED; s++) {
		assert_true(push(in, 1, 0));
		read[s] = &in->segment[0].run;
		assert_int_equal(take(in, out, 1), 1);
		at_sub(read[s], 1, relaxed, none); /* as if it had not got so far yet */
		for (int i = 0; i < 3 * INTAKE_CALLS; i++) {
			assert_true(push(in, 1, 0));
			assert_int_equal(take(in, out, HANDFUL), 1);
		}
	}
	/* Behind a queue, of which nothing may be passed over. */
	for (int i = 0; i < QUEUED * INTAKE_CALLS; i++)
		assert_true(push(in, 1, 0));
	for (int i = 0; i < 50 * INTAKE_CALLS; i++) {
		assert_true(push(in, 1, 0));
		assert_int_equal(take(in, out, 1), 1);
	}
	assert_in_range(slots_count(house.store), STOPPED + QUEUED, STOPPED + QUEUED + 8);
	while (take(in, out, HANDFUL))
		;
	/* The youngest first. */
	for (int s = STOPPED; s-- > 0;)
		at_add(read[s], 1, relaxed, none);
	for (int i = 0; i < 2 * INTAKE_CALLS; i++) {
		assert_true(push(in, 1, 0));
		assert_int_equal(take(in, out, HANDFUL), 1);
	}
	assert_in_range(slots_count(house.store), 1, 2);
	pull_down(&house);
}

struct other {
	struct intake *in;
	_Atomic(int) over;
};

static void *collect_too(void *argument)
{
	struct other *other = argument;
	while (!at_load(&other->over, relaxed, none))
		intake_collect(other->in);
	return NULL;
}

/* Who pushes no more keeps nothing that was read if others look after it; and they may do so as it pushes. It fails where a segment
 * is given back by both: then two segments are one, and calls are lost. */
static void others_give_back_what_was_read(void **state)
{
	(void)state;
	enum { QUEUED = 20 * INTAKE_CALLS };
	struct house house = build(MAX, false);
	struct other other = {.in = house.in};
	struct call out[HANDFUL];
	pthread_t thread[2];
	for (int i = 0; i < QUEUED; i++)
		assert_true(push(house.in, 1, 0));
	for (uint32_t taken = 0; taken < QUEUED;)
		taken += take(house.in, out, HANDFUL);
	assert_int_equal(slots_count(house.store), 20);
	intake_collect(house.in);
	assert_int_equal(slots_count(house.store), 0);
	for (int t = 0; t < 2; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, collect_too, &other), 0);
	uint64_t random = fixture_seed("intake");
	uintptr_t pushed = 0, taken = 0;
	while (taken < (FIXTURE_SANITIZED ? 20 : 400) * (uintptr_t)QUEUED) {
		for (uint64_t n = fixture_random(&random) % 600; n; n--)
			assert_true(push(house.in, ++pushed, 0));
		while (taken < pushed) {
			uint32_t count = take(house.in, out, HANDFUL);
			assert_int_not_equal(count, 0);
			for (uint32_t i = 0; i < count; i++)
				assert_int_equal((uintptr_t)out[i].argument, ++taken);
		}
	}
	at_store(&other.over, 1, relaxed, none);
	for (int t = 0; t < 2; t++)
		pthread_join(thread[t], NULL);
	intake_collect(house.in);
	assert_int_equal(slots_count(house.store), !intake_is_open(house.in) ? 0 : 1);
	pull_down(&house);
}

/* I4: fails if a run among single calls is taken for one of them, or a header for either, wherever in a segment they are. */
static void runs_and_single_calls_are_told_apart(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct call out[HANDFUL];
	for (uint32_t before = 0; before < 2 * INTAKE_PLACES; before++) {
		assert_true(push(house.in, 1, 0));
		assert_true(push(house.in, 2, call_run(2, 1)));
		assert_true(push(house.in, 4, 0));
		uintptr_t n = 0;
		while (n < 4) {
			uint32_t count = take(house.in, out, HANDFUL);
			assert_int_not_equal(count, 0);
			for (uint32_t i = 0; i < count; i++)
				for (uint32_t c = 0; c < call_count(out[i].run); c++)
					assert_int_equal((uintptr_t)call_argument(&out[i], c), ++n);
		}
		assert_int_equal(take(house.in, out, HANDFUL), 0);
	}
	pull_down(&house);
}

/* One of a group that others lie behind: fails if those are taken as well, or if a hint looks at a header. */
static void those_of_one_group_are_taken_up_to_the_next(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct intake *in = house.in;
	weir_group *mine = number(64), *others = number(128);
	struct call out[HANDFUL];
	assert_false(intake_is_next(in, mine));
	for (uint32_t before = 0; before < 2 * INTAKE_PLACES; before += 3) {
		assert_true(intake_open(in));
		intake_write(in, nothing, number(1), mine, 0);
		intake_show(in);
		assert_true(intake_open(in));
		intake_write(in, nothing, number(2), mine, call_run(2, 0));
		intake_show(in);
		assert_true(intake_open(in));
		intake_write(in, nothing, number(3), others, 0);
		intake_show(in);
		assert_int_equal(take_of(in, out, HANDFUL, others), 0);
		for (uintptr_t n = 1; n <= 2; n++) {
			assert_true(intake_is_next(in, mine));
			assert_int_equal(take_of(in, out, HANDFUL, mine), 1);
			assert_int_equal((uintptr_t)out[0].argument, n);
		}
		assert_false(intake_is_next(in, mine));
		assert_int_equal(take_of(in, out, HANDFUL, mine), 0);
		assert_int_equal(take(in, out, HANDFUL), 1);
		assert_int_equal((uintptr_t)out[0].argument, 3);
		assert_false(intake_is_next(in, others));
	}
	pull_down(&house);
}

/* It fails where a directory has places for full segments only: calls_max calls may begin in the middle of one. */
static void there_is_room_for_calls_max_wherever_they_begin(void **state)
{
	(void)state;
	enum { SEGMENTS = 4, CALLS = SEGMENTS * INTAKE_CALLS };
	struct house house = build(CALLS, false);
	struct call out[1];
	for (uintptr_t i = 0; i < INTAKE_CALLS - 1; i++) {
		assert_true(push(house.in, 1, 0));
		assert_int_equal(take(house.in, out, 1), 1);
	}
	for (uintptr_t i = 0; i < CALLS; i++)
		assert_true(push(house.in, 1, 0));
	pull_down(&house);
}

/* As if a taker had looked at head long ago: its segment was given back meanwhile. It fails (by a fault) where the mark of that is
 * taken for a part of the segment's number. */
static void who_comes_late_finds_a_segment_and_loses(void **state)
{
	(void)state;
	struct house house = build(MAX, false);
	struct intake *in = house.in;
	struct call out[HANDFUL];
	for (int i = 0; i < 4 * INTAKE_CALLS; i++) {
		assert_true(push(in, 1, 0));
		assert_int_equal(take(in, out, 1), 1);
	}
	assert_true(push(in, 1, 0));
	uint64_t head = at_load(&in->head, relaxed, none);
	for (uint32_t place = 0; place < 4 * INTAKE_PLACES; place += 5) {
		at_store(&in->head, (uint64_t)place << 32, relaxed, none);
		assert_int_equal(take_of(in, out, HANDFUL, number(64)), 0);
	}
	at_store(&in->head, head, relaxed, none);
	assert_int_equal(take(in, out, 1), 1);
	pull_down(&house);
}

/* A taker that is stopped as it writes down what it reads: where it does so there is no memory, and what happens meanwhile happens in
 * the handler of the fault. */
static struct stopped {
	struct intake *in;
	char *page; /* the second of two is the missing one */
	size_t bytes;
	uint32_t taken;
	uint32_t refused;
} stopped;

static void happen_meanwhile(int signal)
{
	(void)signal;
	struct call out[HANDFUL];
	if (mprotect(stopped.page + stopped.bytes, stopped.bytes, PROT_READ | PROT_WRITE))
		abort();
	for (int i = 0; i < 20 * INTAKE_CALLS; i++) {
		if (!push(stopped.in, 9, i % 5 ? 0 : call_run(3, 1)))
			stopped.refused++;
		stopped.taken += take(stopped.in, out, HANDFUL);
	}
}

/* I4: fails if calls are counted as read before they are, so that they are overwritten meanwhile; or if those that were read before
 * head was moved are kept though it was moved by another. */
static void who_is_stopped_as_it_reads_has_what_it_took(void **state)
{
	(void)state;
	struct sigaction before, action = {.sa_handler = happen_meanwhile};
	stopped.bytes = (size_t)sysconf(_SC_PAGESIZE);
	stopped.page = mmap(NULL, 2 * stopped.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(stopped.page != MAP_FAILED);
	sigemptyset(&action.sa_mask);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	for (int runs = 0; runs < 2; runs++) {
		struct house house = build(MAX, false);
		struct call *out = (struct call *)(void *)(stopped.page + stopped.bytes) - 1;
		stopped.in = house.in;
		stopped.taken = 0;
		struct call rest[HANDFUL];
		/* The last of their segment. */
		for (int i = 0; i < INTAKE_CALLS - 3; i++) {
			assert_true(push(house.in, 1, 0));
			assert_int_equal(take(house.in, rest, 1), 1);
		}
		for (uintptr_t n = 1; n <= 3; n++)
			assert_true(push(house.in, n, 0));
		if (runs)
			assert_true(push(house.in, 4, call_run(2, 1)));
		assert_int_equal(mprotect(stopped.page + stopped.bytes, stopped.bytes, PROT_NONE), 0);
		uint32_t count = take(house.in, out, HANDFUL);
		assert_true(stopped.taken > 0);
		assert_int_equal(count, runs ? 0 : 3);
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal((uintptr_t)out[i].argument, i + 1);
		while (take(house.in, rest, HANDFUL))
			;
		assert_int_equal(intake_seen_calls(intake_see(house.in)), 0);
		pull_down(&house);
	}
	assert_int_equal(stopped.refused, 0);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(munmap(stopped.page, 2 * stopped.bytes), 0);
}

struct market {
	struct intake *in;
	_Atomic(int) seen[EACH];
	_Atomic(int) wrong;
	_Atomic(uint32_t) left;
	uint64_t random;
};

static void *take_all(void *argument)
{
	struct market *m = argument;
	struct call out[HANDFUL];
	uintptr_t last = 0;
	while (at_load(&m->left, relaxed, none)) {
		uint32_t count = take(m->in, out, 1 + (uint32_t)(last * 7 % HANDFUL));
		for (uint32_t i = 0; i < count; i++) {
			for (uint32_t c = 0; c < call_count(out[i].run); c++) {
				uintptr_t n = (uintptr_t)call_argument(&out[i], c);
				if (n <= last || n > EACH || at_add(&m->seen[n - 1], 1, relaxed, none))
					at_add(&m->wrong, 1, relaxed, none);
				last = n;
				at_sub(&m->left, 1, relaxed, none);
			}
		}
		if (!count)
			sched_yield();
	}
	return NULL;
}

/* I4: fails if an exchange succeeds on calls that were overwritten meanwhile: segments are used again all the time, and places
 * and calls come round. */
static void each_call_is_taken_once_by_many(void **state)
{
	(void)state;
	struct house house = build(2000, false);
	struct market *m = calloc(1, sizeof(*m));
	assert_non_null(m);
	m->in = house.in;
	begin_at(m->in, UINT32_MAX - 300 * INTAKE_PLACES + 1, UINT32_MAX - EACH / 2);
	m->random = fixture_seed("intake");
	at_init(&m->left, EACH);
	pthread_t thread[TAKERS];
	for (int t = 0; t < TAKERS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, take_all, m), 0);
	for (uintptr_t n = 1; n <= EACH;) {
		uint64_t r = fixture_random(&m->random);
		/* By turns with and without runs, which are taken another way. */
		uint32_t run = r % 16 || n / 8192 % 2 ? 0 : 2 + (uint32_t)(r >> 8) % 100;
		if (n + run > EACH)
			run = 0;
		if (!push(m->in, n, run ? call_run(run, 1) : 0))
			sched_yield();
		else
			n += run ? run : 1;
	}
	for (int t = 0; t < TAKERS; t++)
		pthread_join(thread[t], NULL);
	int missing = 0;
	for (int n = 0; n < EACH; n++)
		missing += at_load(&m->seen[n], relaxed, none) != 1;
	assert_int_equal(missing, 0);
	assert_int_equal(m->wrong, 0);
	assert_false(intake_any(house.in));
	free(m);
	pull_down(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_come_out_in_the_order_of_the_pushes),
		cmocka_unit_test(a_run_is_taken_as_a_whole),
		cmocka_unit_test(places_come_round),
		cmocka_unit_test(a_full_one_refuses),
		cmocka_unit_test(what_is_still_read_is_not_written_over),
		cmocka_unit_test(who_is_stopped_keeps_one_segment),
		cmocka_unit_test(those_who_are_stopped_keep_one_segment_each),
		cmocka_unit_test(others_give_back_what_was_read),
		cmocka_unit_test(runs_and_single_calls_are_told_apart),
		cmocka_unit_test(those_of_one_group_are_taken_up_to_the_next),
		cmocka_unit_test(there_is_room_for_calls_max_wherever_they_begin),
		cmocka_unit_test(who_comes_late_finds_a_segment_and_loses),
		cmocka_unit_test(who_is_stopped_as_it_reads_has_what_it_took),
		cmocka_unit_test(each_call_is_taken_once_by_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
