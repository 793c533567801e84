/* SPDX-License-Identifier: MIT */
/*
 * process.c - start, watch, wait, measure.
 *
 * Holds:     nothing between calls.
 * Invariant: J4  a process id is signalled only before it was reaped, so never another's that got the same number:
 *                the end is seen by a poll on a pidfd, and only then wait4() frees the id.
 * Together:  all operations, from any threads.
 * Not here:  fork and exec (starter.c), where output goes (output.c), when to stop (watch.c).
 */
#include "process.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/clock.h>

enum { LOOK_MS = 20 }; /* how often to look for the end where the kernel has no pidfds */

uint64_t process_unix_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * WEIR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t timeval_ns(struct timeval t)
{
	return (uint64_t)t.tv_sec * WEIR_NS_PER_S + (uint64_t)t.tv_usec * WEIR_NS_PER_US;
}

/* A stopped process does not die of TERM before it goes on. */
static void terminate(pid_t group)
{
	kill(-group, SIGTERM);
	kill(-group, SIGCONT);
}

/* True once the process has ended; it stays a zombie. */
static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

static int until_ms(uint64_t deadline_ns, int pidfd)
{
	uint64_t ms = UINT64_MAX;
	if (deadline_ns) {
		uint64_t now = weir_clock_monotonic_ns();
		ms = deadline_ns > now ? (deadline_ns - now + WEIR_NS_PER_MS - 1) / WEIR_NS_PER_MS : 0;
	}
	if (pidfd < 0 && ms > LOOK_MS)
		ms = LOOK_MS;
	return ms == UINT64_MAX ? -1 : ms < 1u << 30 ? (int)ms : 1 << 30;
}

/* Wait for the end, and bring it about when asked to or when the time is over. */
static void watch(pid_t pid, const struct process_spec *spec, struct process_result *result)
{
	int pidfd = pidfd_open(pid, 0);
	uint64_t deadline = spec->timeout_ns ? result->started_ns + spec->timeout_ns : 0;
	struct pollfd wait[3] = {{.fd = pidfd, .events = POLLIN},
				 {.fd = spec->term_fd, .events = POLLIN},
				 {.fd = spec->kill_fd, .events = POLLIN}};
	while (!has_ended(pid)) {
		int ready = poll(wait, 3, until_ms(deadline, pidfd));
		/* It may have ended in time, and we be late ourselves: stopped for a while, or the machine is full. */
		if (has_ended(pid))
			break;
		if (ready > 0 && wait[1].revents) {
			terminate(pid);
			result->stopped = true;
			wait[1].fd = -1;
		}
		if (ready > 0 && wait[2].revents) {
			kill(-pid, SIGKILL);
			result->stopped = true;
			wait[2].fd = -1;
		}
		if (deadline && weir_clock_monotonic_ns() >= deadline) {
			if (result->timed_out) {
				kill(-pid, SIGKILL);
				deadline = 0;
			} else {
				terminate(pid);
				result->timed_out = true;
				deadline = weir_clock_monotonic_ns() + spec->grace_ns;
			}
		}
	}
	if (result->timed_out || result->stopped)
		kill(-pid, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
}

void process_run(const struct process_spec *spec, struct process_result *result)
{
	*result =
		(struct process_result){.started_unix_ns = process_unix_ns(), .started_ns = weir_clock_monotonic_ns()};
	pid_t pid = starter_start(spec->starter, &spec->start);
	if (pid < 0) {
		result->error = -pid;
		return;
	}
	/* Also here, so that the group exists before the first signal; the child may have executed by now, then it is
	 * done. */
	setpgid(pid, pid);
	watch(pid, spec, result);

	int status = 0;
	struct rusage used = {0};
	pid_t reaped;
	do
		reaped = wait4(pid, &status, 0, &used);
	while (reaped < 0 && errno == EINTR);
	assert(reaped == pid);
	result->wall_ns = weir_clock_monotonic_ns() - result->started_ns;
	result->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	result->cpu_ns = timeval_ns(used.ru_utime) + timeval_ns(used.ru_stime);
	result->peak_memory_bytes = (uint64_t)used.ru_maxrss * 1024;
}
