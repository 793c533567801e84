/* SPDX-License-Identifier: MIT */
/*
 * run.c - `weir run`: each command of a job list is a task of a resource-aware pool.
 *
 * Holds:     the run's parts, from set_up() to take_down().
 * Together:  the main thread's alone.
 * Not here:  what fits and who is next (the pool's admission), one command (run_command.c), signals (watch.c).
 *
 * One thread that supervises all children over a bare weir_scheduler would need fewer threads. A thread each is chosen
 * because a command costs a fork and an exec, hundreds of times what a sleeping thread does; because every command then
 * reads as what it is, straight code from grant to measurement; and because it runs on everyone's pool. spares_max
 * bounds the threads, and so the commands at once.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <weir/weir.h>

#include "commands.h"
#include "joblog.h"
#include "run_state.h"

enum {
	SPARES_MAX = 1024,	 /* more commands at once wait for one of these threads */
	EXIT_FAILURES_MAX = 101, /* what more than 100 failures are told as */
	RETRY_MS = 20
};

/* The job list. ------------------------------------------------------------------------------------------------- */

static weir_demand demand_of(const struct run *run, size_t index)
{
	weir_demand demand = run->file.job[index].demand;
	if (run->options->jobs_at_once)
		demand.counted[run->options->jobs_slot] = 1;
	return demand;
}

/* Say why a job can never run, in the words of a job list. */
static void complain_of_refusal(const struct run *run, size_t index, weir_status status, const weir_machine *machine)
{
	const weir_demand *demand = &run->file.job[index].demand;
	char text[128] = "";
	uint32_t nodes = weir_machine_nodes(machine);
	if (demand->home > nodes)
		snprintf(text, sizeof(text), "node=%u: the machine has %u node%s, counted from 0", demand->home - 1,
			 nodes, nodes == 1 ? "" : "s");
	else if (status == WEIR_EINVAL && demand->bandwidth_bytes_s && !run->options->limits.bandwidth_bytes_s)
		snprintf(text, sizeof(text), "there is no limit of bandwidth to take it from: give --limit-bandwidth");
	else if (status == WEIR_EINVAL)
		snprintf(text, sizeof(text), "it asks for nothing: give cores, memory or another amount above 0");
	bool never = status == WEIR_EINFEASIBLE || status == WEIR_EINVAL;
	run_complain_of(run, index, never ? "infeasible: " : "", *text ? text : weir_error_text());
}

static void refuse(struct run *run, size_t index, weir_status status)
{
	complain_of_refusal(run, index, status, weir_pool_machine(run->pool));
	output_skip(run->output, index);
	pthread_mutex_lock(&run->lock);
	run->result[index].end = RESULT_REFUSED;
	run_counts_add(&run->counts, &run->result[index], 0);
	pthread_mutex_unlock(&run->lock);
	run_halt_if_due(run, 1);
}

/* The pool takes no more tasks now: wait until something began or ended, or a moment. */
static void wait_for_news(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	uint64_t until_ns = process_unix_ns() + RETRY_MS * WEIR_NS_PER_MS;
	struct timespec until = {.tv_sec = (time_t)(until_ns / WEIR_NS_PER_S),
				 .tv_nsec = (long)(until_ns % WEIR_NS_PER_S)};
	pthread_cond_timedwait(&run->news, &run->lock, &until);
	pthread_mutex_unlock(&run->lock);
}

/* A task of no amount would be a plain one; a command always takes something. */
static bool asks_for_nothing(const weir_demand *demand)
{
	bool counted = false;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		counted |= demand->counted[c] != 0;
	return !(demand->cores > 0) && !demand->memory_bytes && !demand->bandwidth_bytes_s && !counted;
}

/* With -j 1: who is first in the pool's waiting room is one question, whose grant is handed on to whom another. So nobody waits there,
 * and the list's order holds exactly. */
static bool one_at_a_time(const struct run *run)
{
	return run->options->jobs_at_once == 1;
}

static int before(const void *one, const void *other, void *context)
{
	static const int turn[WEIR_CLASSES] = {
		[WEIR_CRITICAL] = 0, [WEIR_HIGH] = 1, [WEIR_NORMAL] = 2, [WEIR_BEST_EFFORT] = 3};
	const struct run *run = context;
	size_t a = *(const size_t *)one, b = *(const size_t *)other;
	const weir_demand *mine = &run->file.job[a].demand, *its = &run->file.job[b].demand;
	if (mine->task_class != its->task_class)
		return turn[mine->task_class] < turn[its->task_class] ? -1 : 1;
	if (mine->priority != its->priority)
		return mine->priority > its->priority ? -1 : 1;
	return a < b ? -1 : 1;
}

