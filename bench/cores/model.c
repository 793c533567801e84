/* SPDX-License-Identifier: MIT */
/*
 * model.c - the machine of model.h: whose turn it is, where the lines are, what is counted.
 *
 * Holds:     a thread's clock and state; who has a copy of each line; a count for each place in the program.
 * Invariant: one thread runs at a time (`running`), but for those who are away. It alone touches lines and counts.
 * Progress:  a thread that runs hands on when it is ahead of the earliest other by slack_ps.
 */
#include "model.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_BITS = 6, LINES_LOG2 = 21, PLACES_LOG2 = 14, MASK_WORDS = MODEL_THREADS_MAX / 64 };
enum { FILLS_MAX = 64 };
#define NEVER UINT64_MAX

/* Measured on 2 cores of an EPYC: locked, a bare locked instruction; transfer, a line that is handed to and fro (45, at times 210); keep, so
 * that the bare pair of bench/floor.h takes two threads what it takes there, 28 ns. access, so that one thread's rows come near to what is
 * measured. The others are assumed. */
struct model_costs model_costs = {
	.access_ps = 330,
	.locked_ps = 5300,
	.transfer_ps = 45000,
	.keep_ps = 28000,
	.fills = 12,
	.pause_ps = 12000,
	.call_ps = 1000000,
	.barrier_ps = 2000000,
	.wake_ps = 5000000,
	.slack_ps = 20000,
};

enum state { READY, ASLEEP, AWAY, AWAY_BRIEFLY, ENDED };

struct thread {
	uint64_t clock_ps;
	enum state state;
	uintptr_t asleep_at;
	uint64_t deadline_ps;
	bool late;		     /* its deadline came */
	uint64_t fill_ps[FILLS_MAX]; /* when the lines that were fetched ahead last are there, by turns */
	uint32_t fill;
	sem_t turn;
};

struct line {
	uintptr_t number;
	uint64_t has[MASK_WORDS]; /* a copy */
	uint64_t kept_ps;	  /* until then it stays with who has it, or gets it */
	uint32_t coming;	  /* to whom it was fetched ahead last, and when it is there */
	uint64_t comes_ps;
};

struct place {
	const void *address;
	uint64_t accesses, locked, failed, fetched, taken, ps;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all of threads but the running one's clock */
static struct thread thread[MODEL_THREADS_MAX];
static uint32_t threads;
static struct thread *running;
static _Atomic(uint64_t) limit_ps; /* the running one's clock beyond which it hands on */
static uint64_t latest_ps;	   /* when somebody last began to run */
static _Thread_local struct thread *me;

static struct line *line;
static struct place place[1 << PLACES_LOG2];
static struct model_counts counts;
static bool counting;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);

static void enter(void)
{
	(void)__real_pthread_mutex_lock(&lock);
}

static void leave(void)
{
	(void)pthread_mutex_unlock(&lock);
}

static void wrong(const char *what)
{
	fprintf(stderr, "cores: %s\n", what);
	abort();
}

/* Turns. --------------------------------------------------------------------------------------------------------- */

static uint64_t due_ps(const struct thread *t)
{
	if (t->state == READY)
		return t->clock_ps;
	return t->state == ASLEEP && t->deadline_ps != NEVER
		       ? (t->deadline_ps > t->clock_ps ? t->deadline_ps : t->clock_ps)
		       : NEVER;
}

/* Give the turn to the earliest, if anybody wants it. */
static void dispatch(void)
{
	struct thread *first = NULL;
	uint64_t first_ps = NEVER, second_ps = NEVER;
	bool back_soon = false;
	for (uint32_t i = 0; i < threads; i++) {
		uint64_t due = due_ps(&thread[i]);
		back_soon |= thread[i].state == AWAY_BRIEFLY;
		if (due < first_ps) {
			second_ps = first_ps;
			first_ps = due;
			first = &thread[i];
		} else if (due < second_ps) {
			second_ps = due;
		}
	}
	/* Nobody's sleep is over because somebody is busy with what takes no time. */
	if (first && first->state == ASLEEP && back_soon)
		first = NULL;
	running = first;
	if (!first)
		return;
	first->late = first->state == ASLEEP;
	first->state = READY;
	first->clock_ps = first_ps;
	latest_ps = first_ps;
	atomic_store_explicit(&limit_ps, second_ps == NEVER ? NEVER : second_ps + model_costs.slack_ps,
			      memory_order_relaxed);
}

/* Hand on; with `stay` until it is our turn again. Called with the lock, returns without. */
static void hand_on(bool stay)
{
	struct thread *self = me;
	dispatch();
	struct thread *next = running;
	leave();
	if (next == self && stay)
		return;
	if (next)
		sem_post(&next->turn);
	if (stay)
		while (sem_wait(&self->turn))
			;
}

static void no_later_than(uint64_t clock_ps)
{
	uint64_t limit = clock_ps + model_costs.slack_ps;
	if (limit < atomic_load_explicit(&limit_ps, memory_order_relaxed))
		atomic_store_explicit(&limit_ps, limit, memory_order_relaxed);
}

