/* SPDX-License-Identifier: MIT */
/*
 * watch.c - signals as events of one thread, so that no handler exists and nothing is interrupted half-way.
 *
 * Holds:     two event descriptors that every waiting process_run() polls: nobody keeps a list of process ids.
 * Invariant: kill_fd becomes readable only after term_fd did.
 * Together:  watch_end_commands() and the descriptors from any threads.
 * Not here:  what else a stop means: no new jobs (run.c); the signalling (process.c).
 */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <weir/clock.h>

enum { TICK_MS = 200, MS_MAX = 1 << 30 };

enum { SIGNAL, WAKE, DONE, WAITED };

struct watch {
	struct watch_calls calls;
	uint64_t grace_ns;
	uint64_t kill_at_ns; /* 0: not decided */
	int signals;	     /* so far */
	int term_fd;
	int kill_fd;
	int wake_fd; /* watch_end_commands() was called */
	int done_fd; /* watch_stop() was called */
	int signal_fd;
	pthread_t thread;
};

static void listened(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	/* nohup: then the end of the terminal is not for us. */
	struct sigaction now;
	if (sigaction(SIGHUP, NULL, &now) || now.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
}

void watch_block_signals(sigset_t *before)
{
	sigset_t set;
	listened(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, before);
}

static void raise_event(int fd)
{
	uint64_t one = 1;
	/* The only failure is a counter of 2^64 - 2, which is readable all the same. */
	ssize_t ignored = write(fd, &one, sizeof(one));
	(void)ignored;
}

static void hear(struct watch *watch)
{
	struct signalfd_siginfo info;
	if (read(watch->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	watch->signals++;
	watch->calls.interrupted(watch->calls.context, (int)info.ssi_signo, watch->signals > 1);
	raise_event(watch->term_fd);
	if (watch->signals > 1)
		raise_event(watch->kill_fd);
}

static int next_ms(const struct watch *watch)
{
	int ms = watch->calls.tick ? TICK_MS : -1;
	if (watch->kill_at_ns) {
		uint64_t now = weir_clock_monotonic_ns();
		uint64_t left = watch->kill_at_ns > now ? (watch->kill_at_ns - now) / WEIR_NS_PER_MS + 1 : 0;
		int left_ms = left < MS_MAX ? (int)left : MS_MAX;
		ms = ms < 0 || left_ms < ms ? left_ms : ms;
	}
	return ms;
}

static void *run(void *argument)
{
	struct watch *watch = argument;
	struct pollfd wait[WAITED] = {[SIGNAL] = {.fd = watch->signal_fd, .events = POLLIN},
				      [WAKE] = {.fd = watch->wake_fd, .events = POLLIN},
				      [DONE] = {.fd = watch->done_fd, .events = POLLIN}};
	while (!wait[DONE].revents) {
		if (poll(wait, WAITED, next_ms(watch)) < 0)
			continue;
		if (wait[SIGNAL].revents)
			hear(watch);
		if (wait[WAKE].revents) {
			wait[WAKE].fd = -1;
			watch->kill_at_ns = weir_clock_monotonic_ns() + watch->grace_ns;
		}
		if (watch->kill_at_ns && weir_clock_monotonic_ns() >= watch->kill_at_ns) {
			raise_event(watch->kill_fd);
			watch->kill_at_ns = 0;
		}
		if (watch->calls.tick)
			watch->calls.tick(watch->calls.context);
	}
	return NULL;
}

static void close_all(struct watch *watch)
{
	const int fds[] = {watch->term_fd, watch->kill_fd, watch->wake_fd, watch->done_fd, watch->signal_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	free(watch);
}

int watch_start(struct watch **out, const struct watch_calls *calls, uint64_t grace_ns)
{
	*out = NULL;
	struct watch *watch = malloc(sizeof(*watch));
	if (!watch)
		return ENOMEM;
	sigset_t set;
	listened(&set);
	*watch = (struct watch){.calls = *calls,
				.grace_ns = grace_ns,
				.term_fd = eventfd(0, EFD_CLOEXEC),
				.kill_fd = eventfd(0, EFD_CLOEXEC),
				.wake_fd = eventfd(0, EFD_CLOEXEC),
				.done_fd = eventfd(0, EFD_CLOEXEC),
				.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
	int error = 0;
	if (watch->term_fd < 0 || watch->kill_fd < 0 || watch->wake_fd < 0 || watch->done_fd < 0 ||
	    watch->signal_fd < 0)
		error = errno;
	else
		error = pthread_create(&watch->thread, NULL, run, watch);
	if (error)
		close_all(watch);
	else
		*out = watch;
	return error;
}

void watch_end_commands(struct watch *watch)
{
	raise_event(watch->term_fd);
	raise_event(watch->wake_fd);
}

int watch_term_fd(const struct watch *watch)
{
	return watch->term_fd;
}

int watch_kill_fd(const struct watch *watch)
{
	return watch->kill_fd;
}

void watch_stop(struct watch *watch)
{
	raise_event(watch->done_fd);
	pthread_join(watch->thread, NULL);
	close_all(watch);
}