static void submit_all(struct run *run)
{
	uint64_t begin_ns = weir_clock_monotonic_ns();
	for (size_t i = 0; i < run->file.jobs; i++)
		run->turn[i] = i;
	if (one_at_a_time(run))
		qsort_r(run->turn, run->file.jobs, sizeof(run->turn[0]), before, run);
	for (size_t n = 0; n < run->file.jobs && !run_is_ending(run);) {
		size_t i = run->turn[n];
		weir_demand demand = demand_of(run, i);
		run->job[i] = (struct run_job){run, i};
		run->result[i].submitted_ns = one_at_a_time(run) ? begin_ns : weir_clock_monotonic_ns();
		weir_status status = asks_for_nothing(&demand)
					     ? WEIR_EINVAL
					     : weir_submit(run->group, run_command, &run->job[i], &demand);
		if (status == WEIR_EFULL) {
			wait_for_news(run);
			continue;
		}
		if (status == WEIR_ECANCELED)
			return;
		if (status)
			refuse(run, i, status);
		n++;
		if (one_at_a_time(run))
			(void)weir_group_wait(run->group);
	}
}

/* What never ran takes no turn. */
static void skip_rest(struct run *run)
{
	for (size_t i = 0; i < run->file.jobs; i++) {
		if (run->result[i].end == RESULT_NOT_STARTED) {
			run->counts.not_started++;
			output_skip(run->output, i);
		}
	}
}

/* Say which commands would run, and which could not. */
static int dry_run(const struct run *run)
{
	weir_tracker *tracker;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = run->options->machine,
							       .limits = &run->options->limits))) {
		run_complain("%s", weir_error_text());
		return EXIT_OTHER_ERROR;
	}
	size_t refused = 0;
	for (size_t i = 0; i < run->file.jobs; i++) {
		weir_demand demand = demand_of(run, i);
		weir_grant grant;
		weir_status status = weir_tracker_take(tracker, &demand, &grant, NULL);
		if (status) {
			refused++;
			complain_of_refusal(run, i, status, weir_tracker_machine(tracker));
		} else {
			(void)weir_tracker_give(tracker, grant);
			puts(run->file.job[i].command);
		}
	}
	weir_tracker_destroy(tracker);
	return refused < EXIT_FAILURES_MAX ? (int)refused : EXIT_FAILURES_MAX;
}

/* Setting up and taking down. ----------------------------------------------------------------------------------- */

static bool set_up_pool(struct run *run)
{
	const struct run_options *o = run->options;
	uint32_t spares = run->file.jobs < SPARES_MAX ? (uint32_t)run->file.jobs : SPARES_MAX;
	/* Its threads only fork and sleep: pinning them would but pass on to the commands. */
	weir_status status = weir_pool_create(
		&run->pool,
		WEIR_OPTIONS(.machine = o->machine, .no_pinning = true, .resource_aware = true, .limits = &o->limits,
			     .strategy = o->strategy, .admission = o->admission, .spares_max = spares));
	weir_usage usage = {0};
	if (status == WEIR_OK)
		status = weir_group_create(&run->group, run->pool);
	if (status == WEIR_OK)
		status = weir_tracker_usage(weir_pool_tracker(run->pool), WEIR_ALL_NODES, &usage);
	if (status) {
		run_complain("%s", weir_error_text());
		return false;
	}
	run->frame.nodes = weir_machine_nodes(weir_pool_machine(run->pool));
	run->frame.limit = usage.limit;
	run->frame.timeout_ns = o->timeout_ns;
	return true;
}

static bool set_up_files(struct run *run)
{
	const struct run_options *o = run->options;
	int error = output_create(&run->output, o->output, run->file.jobs);
	if (error) {
		run_complain("no place for the commands' output: %s", strerror(error));
		return false;
	}
	if (o->joblog) {
		run->joblog = fopen(o->joblog, "we");
		if (!run->joblog || !joblog_header(run->joblog)) {
			run_complain("--joblog=%s: cannot be written: %s", o->joblog, strerror(errno));
			return false;
		}
	}
	/* Found out now rather than after hours of work. */
	FILE *record = o->record ? fopen(o->record, "ae") : NULL;
	if (o->record && !record) {
		run_complain("--record=%s: cannot be written: %s", o->record, strerror(errno));
		return false;
	}
	if (record)
		fclose(record);
	return true;
}

/* Every running command has files open, so take as many as are to be had. */
static void raise_file_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* First of all, while this process is small and as its caller made it: so the commands will find it. */
static bool set_up_starter(struct run *run)
{
	weir_machine *machine = NULL;
	if (!run->options->unbound && weir_machine_create(&machine, run->options->machine)) {
		run_complain("%s", weir_error_text());
		return false;
	}
	int error = starter_create(&run->starter, machine);
	if (error)
		run_complain("no process to start commands: %s", strerror(error));
	weir_machine_destroy(machine);
	return !error;
}

