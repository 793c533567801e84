/* SPDX-License-Identifier: MIT */
/*
 * stall.c - triggers on pressure files: the kernel says when tasks stood still for longer than so much in a window.
 *
 * Holds:     nothing; an open descriptor is a trigger.
 * Together:  anything.
 * Not here:  who waits for it (monitor.c), pressure read now and then (monitor_host.c).
 *
 * CPU: a full pool is short of CPU by design, so only the control group's "full" is watched: all of it standing still is
 * what throttling looks like. Memory and I/O: "some" holds whenever "full" does, and earlier.
 */
#include "numa/stall.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "numa/host.h"

/* Without CAP_SYS_RESOURCE the kernel takes multiples of 2 s, if any. */
static const unsigned windows_ms[] = {1000, 2000};

enum { STALL_PERCENT = 10 };

/* A trigger is set by writing it, with its zero. */
static bool set_trigger(int fd, const char *kind)
{
	for (size_t i = 0; i < sizeof(windows_ms) / sizeof(windows_ms[0]); i++) {
		char text[64];
		int length = snprintf(text, sizeof(text), "%s %u %u", kind, windows_ms[i] * 1000 / 100 * STALL_PERCENT,
				      windows_ms[i] * 1000);
		if (write(fd, text, (size_t)length + 1) == (ssize_t)length + 1)
			return true;
		if (errno != EINVAL)
			return false;
	}
	return false;
}

uint32_t stall_triggers(const char *root, const char *group, weir_monitor_watch *out, uint32_t capacity)
{
	static const struct {
		bool of_group;
		const char *name, *kind;
	} wanted[] = {
		{false, "/proc/pressure/memory", "some"}, {false, "/proc/pressure/io", "some"},
		{true, "/memory.pressure", "some"},	  {true, "/io.pressure", "some"},
		{true, "/cpu.pressure", "full"},
	};
	uint32_t count = 0;
	/* Recorded files are not to be written to, and never ring. */
	if (*root)
		return 0;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && count < capacity; i++) {
		char path[HOST_PATH_BYTES];
		if (wanted[i].of_group && !*group)
			continue;
		int length = snprintf(path, sizeof(path), "%s%s", wanted[i].of_group ? group : "", wanted[i].name);
		int fd = length < (int)sizeof(path) ? open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK) : -1;
		if (fd < 0)
			continue;
		if (set_trigger(fd, wanted[i].kind))
			out[count++] = (weir_monitor_watch){.fd = fd, .events = POLLPRI};
		else
			close(fd);
	}
	return count;
}

static void *close_one(void *trigger)
{
	close(((const weir_monitor_watch *)trigger)->fd);
	return NULL;
}

void stall_close(const weir_monitor_watch *trigger, uint32_t count)
{
	pthread_t thread[WEIR_MONITOR_WATCHES];
	bool threaded[WEIR_MONITOR_WATCHES] = {false};
	sigset_t all, before;
	/* Signals are the application's threads' business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (uint32_t i = 1; i < count; i++)
		threaded[i] = pthread_create(&thread[i], NULL, close_one, (void *)&trigger[i]) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (uint32_t i = 0; i < count; i++)
		if (!threaded[i])
			close(trigger[i].fd);
	for (uint32_t i = 1; i < count; i++)
		if (threaded[i])
			pthread_join(thread[i], NULL);
}
