/* SPDX-License-Identifier: MIT */
/*
 * monitor.c - takes readings in a thread of its own and shows the last one to whoever asks.
 *
 * Holds:     some readings: the one that is shown, the one that the next is written into, and those that were shown and may
 *            still be read; the queue's delay as it was noted last.
 * Invariant: M2  a reading that is shown is not written: what a reader copies is one reading, never parts of two. The
 *                queue's delay is not the source's and is added to the copy.
 * Progress:  weir_monitor_read() and _note_queue_delay() are wait-free; stopping wakes the thread at once and waits for
 *            at most one reading.
 * Together:            read  start  stop  destroy
 *            read, note -      -     -       X      "-" safe together, "X" the caller must exclude
 *            start      -      -     -       X
 *            stop       -      -     -       X
 * Not here:  the host's files (monitor_host.c), what follows from a reading (runtime/).
 */
#include <weir/monitor.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "numa/monitor.h"
#include "numa/monitor_host.h"
#include "numa/topology.h"
#include "private/check.h"
#include "private/clock.h"
#include "private/error.h"
#include "private/log.h"
#include "private/rcu.h"

#define INTERVAL_DEFAULT_NS (100 * WEIR_NS_PER_MS)
#define INTERVAL_MIN_NS WEIR_NS_PER_MS
#define INTERVAL_MAX_NS (UINT64_C(1) << 61) /* 73 years: never, and added to a time it still fits */

/* A grace period is a quarter of what a reading costs; one for several readings will do. */
enum { READINGS = 8 };

/* A monitor that lives shorter needs no early reading: the kernel makes who gives a trigger back wait for many ms. */
#define WATCH_AFTER_NS (100 * WEIR_NS_PER_MS)

struct weir_monitor {
	uint32_t nodes;
	bool lent;
	weir_monitor_source source;
	struct monitor_host *host; /* NULL: the source is the user's */
	uint64_t interval_ns;
	_Atomic(weir_reading *) shown;
	_Atomic(uint64_t) queue_delay_ns, queue_noted_at_ns;
	/* Owned by whoever samples: the starting thread, then the monitor's own. */
	weir_reading *spare;
	weir_reading *unused[READINGS]; /* nobody sees them */
	weir_reading *gone[READINGS];	/* were shown since the last grace period */
	uint32_t unused_count, gone_count;
	pthread_mutex_t life; /* guards all below: start and stop */
	bool running;
	/* The sampling thread's while it runs. */
	bool said_failed;
	uint64_t readings, early_readings;
	weir_monitor_watch watch[WEIR_MONITOR_WATCHES];
	uint32_t watches;
	int stop_event;
	pthread_t thread;
};

/* The monitor whose source this thread is calling: it cannot wait for itself. */
static _Thread_local const weir_monitor *sampling;

/* Readings. ----------------------------------------------------------------------------------------------------- */

static weir_reading *reading_create(uint32_t nodes)
{
	weir_reading *reading = calloc(1, sizeof(*reading) + nodes * sizeof(weir_node_reading));
	return reading;
}

static weir_node_reading *nodes_of(weir_reading *reading)
{
	return (weir_node_reading *)(void *)(reading + 1);
}

/* Ask the source. Its answer is held to the room it was given. */
static weir_status sample(weir_monitor *m, bool early)
{
	weir_reading *r = m->spare;
	CHECK("M2", r != at_load(&m->shown, relaxed, none));
	weir_node_reading *node = nodes_of(r);
	memset(node, 0, m->nodes * sizeof(*node));
	*r = (weir_reading){.size = sizeof(*r), .early = early, .nodes_capacity = m->nodes, .node = node};
	const weir_monitor *outer = sampling;
	sampling = m;
	weir_status status = m->source.read(m->source.context, r);
	sampling = outer;
	r->size = sizeof(*r);
	r->node = node;
	r->nodes_capacity = m->nodes;
	if (r->nodes > m->nodes)
		r->nodes = m->nodes;
	if (r->taken_at_ns == 0)
		r->taken_at_ns = weir_clock_monotonic_ns();
	m->readings += status == WEIR_OK;
	m->early_readings += status == WEIR_OK && early;
	r->readings = m->readings;
	r->early_readings = m->early_readings;
	return status;
}

