/* SPDX-License-Identifier: MIT */
/* no_membarrier.h - for tests: part of them in a process of which the kernel refuses membarrier. */
#ifndef TESTS_NO_MEMBARRIER_H
#define TESTS_NO_MEMBARRIER_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NO_SECCOMP = 77 }; /* the kernel lets nobody refuse anything */

static inline int refuse_membarrier(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* What body() answers in a process of its own, 1000 and more if that was ended, or NO_SECCOMP. Before this process has asked for
 * membarrier itself, which a fork would copy, and has threads. */
static inline int without_membarrier(int (*body)(void))
{
	int status;
	pid_t child = fork();
	if (!child)
		_exit(refuse_membarrier() ? NO_SECCOMP : body());
	if (child < 0 || waitpid(child, &status, 0) != child)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

#endif
