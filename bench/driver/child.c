/* SPDX-License-Identifier: MIT */
/*
 * child.c - one child at a time, in a process group of its own.
 *
 * Holds:     the group of the running child, for the signal handler.
 * Invariant: the group is signalled only while its leader is not reaped, so never another's that got the same number.
 * Together:  one thread; the handler of SIGINT, SIGTERM and SIGHUP.
 * Not here:  what the output means (protocol.c).
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/clock.h>

extern char **environ;

enum { LOOK_MS = 10 }; /* how often to look whether it has ended with its pipes left open */

static volatile sig_atomic_t running; /* the group, 0: none */

static void end_both(int signal_number)
{
	if (running)
		kill(-(pid_t)running, SIGKILL);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

static void catch_interrupts(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct sigaction old;
		const struct sigaction catch = {.sa_handler = end_both};
		/* Who is started with a signal ignored goes on ignoring it. */
		if (!sigaction(ends[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(ends[i], &catch, NULL);
	}
}

/* Returns 0 or an errno. */
static int start(const char *const argv[], int out, int err, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&how);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
	posix_spawnattr_setpgroup(&how, 0);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP);
	int error = posix_spawn(pid, argv[0], &files, &how, (char *const *)argv, environ);
	posix_spawnattr_destroy(&how);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

/* Take what there is. False: there will be no more. */
static bool take(int fd, char *text, size_t *at, bool *too_much)
{
	char more[4096];
	ssize_t n = read(fd, more, sizeof(more));
	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	size_t room = CHILD_TEXT_BYTES - 1 - *at;
	size_t kept = (size_t)n < room ? (size_t)n : room;
	memcpy(text + *at, more, kept);
	*at += kept;
	if (kept < (size_t)n)
		*too_much = true;
	return n > 0;
}

static bool has_ended(pid_t pid)
{
	siginfo_t info = {0};
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
}

/* Until it has ended and its pipes are empty, or the time is over. */
static void listen_to(struct child *child, pid_t pid, const int fd[2], uint64_t deadline_ns)
{
	struct pollfd pipes[2] = {{.fd = fd[0], .events = POLLIN}, {.fd = fd[1], .events = POLLIN}};
	char *text[2] = {child->out, child->err};
	size_t at[2] = {0, 0};
	bool ended = false;
	while (true) {
		int ready = poll(pipes, 2, ended ? 0 : LOOK_MS);
		for (int i = 0; i < 2; i++)
			if (ready > 0 && pipes[i].revents && !take(pipes[i].fd, text[i], &at[i], &child->too_much))
				pipes[i].fd = -1;
		if (ended && ready <= 0)
			break;
		ended = ended || has_ended(pid);
		if (weir_clock_monotonic_ns() >= deadline_ns) {
			child->timed_out = !ended;
			break;
		}
		if (pipes[0].fd < 0 && pipes[1].fd < 0 && ended)
			break;
	}
	child->out[at[0]] = child->err[at[1]] = '\0';
}

void child_run(struct child *child, const char *const argv[], uint64_t timeout_ns)
{
	child->error = child->exit_status = child->signal = 0;
	child->timed_out = child->too_much = false;
	child->out[0] = child->err[0] = '\0';
	child->wall_ns = 0;
	catch_interrupts();
	int out[2], err[2];
	if (pipe2(out, O_CLOEXEC)) {
		child->error = errno;
		return;
	}
	if (pipe2(err, O_CLOEXEC)) {
		child->error = errno;
		close(out[0]);
		close(out[1]);
		return;
	}
	uint64_t begun = weir_clock_monotonic_ns();
	pid_t pid = 0;
	child->error = start(argv, out[1], err[1], &pid);
	close(out[1]);
	close(err[1]);
	if (!child->error) {
		running = pid;
		fcntl(out[0], F_SETFL, O_NONBLOCK);
		fcntl(err[0], F_SETFL, O_NONBLOCK);
		listen_to(child, pid, (int[]){out[0], err[0]}, begun + timeout_ns);
		kill(-pid, SIGKILL);
		running = 0; /* before its number is free */
		int status = 0;
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		child->wall_ns = weir_clock_monotonic_ns() - begun;
		child->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		child->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	}
	close(out[0]);
	close(err[0]);
}

/* The last line that is not empty; *bytes long. */
static const char *last_line(const char *text, int *bytes)
{
	size_t end = strlen(text);
	while (end && (text[end - 1] == '\n' || text[end - 1] == '\r'))
		end--;
	size_t begin = end;
	while (begin && text[begin - 1] != '\n')
		begin--;
	*bytes = end - begin > 160 ? 160 : (int)(end - begin);
	return text + begin;
}

const char *child_complaint(const struct child *child, char *buffer, size_t bytes)
{
	int length;
	const char *said = last_line(child->err, &length);
	const char *colon = length ? ": " : "";
	if (child->error)
		snprintf(buffer, bytes, "cannot be started: %s", strerror(child->error));
	else if (child->timed_out)
		snprintf(buffer, bytes, "not done after %.3g s, ended", (double)child->wall_ns / (double)WEIR_NS_PER_S);
	else if (child->signal)
		snprintf(buffer, bytes, "ended by signal %d (%s)%s%.*s", child->signal, strsignal(child->signal), colon,
			 length, said);
	else if (child->exit_status)
		snprintf(buffer, bytes, "exit status %d%s%.*s", child->exit_status, colon, length, said);
	else if (child->too_much)
		snprintf(buffer, bytes, "printed more than %d bytes", CHILD_TEXT_BYTES);
	else
		return NULL;
	return buffer;
}