static void show(weir_monitor *m)
{
	/* ORDER(reading): release, pairs with the acquire in weir_monitor_read(): who sees the pointer sees the
	 * reading. The grace period lets readers of old ones go before any of them is written again. */
	m->gone[m->gone_count++] = at_swap(&m->shown, m->spare, release, reading);
	if (m->unused_count == 0) {
		rcu_synchronize_all();
		memcpy(m->unused, m->gone, m->gone_count * sizeof(m->gone[0]));
		m->unused_count = m->gone_count;
		m->gone_count = 0;
	}
	m->spare = m->unused[--m->unused_count];
}

/* The thread. --------------------------------------------------------------------------------------------------- */

enum wake { WAKE_DUE, WAKE_STALL, WAKE_STOP };

/* What is watched but broken, as the pressure file of a group that is gone, would wake us for ever. */
static bool rings(weir_monitor *m, const struct pollfd *watched)
{
	bool found = false;
	for (uint32_t i = 0, kept = 0, all = m->watches; i < all; i++) {
		bool asked = watched[i].revents & watched[i].events;
		bool broken = watched[i].revents & (POLLERR | POLLNVAL) || (watched[i].revents && !asked);
		found |= asked && !broken;
		if (!broken)
			m->watch[kept++] = m->watch[i];
		m->watches = kept;
	}
	return found;
}

/* Sleep until due, or until it is told to stop, or what is watched rings. */
static enum wake sleep_until(weir_monitor *m, uint64_t due_ns, bool watching)
{
	for (;;) {
		uint64_t now = weir_clock_monotonic_ns();
		uint64_t left = due_ns > now ? due_ns - now : 0;
		struct timespec timeout = {.tv_sec = (time_t)(left / WEIR_NS_PER_S),
					   .tv_nsec = (long)(left % WEIR_NS_PER_S)};
		struct pollfd fd[1 + WEIR_MONITOR_WATCHES] = {{.fd = m->stop_event, .events = POLLIN}};
		uint32_t watches = watching ? m->watches : 0;
		for (uint32_t i = 0; i < watches; i++)
			fd[1 + i] = (struct pollfd){.fd = m->watch[i].fd, .events = m->watch[i].events};
		int events = ppoll(fd, 1 + watches, &timeout, NULL);
		if (events > 0 && fd[0].revents)
			return WAKE_STOP;
		if (events > 0 && rings(m, fd + 1))
			return WAKE_STALL;
		if (events == 0 && weir_clock_monotonic_ns() >= due_ns)
			return WAKE_DUE;
	}
}

static void take(weir_monitor *m, bool early)
{
	weir_status status = sample(m, early);
	if (status == WEIR_OK) {
		m->spare->cost_ns = clock_thread_cpu_ns();
		show(m);
	} else if (!m->said_failed) {
		m->said_failed = true;
		LOG(WEIR_LOG_WARN, "monitor: the source failed (%s): the last good reading stays",
		    weir_status_text(status));
	}
}

/* Ask the source once what is to bring an early reading. */
static void watch(weir_monitor *m)
{
	if (!m->source.watch)
		return;
	sampling = m;
	uint32_t watches = m->source.watch(m->source.context, m->watch, WEIR_MONITOR_WATCHES);
	sampling = NULL;
	m->watches = watches < WEIR_MONITOR_WATCHES ? watches : WEIR_MONITOR_WATCHES;
}

static void *run(void *argument)
{
	weir_monitor *m = argument;
	uint64_t begun = weir_clock_monotonic_ns(), due = begun + m->interval_ns, watch_at = begun + WATCH_AFTER_NS;
	bool watching = true;
	for (;;) {
		uint64_t until = due < watch_at ? due : watch_at;
		enum wake wake = sleep_until(m, until, watching);
		if (wake == WAKE_STOP)
			return NULL;
		if (wake == WAKE_DUE && until == watch_at) {
			watch(m);
			watch_at = UINT64_MAX;
			continue;
		}
		take(m, wake == WAKE_STALL);
		/* At most every other reading is early, whatever rings. */
		watching = wake != WAKE_STALL;
		/* Readings that were missed, as on a stopped machine, are not made up for. */
		uint64_t now = weir_clock_monotonic_ns();
		due = wake == WAKE_DUE && due + m->interval_ns > now ? due + m->interval_ns : now + m->interval_ns;
	}
}

