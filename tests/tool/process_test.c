/* SPDX-License-Identifier: MIT */
/* process_test.c - one shell command: how it ended, what it used, and that none of it is left when it was stopped.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <weir/clock.h>

#include "tools/weir/process.h"

static struct starter *starter;

static struct process_spec spec_of(const char *command)
{
	static char *const variables[] = {(char *)"COLOUR=blue", (char *)"HOME=sea", NULL};
	return (struct process_spec){
		.starter = starter,
		.start = {.command = command, .variables = variables, .output_fd = -1, .error_fd = -1},
		.grace_ns = 50 * WEIR_NS_PER_MS,
		.term_fd = -1,
		.kill_fd = -1,
	};
}

static int start_starter(void **state)
{
	(void)state;
	return starter_create(&starter, NULL);
}

static int stop_starter(void **state)
{
	(void)state;
	starter_destroy(starter);
	return 0;
}

static void the_end_is_told_as_the_kernel_told_it(void **state)
{
	(void)state;
	static const struct {
		const char *command;
		int exit_status;
		int signal;
	} cases[] = {
		{"true", 0, 0},
		{"exit 3", 3, 0},
		{"exit 255", 255, 0},
		{"kill -KILL $$", 0, SIGKILL},
		{"kill -TERM $$", 0, SIGTERM},
		{"/no/such/program 2>/dev/null", 127, 0},
		{"sleep 0 | exit 4", 4, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct process_spec spec = spec_of(cases[i].command);
		struct process_result result;
		process_run(&spec, &result);
		assert_int_equal(result.error, 0);
		assert_int_equal(result.exit_status, cases[i].exit_status);
		assert_int_equal(result.signal, cases[i].signal);
		assert_false(result.timed_out);
		assert_false(result.stopped);
	}
}

/* Run with both outputs in one memory file; returns its text. */
static const char *text_of(const char *command, struct process_result *result)
{
	static char text[4096];
	struct process_spec spec = spec_of(command);
	spec.start.output_fd = spec.start.error_fd = memfd_create("output", MFD_CLOEXEC);
	assert_true(spec.start.output_fd >= 0);
	process_run(&spec, result);
	ssize_t n = pread(spec.start.output_fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(spec.start.output_fd);
	return text;
}

static void a_command_sees_its_environment_no_input_and_no_blocked_signals(void **state)
{
	(void)state;
	/* A mask that leaked would make every command deaf to TERM. */
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGPIPE);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	struct process_result result;
	char want[4096];
	snprintf(want, sizeof(want), "blue sea %s\n0\ne\n", getenv("PATH"));
	assert_string_equal(text_of("echo $COLOUR $HOME $PATH; wc -c; echo e >&2", &result), want);
	text_of("kill -TERM $$; sleep 10", &result);
	assert_int_equal(result.signal, SIGTERM);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static void a_command_leads_a_process_group_of_its_own(void **state)
{
	(void)state;
	/* Else a stop would reach weir itself, or miss the command's children. */
	struct process_result result;
	assert_string_equal(
		text_of("read -r pid x x x group rest </proc/$$/stat; test $pid = $group && echo leads", &result),
		"leads\n");
}

static void cpu_time_and_memory_are_the_commands(void **state)
{
	(void)state;
	/* dd reads into one buffer of 64 MB; the shell's loop uses CPU and no memory. A measurement of nothing, or of
	 * the wrong process, is below or above these by far. */
	struct process_spec spec = spec_of("dd if=/dev/zero of=/dev/null bs=64M count=1 2>/dev/null");
	struct process_result memory, cpu, idle;
	process_run(&spec, &memory);
	assert_int_equal(memory.exit_status, 0);
	assert_in_range(memory.peak_memory_bytes, 64 << 20, 200 << 20);
	spec = spec_of("i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done");
	process_run(&spec, &cpu);
	spec = spec_of("sleep 0.05");
	process_run(&spec, &idle);
	assert_true(cpu.cpu_ns > idle.cpu_ns);
	assert_true(cpu.peak_memory_bytes < 64 << 20);
	assert_true(idle.wall_ns >= 50 * WEIR_NS_PER_MS);
	assert_true(idle.started_ns && idle.started_unix_ns > 1600000000 * WEIR_NS_PER_S);
}

/* A process of this number, whoever's, that is not a zombie? */
static bool runs(pid_t pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *in = fopen(path, "r");
	if (!in)
		return false;
	bool some = fgets(text, sizeof(text), in) != NULL;
	fclose(in);
	const char *after_name = some ? strrchr(text, ')') : NULL;
	return after_name && after_name[2] != 'Z' && after_name[2] != 'X';
}

/* The process was killed before this is asked, but is only gone once the kernel has come round to it. */
static void assert_goes_away(pid_t pid)
{
	for (int i = 0; i < 2000 && runs(pid); i++)
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	assert_false(runs(pid));
}

static void a_timeout_ends_the_whole_group_even_where_it_ignores_term(void **state)
{
	(void)state;
	static const char *const commands[] = {
		"sleep 1000 & echo $!; wait",
		"trap '' TERM; sleep 1000 & echo $!; wait; sleep 1000",
		"(trap '' TERM; sleep 1000) & echo $!; exec sleep 1000",
		"kill -STOP $$; echo 0",
	};
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct process_spec spec = spec_of(commands[i]);
		spec.start.output_fd = spec.start.error_fd = memfd_create("output", MFD_CLOEXEC);
		spec.timeout_ns = 300 * WEIR_NS_PER_MS;
		struct process_result result;
		process_run(&spec, &result);
		assert_true(result.timed_out);
		assert_true(result.signal == SIGTERM || result.signal == SIGKILL ||
			    result.exit_status == 128 + SIGTERM);
		char text[32] = "";
		assert_true(pread(spec.start.output_fd, text, sizeof(text) - 1, 0) >= 0);
		close(spec.start.output_fd);
		if (atoi(text) > 0)
			assert_goes_away(atoi(text));
	}
}