static void pass(uint64_t ps)
{
	me->clock_ps += ps;
	if (me->clock_ps > atomic_load_explicit(&limit_ps, memory_order_relaxed)) {
		enter();
		hand_on(true);
	}
}

bool model_in(void)
{
	return me;
}

uint64_t model_now_ns(void)
{
	/* From an hour on, so that nobody takes it for no time at all. */
	return UINT64_C(3600000000000) + (me ? me->clock_ps : latest_ps) / 1000;
}

void model_work(uint64_t ns)
{
	if (me)
		pass(ns * 1000);
}

void model_pause(void)
{
	if (me)
		pass(model_costs.pause_ps);
}

uint32_t model_thread_made(void)
{
	enter();
	if (threads == MODEL_THREADS_MAX)
		wrong("too many threads");
	struct thread *t = &thread[threads];
	if (sem_init(&t->turn, 0, 0))
		wrong("no semaphore");
	t->clock_ps = me ? me->clock_ps : latest_ps;
	t->state = READY;
	uint32_t number = threads++;
	no_later_than(t->clock_ps);
	leave();
	return number;
}

void model_thread_begin(uint32_t number)
{
	me = &thread[number];
	while (sem_wait(&me->turn))
		;
}

void model_thread_end(void)
{
	enter();
	me->state = ENDED;
	for (uint32_t i = 0; i < threads; i++)
		if (thread[i].state == ASLEEP && thread[i].asleep_at == (uintptr_t)me) {
			thread[i].state = READY;
			if (thread[i].clock_ps < me->clock_ps)
				thread[i].clock_ps = me->clock_ps;
		}
	hand_on(false);
	me = NULL;
}

void model_thread_await(uint32_t number)
{
	enter();
	if (thread[number].state == ENDED) {
		leave();
		return;
	}
	me->state = ASLEEP;
	me->asleep_at = (uintptr_t)&thread[number];
	me->deadline_ps = NEVER;
	hand_on(true);
}

void model_away(bool briefly)
{
	if (!me)
		return;
	enter();
	me->state = briefly ? AWAY_BRIEFLY : AWAY;
	hand_on(false);
}

void model_back(void)
{
	if (!me)
		return;
	enter();
	me->state = READY;
	if (me->clock_ps < latest_ps)
		me->clock_ps = latest_ps;
	if (!running) {
		hand_on(true);
		return;
	}
	no_later_than(me->clock_ps);
	leave();
	while (sem_wait(&me->turn))
		;
}

bool model_sleep(uintptr_t address, uint64_t deadline_ns)
{
	counts.waits += counting;
	me->clock_ps += model_costs.call_ps;
	enter();
	me->state = ASLEEP;
	me->asleep_at = address;
	me->deadline_ps = deadline_ns == UINT64_MAX ? NEVER : (deadline_ns - UINT64_C(3600000000000)) * 1000;
	hand_on(true);
	return !me->late;
}

void model_wake(uintptr_t address)
{
	enter();
	uint64_t now_ps = me ? me->clock_ps : latest_ps;
	for (uint32_t i = 0; i < threads; i++)
		if (thread[i].state == ASLEEP && thread[i].asleep_at == address) {
			thread[i].state = READY;
			if (thread[i].clock_ps < now_ps + model_costs.wake_ps)
				thread[i].clock_ps = now_ps + model_costs.wake_ps;
			thread[i].late = false;
			no_later_than(thread[i].clock_ps);
		}
	if (!running) {
		dispatch();
		if (running)
			sem_post(&running->turn);
	}
	leave();
	if (me) {
		counts.wakes += counting;
		pass(model_costs.call_ps);
	}
}

void model_barrier(void)
{
	if (!me)
		return;
	counts.barriers += counting;
	pass(model_costs.barrier_ps);
}

/* Lines. --------------------------------------------------------------------------------------------------------- */

static struct line *line_of(uintptr_t number)
{
	const uintptr_t mask = ((uintptr_t)1 << LINES_LOG2) - 1;
	for (uintptr_t i = number * UINT64_C(0x9e3779b97f4a7c15) >> (64 - LINES_LOG2), n = 0; n <= mask;
	     i = (i + 1) & mask, n++) {
		if (line[i].number == number)
			return &line[i];
		if (!line[i].number) {
			line[i].number = number;
			return &line[i];
		}
	}
	wrong("too many lines");
	return NULL;
}

static struct place *place_of(const void *address)
{
	const uintptr_t mask = ((uintptr_t)1 << PLACES_LOG2) - 1;
	for (uintptr_t i = (uintptr_t)address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - PLACES_LOG2), n = 0; n <= mask;
	     i = (i + 1) & mask, n++) {
		if (place[i].address == address)
			return &place[i];
		if (!place[i].address) {
			place[i].address = address;
			return &place[i];
		}
	}
	wrong("too many places");
	return NULL;
}

/* Who else has a copy, and whether we do. */
static bool others_have(const struct line *l, uint32_t self, bool *mine)
{
	uint64_t others = 0;
	for (uint32_t w = 0; w < MASK_WORDS; w++)
		others |= w == self / 64 ? l->has[w] & ~(UINT64_C(1) << self % 64) : l->has[w];
	*mine = l->has[self / 64] >> self % 64 & 1;
	return others;
}