/* Signals are the application's threads' business. */
static int create_thread(weir_monitor *m)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&m->thread, NULL, run, m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error == 0)
		(void)pthread_setname_np(m->thread, "weir/monitor");
	return error;
}

/* Life. --------------------------------------------------------------------------------------------------------- */

static void stop_source(weir_monitor *m)
{
	if (m->source.stop)
		m->source.stop(m->source.context);
}

/* The source is started; life is held. */
static weir_status start_sampling(weir_monitor *m)
{
	m->said_failed = false;
	m->readings = m->early_readings = 0;
	m->watches = 0;
	weir_status status = sample(m, false);
	if (status)
		return status;
	show(m);
	m->stop_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->stop_event < 0)
		return error_set_errno(WEIR_ESYSTEM, errno, "the monitor's event");
	int error = create_thread(m);
	if (error) {
		close(m->stop_event);
		return error_set_errno(WEIR_ESYSTEM, error, "the monitor's thread");
	}
	m->running = true;
	return WEIR_OK;
}

weir_status weir_monitor_start(weir_monitor *monitor)
{
	if (!monitor)
		return error_set(WEIR_EINVAL, "monitor is NULL");
	if (sampling == monitor)
		return error_set(WEIR_EBUSY, "the monitor is running: this is its own source");
	pthread_mutex_lock(&monitor->life);
	weir_status status = WEIR_OK;
	if (monitor->running)
		status = error_set(WEIR_EBUSY, "the monitor is running");
	else if (monitor->source.start)
		status = monitor->source.start(monitor->source.context, monitor->interval_ns);
	if (status == WEIR_OK) {
		status = start_sampling(monitor);
		if (status)
			stop_source(monitor);
	}
	pthread_mutex_unlock(&monitor->life);
	return status;
}

void weir_monitor_stop(weir_monitor *monitor)
{
	if (!monitor)
		return;
	if (sampling == monitor) {
		LOG(WEIR_LOG_ERROR, "monitor: its own source tried to stop it; nothing happens");
		return;
	}
	pthread_mutex_lock(&monitor->life);
	if (monitor->running) {
		uint64_t one = 1;
		ssize_t written = write(monitor->stop_event, &one, sizeof(one));
		(void)written; /* an eventfd that nobody else writes takes a 1 */
		pthread_join(monitor->thread, NULL);
		close(monitor->stop_event);
		stop_source(monitor);
		monitor->running = false;
	}
	pthread_mutex_unlock(&monitor->life);
}

/* A source of a later version may have fields that we do not know: they must be zero. */
static weir_status check_source(const weir_monitor_source *source)
{
	if (source->size < sizeof(*source))
		return error_set(WEIR_EINVAL, "source.size is %zu: set it to sizeof(weir_monitor_source), %zu",
				 source->size, sizeof(*source));
	const unsigned char *bytes = (const unsigned char *)source;
	for (size_t i = sizeof(*source); i < source->size; i++)
		if (bytes[i])
			return error_set(WEIR_EINVAL,
					 "source: byte %zu is set, of a field that this version does not know", i);
	if (!source->read)
		return error_set(WEIR_EINVAL, "source.read is NULL: give a function");
	return WEIR_OK;
}

weir_status weir_monitor_create(weir_monitor **out, const weir_machine *machine, const weir_monitor_source *source,
				uint64_t interval_ns)
{
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL: give a place for the monitor");
	*out = NULL;
	if (!machine)
		return error_set(WEIR_EINVAL, "machine is NULL");
	if (interval_ns && interval_ns < INTERVAL_MIN_NS)
		return error_set(WEIR_EINVAL, "interval_ns is %llu: give at least 1 ms, or 0 for 100 ms",
				 (unsigned long long)interval_ns);
	weir_status status = source ? check_source(source) : WEIR_OK;
	if (status)
		return status;
	weir_monitor *m = calloc(1, sizeof(*m));
	if (!m)
		return error_set(WEIR_ENOMEM, "no memory for a monitor");
	pthread_mutex_init(&m->life, NULL);
	m->nodes = machine->nodes;
	m->interval_ns = interval_ns == 0		 ? INTERVAL_DEFAULT_NS
			 : interval_ns > INTERVAL_MAX_NS ? INTERVAL_MAX_NS
							 : interval_ns;
	m->spare = reading_create(m->nodes);
	weir_reading *first = reading_create(m->nodes);
	at_init(&m->shown, first);
	bool made = m->spare && first;
	for (; made && m->unused_count < READINGS - 1; m->unused_count += made)
		made = (m->unused[m->unused_count] = reading_create(m->nodes)) != NULL;
	if (source)
		memcpy(&m->source, source, sizeof(m->source));
	else
		m->host = monitor_host_create(machine, "");
	if (m->host)
		m->source = (weir_monitor_source){.size = sizeof(m->source),
						  .start = monitor_host_start,
						  .read = monitor_host_read,
						  .stop = monitor_host_stop,
						  .watch = monitor_host_watch,
						  .context = m->host};
	if (!made || !m->source.read) {
		weir_monitor_destroy(m);
		return error_set(WEIR_ENOMEM, "no memory for a monitor of %u nodes", machine->nodes);
	}
	*out = m;
	return WEIR_OK;
}