static void tick(void *context)
{
	struct run *run = context;
	pthread_mutex_lock(&run->lock);
	struct run_counts counts = run->counts;
	pthread_mutex_unlock(&run->lock);
	run_report_progress(stderr, &counts, &run->frame.limit);
}

static bool shows_progress(const struct run_options *o)
{
	return o->progress && isatty(STDERR_FILENO);
}

static bool set_up(struct run *run)
{
	const struct run_options *o = run->options;
	run->job = calloc(run->file.jobs, sizeof(*run->job));
	run->result = calloc(run->file.jobs, sizeof(*run->result));
	run->turn = calloc(run->file.jobs, sizeof(*run->turn));
	if (!run->job || !run->result || !run->turn) {
		run_complain("no memory for %zu jobs", run->file.jobs);
		return false;
	}
	raise_file_limit();
	watch_block_signals(&run->signals);
	if (!set_up_files(run) || !set_up_pool(run))
		return false;
	struct watch_calls calls = {run_interrupted, shows_progress(o) ? tick : NULL, run};
	int error = watch_start(&run->watch, &calls, o->grace_ns);
	if (error)
		run_complain("no thread for signals: %s", strerror(error));
	return !error;
}

static void take_down(struct run *run)
{
	if (run->watch)
		watch_stop(run->watch);
	if (run->group)
		weir_group_destroy(run->group);
	weir_pool_destroy(run->pool);
	if (run->joblog)
		fclose(run->joblog);
	output_destroy(run->output);
	starter_destroy(run->starter);
	free(run->job);
	free(run->result);
	free(run->turn);
	jobfile_free(&run->file);
	pthread_cond_destroy(&run->news);
	pthread_mutex_destroy(&run->lock);
}

/* The exit status of a run that went its way. */
static int exit_status(struct run *run)
{
	const char *wrong = run_counts_wrong(&run->counts, &run->frame.limit);
	if (wrong)
		run_complain("this is a bug in weir: %s", wrong);
	int error = output_error(run->output);
	if (error)
		run_complain("standard output: %s", strerror(error));
	if (wrong || error || run->joblog_failed)
		return EXIT_OTHER_ERROR;
	if (run->halt_status >= 0)
		return run->halt_status;
	uint64_t failures = run->counts.failed + run->counts.refused;
	return failures < EXIT_FAILURES_MAX ? (int)failures : EXIT_FAILURES_MAX;
}

static int run_all(struct run *run)
{
	run->frame.start_unix_ns = process_unix_ns();
	run->frame.start_ns = weir_clock_monotonic_ns();
	submit_all(run);
	(void)weir_group_wait(run->group); /* what failed was counted one by one */
	watch_stop(run->watch);
	run->watch = NULL;
	skip_rest(run);
	if (shows_progress(run->options)) {
		tick(run);
		fputc('\n', stderr);
	}

	uint64_t wall_ns = weir_clock_monotonic_ns() - run->frame.start_ns;
	int status = exit_status(run);
	if (run->options->record) {
		run->frame.end_unix_ns = run->frame.start_unix_ns + wall_ns;
		int error = record_write(run->options->record, &run->frame, &run->file, run->result);
		if (error) {
			run_complain("--record=%s: cannot be written: %s", run->options->record, strerror(error));
			status = EXIT_OTHER_ERROR;
		}
	}
	if (!run->options->quiet)
		run_report_summary(stderr, &run->counts, &run->frame.limit, wall_ns);
	return status;
}

/* End as the signal would have ended us, so that a script that runs us ends too. */
static void die_of(int signal_number, const sigset_t *signals)
{
	signal(signal_number, SIG_DFL);
	sigset_t open = *signals;
	sigdelset(&open, signal_number);
	raise(signal_number);
	pthread_sigmask(SIG_SETMASK, &open, NULL);
}

int run_main(int argc, char **argv)
{
	struct run_options options;
	run_options_parse(&options, argc, argv);
	struct run run = {.options = &options, .halt_status = -1};
	pthread_mutex_init(&run.lock, NULL);
	pthread_cond_init(&run.news, NULL);

	int status = EXIT_OTHER_ERROR;
	if ((options.dry_run || set_up_starter(&run)) &&
	    jobfile_read(&run.file, options.jobs, options.default_demand, options.names, stderr)) {
		run.counts.jobs = run.file.jobs;
		if (options.dry_run)
			status = dry_run(&run);
		else if (set_up(&run))
			status = run_all(&run);
	}
	int signal_number = run.signal;
	sigset_t signals = run.signals;
	take_down(&run);
	run_options_free(&options);
	if (signal_number)
		die_of(signal_number, &signals);
	return status;
}