static void a_command_that_ends_in_time_is_not_timed_out(void **state)
{
	(void)state;
	struct process_spec spec = spec_of("exit 5");
	spec.timeout_ns = 3600 * WEIR_NS_PER_S;
	struct process_result result;
	process_run(&spec, &result);
	assert_false(result.timed_out);
	assert_int_equal(result.exit_status, 5);
}

static bool late;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

/* Who is late comes back when the command has ended, and its time is over as well. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	int ready = __real_poll(fds, count, late ? -1 : timeout);
	if (late)
		nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
	return ready;
}

static void who_looks_late_does_not_call_it_timed_out(void **state)
{
	(void)state;
	/* weir was stopped and went on, say. Fails if the time is looked at before the command. */
	struct process_spec spec = spec_of("sleep 0.01; exit 5");
	spec.timeout_ns = 20 * WEIR_NS_PER_MS;
	struct process_result result;
	late = true;
	process_run(&spec, &result);
	late = false;
	assert_false(result.timed_out);
	assert_int_equal(result.exit_status, 5);
}

static pid_t forked, doomed;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
ssize_t __real_recv(int from, void *bytes, size_t size, int flags);
ssize_t __wrap_recv(int from, void *bytes, size_t size, int flags);

pid_t __wrap_fork(void)
{
	return forked = __real_fork();
}

/* Who was asked ends before it answers. */
ssize_t __wrap_recv(int from, void *bytes, size_t size, int flags)
{
	if (doomed) {
		kill(doomed, SIGKILL);
		waitid(P_PID, (id_t)doomed, &(siginfo_t){0}, WEXITED | WNOWAIT);
		doomed = 0;
	}
	return __real_recv(from, bytes, size, flags);
}

static void a_starter_that_ends_over_a_request_is_gone(void **state)
{
	(void)state;
	/* Killed by a command before it, say, and slow to die on a machine that is full. It was told as a reset connection. */
	struct starter *mine = NULL;
	assert_int_equal(starter_create(&mine, NULL), 0);
	kill(forked, SIGSTOP);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)forked, &info, WSTOPPED), 0);
	doomed = forked;
	struct process_spec spec = spec_of("true");
	assert_int_equal(starter_start(mine, &spec.start), -EPIPE);
	assert_int_equal(starter_start(mine, &spec.start), -EPIPE);
	starter_destroy(mine);
}

static void a_readable_stop_descriptor_ends_it(void **state)
{
	(void)state;
	/* The first asks: the command may tidy up. The second does not ask. */
	int ready = eventfd(1, EFD_CLOEXEC);
	struct process_spec spec = spec_of("trap 'exit 9' TERM; while :; do sleep 0.01; done");
	/* TERM may come before the trap is set; then it ends it all the same. */
	spec.term_fd = ready;
	struct process_result result;
	process_run(&spec, &result);
	assert_true(result.stopped);
	assert_true(result.exit_status == 9 || result.signal == SIGTERM);
	spec = spec_of("trap '' TERM; sleep 1000");
	spec.kill_fd = ready;
	process_run(&spec, &result);
	assert_true(result.stopped);
	assert_int_equal(result.signal, SIGKILL);
	close(ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_is_told_as_the_kernel_told_it),
		cmocka_unit_test(a_command_sees_its_environment_no_input_and_no_blocked_signals),
		cmocka_unit_test(a_command_leads_a_process_group_of_its_own),
		cmocka_unit_test(cpu_time_and_memory_are_the_commands),
		cmocka_unit_test(a_timeout_ends_the_whole_group_even_where_it_ignores_term),
		cmocka_unit_test(a_command_that_ends_in_time_is_not_timed_out),
		cmocka_unit_test(who_looks_late_does_not_call_it_timed_out),
		cmocka_unit_test(a_starter_that_ends_over_a_request_is_gone),
		cmocka_unit_test(a_readable_stop_descriptor_ends_it),
	};
	return cmocka_run_group_tests(tests, start_starter, stop_starter);
}
