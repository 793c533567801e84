/* SPDX-License-Identifier: MIT */
/*
 * condvar.c - the usual thread pool: one mutex, a ring that grows, two condition variables.
 *
 * Written to be as fast as that design is: a worker that finishes a task counts it when it takes the next one, in the same
 * critical section; nobody is signalled who does not sleep; a batch takes the lock once.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../peer.h"

struct job {
	void (*fn)(void *argument);
	void *argument;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct job *ring;
	size_t size, first, count; /* size is a power of two */
	size_t pending;		   /* queued or running */
	uint32_t sleepers, waiters, threads;
	bool over;
	pthread_t *thread;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static void *work(void *argument)
{
	bool ran = false;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		if (ran && !--pool.pending && pool.waiters)
			pthread_cond_broadcast(&pool.done);
		while (!pool.count && !pool.over) {
			pool.sleepers++;
			pthread_cond_wait(&pool.work, &pool.lock);
			pool.sleepers--;
		}
		if (!pool.count)
			break;
		struct job job = pool.ring[pool.first];
		pool.first = (pool.first + 1) & (pool.size - 1);
		pool.count--;
		pthread_mutex_unlock(&pool.lock);
		job.fn(job.argument);
		ran = true;
		pthread_mutex_lock(&pool.lock);
	}
	pthread_mutex_unlock(&pool.lock);
	return argument;
}

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	pool.size = 1024;
	pool.ring = malloc(pool.size * sizeof(pool.ring[0]));
	pool.thread = calloc(threads, sizeof(pool.thread[0]));
	if (!pool.ring || !pool.thread)
		peer_fail("no memory");
	for (; pool.threads < threads; pool.threads++)
		if (pthread_create(&pool.thread[pool.threads], NULL, work, NULL))
			peer_fail("no thread");
}

static void stop(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.over = true;
	pthread_cond_broadcast(&pool.work);
	pthread_mutex_unlock(&pool.lock);
	for (uint32_t i = 0; i < pool.threads; i++)
		pthread_join(pool.thread[i], NULL);
	free(pool.thread);
	free(pool.ring);
}

/* Under the lock. */
static void put(struct job job)
{
	if (pool.count == pool.size) {
		struct job *larger = malloc(2 * pool.size * sizeof(larger[0]));
		if (!larger)
			peer_fail("no memory");
		size_t until_end = pool.size - pool.first;
		memcpy(larger, pool.ring + pool.first, until_end * sizeof(larger[0]));
		memcpy(larger + until_end, pool.ring, pool.first * sizeof(larger[0]));
		free(pool.ring);
		pool.ring = larger;
		pool.first = 0;
		pool.size *= 2;
	}
	pool.ring[(pool.first + pool.count++) & (pool.size - 1)] = job;
	pool.pending++;
}

static void post(struct job job)
{
	pthread_mutex_lock(&pool.lock);
	put(job);
	bool wake = pool.sleepers > 0;
	pthread_mutex_unlock(&pool.lock);
	if (wake)
		pthread_cond_signal(&pool.work);
}

static void empty(void *argument)
{
	(void)argument;
}

static void other(void *argument)
{
	peer_run((enum peer_body)(uintptr_t)argument);
}

static struct job job_of(enum peer_body body)
{
	return (struct job){body == PEER_EMPTY ? empty : other, (void *)(uintptr_t)body};
}

static void submit(unsigned producer, uint32_t count, enum peer_body body)
{
	(void)producer;
	for (uint32_t i = 0; i < count; i++)
		post(job_of(body));
}

static void submit_batch(uint32_t count, enum peer_body body)
{
	pthread_mutex_lock(&pool.lock);
	for (uint32_t i = 0; i < count; i++)
		put(job_of(body));
	pthread_mutex_unlock(&pool.lock);
	pthread_cond_broadcast(&pool.work);
}

static void finish(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.waiters++;
	while (pool.pending)
		pthread_cond_wait(&pool.done, &pool.lock);
	pool.waiters--;
	pthread_mutex_unlock(&pool.lock);
}

const struct peer peer = {
	.name = "condvar",
	.start = start,
	.stop = stop,
	.submit = submit,
	.submit_batch = submit_batch,
	.wait = finish,
};