/* From when on it is the calling thread's. True: it has to come from another, which takes a transfer. */
static bool move(uintptr_t number, bool writes, struct place *at, struct line **out, uint64_t *from_ps)
{
	struct line *l = line_of(number);
	uint32_t self = (uint32_t)(me - thread);
	bool mine, others = others_have(l, self, &mine);
	bool moves = others && (writes || !mine);
	*out = l;
	*from_ps = me->clock_ps;
	if (moves) {
		/* Whose it is keeps it until then, and uses it. */
		if (l->kept_ps > *from_ps)
			*from_ps = l->kept_ps;
		if (writes)
			l->kept_ps = *from_ps + model_costs.transfer_ps + model_costs.keep_ps;
		if (counting) {
			counts.taken += writes;
			counts.fetched += !writes;
			at->taken += writes;
			at->fetched += !writes;
		}
	}
	return moves;
}

static void own(struct line *l, bool writes)
{
	uint32_t self = (uint32_t)(me - thread);
	if (writes)
		for (uint32_t w = 0; w < MASK_WORDS; w++)
			l->has[w] = 0;
	l->has[self / 64] |= UINT64_C(1) << self % 64;
}

/* What one access to one line costs. */
static uint64_t touch(uintptr_t number, bool writes, struct place *at)
{
	struct line *l;
	uint64_t from_ps;
	bool moves = move(number, writes, at, &l, &from_ps);
	if (!moves && l->coming == me - thread && l->comes_ps > from_ps)
		from_ps = l->comes_ps;
	if (from_ps > me->clock_ps)
		pass(from_ps - me->clock_ps);
	own(l, writes);
	return moves ? model_costs.transfer_ps : 0;
}

void model_fetch_ahead(const void *address, int writes)
{
	if (!me || !address)
		return;
	struct place *at = place_of(__builtin_return_address(0));
	struct line *l;
	uint64_t from_ps;
	if (counting) {
		counts.accesses++;
		at->accesses++;
	}
	/* Who has as many under way as it can waits for the oldest. */
	uint64_t *fill_ps = &me->fill_ps[me->fill % model_costs.fills];
	if (*fill_ps > me->clock_ps)
		pass(*fill_ps - me->clock_ps);
	if (move((uintptr_t)address >> LINE_BITS, writes, at, &l, &from_ps)) {
		l->coming = (uint32_t)(me - thread);
		l->comes_ps = from_ps + model_costs.transfer_ps;
		*fill_ps = l->comes_ps;
		me->fill++;
	}
	own(l, writes);
	pass(model_costs.access_ps);
}

void model_touch(const void *address_of_code, uintptr_t address, size_t bytes, enum model_access access)
{
	if (!me || !bytes)
		return;
	struct place *at = place_of(address_of_code);
	uint64_t begun_ps = me->clock_ps;
	uint64_t cost_ps = model_costs.access_ps + (access == MODEL_LOCKED ? model_costs.locked_ps : 0);
	if (counting) {
		counts.accesses++;
		counts.locked += access == MODEL_LOCKED;
		at->accesses++;
		at->locked += access == MODEL_LOCKED;
	}
	for (uintptr_t n = address >> LINE_BITS; n <= (address + bytes - 1) >> LINE_BITS; n++)
		cost_ps += touch(n, access != MODEL_READ, at);
	pass(cost_ps);
	at->ps += counting ? me->clock_ps - begun_ps : 0;
}

void model_exchange_failed(const void *address_of_code)
{
	if (!me || !counting)
		return;
	counts.failed++;
	place_of(address_of_code)->failed++;
}

/* Counts. -------------------------------------------------------------------------------------------------------- */

void model_begin(void)
{
	if (!model_costs.fills || model_costs.fills > FILLS_MAX)
		wrong("fills: 1 to 64");
	line = calloc((size_t)1 << LINES_LOG2, sizeof(*line));
	if (!line)
		wrong("no memory for the lines");
	uint32_t number = model_thread_made();
	enter();
	dispatch();
	leave();
	me = &thread[number];
}

void model_count(bool on)
{
	counting = on;
}

struct model_counts model_counts_get(void)
{
	return counts;
}

static int by_time(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	uint64_t left = p->ps, right = q->ps;
	return left < right ? 1 : left > right ? -1 : p->address < q->address ? -1 : p->address > q->address;
}

void model_print_places(unsigned most)
{
	qsort(place, sizeof(place) / sizeof(place[0]), sizeof(place[0]), by_time);
	for (unsigned i = 0; i < most && place[i].ps; i++)
		printf("%#lx %lu %lu %lu %lu %lu %lu\n", (unsigned long)place[i].address,
		       (unsigned long)place[i].accesses, (unsigned long)place[i].locked, (unsigned long)place[i].failed,
		       (unsigned long)place[i].fetched, (unsigned long)place[i].taken,
		       (unsigned long)(place[i].ps / 1000));
}
