/* SPDX-License-Identifier: MIT */
/*
 * membarrier.c - the membarrier system call.
 *
 * Holds:     whether it may be used.
 */
#include "private/membarrier.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "private/check.h"

static bool ready;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* A kernel that registers may still not run it (a filter of system calls): hence the try. */
static void prepare(void)
{
	ready = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
		membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

bool membarrier_ready(void)
{
	(void)pthread_once(&once, prepare);
	return ready;
}

void membarrier_all(void)
{
	CHECK("B6", membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0);
}