void monitor_lend(weir_monitor *monitor, bool lent)
{
	monitor->lent = lent;
}

void weir_monitor_destroy(weir_monitor *monitor)
{
	if (!monitor)
		return;
	if (monitor->lent) {
		LOG(WEIR_LOG_ERROR, "monitor: it is a pool's and goes with weir_pool_destroy(); nothing happens");
		return;
	}
	weir_monitor_stop(monitor);
	monitor_host_destroy(monitor->host);
	free(monitor->spare);
	for (uint32_t i = 0; i < monitor->unused_count; i++)
		free(monitor->unused[i]);
	for (uint32_t i = 0; i < monitor->gone_count; i++)
		free(monitor->gone[i]);
	free(at_load(&monitor->shown, relaxed, none));
	pthread_mutex_destroy(&monitor->life);
	free(monitor);
}

void weir_monitor_note_queue_delay(weir_monitor *monitor, uint64_t delay_ns)
{
	if (!monitor)
		return;
	uint64_t now = weir_clock_monotonic_ns();
	at_store(&monitor->queue_delay_ns, delay_ns, relaxed, none);
	/* ORDER(queue_note): release, pairs with the acquire in add_queue(): who sees that something was noted sees it. */
	at_store(&monitor->queue_noted_at_ns, now, release, queue_note);
}

/* A delay that a source fills in stands where nobody noted one. */
static void add_queue(const weir_monitor *monitor, weir_reading *out)
{
	/* ORDER(queue_note): acquire, pairs with the release in weir_monitor_note_queue_delay(): the delay is at least as new
	 * as its time says. */
	uint64_t noted = at_load(&monitor->queue_noted_at_ns, acquire, queue_note);
	if (noted == 0)
		return;
	out->queue_delay_ns = at_load(&monitor->queue_delay_ns, relaxed, none);
	out->read_at_ns[WEIR_PART_QUEUE] = noted;
	out->known |= WEIR_KNOWN_QUEUE_DELAY;
}

weir_status weir_monitor_read(const weir_monitor *monitor, weir_reading *out)
{
	if (!monitor || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", monitor ? "out" : "monitor");
	if (out->size < sizeof(*out))
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to sizeof(weir_reading), %zu", out->size,
				 sizeof(*out));
	if (out->nodes_capacity && !out->node)
		return error_set(WEIR_EINVAL, "out->nodes_capacity is %u and out->node is NULL", out->nodes_capacity);
	rcu_enter();
	/* ORDER(reading): acquire, pairs with the release in show(): we see the whole reading. */
	const weir_reading *shown = at_load(&monitor->shown, acquire, reading);
	bool taken = shown->taken_at_ns != 0;
	if (taken) {
		weir_node_reading *node = out->node;
		uint32_t capacity = out->nodes_capacity;
		size_t size = out->size;
		*out = *shown;
		out->size = size;
		out->node = node;
		out->nodes_capacity = capacity;
		out->nodes = shown->nodes < capacity ? shown->nodes : capacity;
		if (out->nodes)
			memcpy(node, shown->node, out->nodes * sizeof(*node));
		add_queue(monitor, out);
	}
	rcu_leave();
	return taken ? WEIR_OK : error_set(WEIR_EAGAIN, "nothing was read yet: start the monitor");
}
