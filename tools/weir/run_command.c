/* SPDX-License-Identifier: MIT */
/*
 * run_command.c - one command from its task's grant to its measurement; and how a run ends early.
 *
 * Holds:     nothing but the run's counts, under its lock.
 * Invariant: J1  a command runs only between its task's start and end, so inside its grant: what runs at any instant
 *                needs no more than the limits. A command that is tried again keeps its grant.
 *            J2  every job ends as exactly one of succeeded, failed, stopped, refused, not started.
 * Progress:  one thread for each running command, asleep in process_run(). Between weir_blocking_begin() and _end() a
 *            spare thread stands in for the worker, so workers = cores are enough.
 * Together:  all of it from any threads.
 * Not here:  the process (process.c), signals (watch.c), the job list (run.c).
 */
#include "run_state.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include <weir/weir.h>

#include "commands.h"
#include "joblog.h"

enum { EXIT_SIGNAL = 128 }; /* as a shell says it */

void run_complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	flockfile(stderr);
	fputs("weir run: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	funlockfile(stderr);
	va_end(args);
}

/* As a compiler would say it. */
void run_complain_of(const struct run *run, size_t index, const char *what, const char *why)
{
	fprintf(stderr, "%s:%u: %s%s\n", run->file.name, run->file.job[index].line, what, why);
}

/* Ending early. ------------------------------------------------------------------------------------------------- */

/* No command starts from now on. Returns false if that was so before. */
static bool end_run(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	bool first = !run->ending;
	run->ending = true;
	pthread_cond_broadcast(&run->news);
	pthread_mutex_unlock(&run->lock);
	if (first)
		weir_group_cancel(run->group);
	return first;
}

bool run_is_ending(struct run *run)
{
	pthread_mutex_lock(&run->lock);
	bool ending = run->ending;
	pthread_mutex_unlock(&run->lock);
	return ending;
}

void run_interrupted(void *context, int signal, bool again)
{
	struct run *run = context;
	pthread_mutex_lock(&run->lock);
	uint64_t running = run->counts.running;
	if (!run->signal)
		run->signal = signal;
	pthread_mutex_unlock(&run->lock);
	end_run(run);
	if (!again)
		run_complain("%s: waiting for %llu running command%s; once more kills %s", strsignal(signal),
			     (unsigned long long)running, running == 1 ? "" : "s", running == 1 ? "it" : "them");
}

/* A command failed: is it the one that halts the run? */
void run_halt_if_due(struct run *run, int exit_status)
{
	const struct run_options *o = run->options;
	if (o->halt == HALT_NEVER)
		return;
	pthread_mutex_lock(&run->lock);
	bool due = run->halt_status < 0 && !run->signal && run->counts.failed + run->counts.refused >= o->halt_failures;
	if (due)
		run->halt_status = exit_status;
	pthread_mutex_unlock(&run->lock);
	if (!due)
		return;
	end_run(run);
	if (o->halt == HALT_NOW)
		watch_end_commands(run->watch);
}

/* One command. -------------------------------------------------------------------------------------------------- */

static bool begin(struct run *run, const weir_amount *granted)
{
	pthread_mutex_lock(&run->lock);
	bool go = !run->ending;
	if (go)
		run_counts_start(&run->counts, granted);
	pthread_cond_broadcast(&run->news);
	pthread_mutex_unlock(&run->lock);
	return go;
}

static bool succeeded(const struct process_result *p)
{
	return !p->error && !p->timed_out && !p->exit_status && !p->signal;
}

/* Run it until it succeeds or may not be tried again. Returns how often it ran. */
static uint32_t try_command(struct run *run, const struct process_spec *spec, struct capture *capture,
			    struct process_result *process)
{
	for (uint32_t tries = 1;; tries++) {
		process_run(spec, process);
		if (succeeded(process) || tries >= run->options->tries || run_is_ending(run))
			return tries;
		output_rewind(capture);
	}
}

/* What a command is told of its grant. */
struct told {
	char text[4][48];
	char *variable[5];
};

static void tell(struct told *told, const weir_allocation *grant, uint64_t sequence)
{
	double cores = ceil(grant->held.cores);
	snprintf(told->text[0], sizeof(told->text[0]), "WEIR_NODE=%" PRIu32, grant->node);
	snprintf(told->text[1], sizeof(told->text[1]), "WEIR_CORES=%.0f", cores > 1 ? cores : 1);
	snprintf(told->text[2], sizeof(told->text[2]), "WEIR_MEMORY_BYTES=%" PRIu64, grant->held.memory_bytes);
	snprintf(told->text[3], sizeof(told->text[3]), "WEIR_JOB=%" PRIu64, sequence);
	for (int i = 0; i < 4; i++)
		told->variable[i] = told->text[i];
	told->variable[4] = NULL;
}

static struct process_spec spec_of(struct run *run, const struct job *job, const weir_allocation *grant,
				   const struct told *told, const struct capture *capture)
{
	struct process_spec spec = {.starter = run->starter,
				    .start = {.command = job->command,
					      .variables = told->variable,
					      .output_fd = capture->output_fd,
					      .error_fd = capture->error_fd,
					      .node = grant->node},
				    .timeout_ns = run->options->timeout_ns,
				    .grace_ns = run->options->grace_ns,
				    .term_fd = watch_term_fd(run->watch),
				    .kill_fd = watch_kill_fd(run->watch)};
	weir_node_info node;
	if (weir_machine_node(weir_pool_machine(run->pool), grant->node, &node) == WEIR_OK)
		spec.start.cores = node.cores;
	return spec;
}

/* The exit status that a shell would show for it. */
static int status_of(const struct process_result *p)
{
	if (p->error)
		return EXIT_OTHER_ERROR;
	if (p->timed_out)
		return 1; /* however it took TERM */
	return p->signal ? EXIT_SIGNAL + p->signal : p->exit_status ? p->exit_status : 1;
}

static enum result_end end_of(const struct process_result *p)
{
	return succeeded(p) ? RESULT_SUCCEEDED : p->stopped ? RESULT_STOPPED : RESULT_FAILED;
}

/* Keep what was measured; the caller holds no lock. */
static void account(struct run *run, size_t index, const struct process_result *p, const weir_allocation *grant)
{
	struct result *result = &run->result[index];
	pthread_mutex_lock(&run->lock);
	result->end = end_of(p);
	result->started_ns = p->started_ns;
	result->wall_ns = p->wall_ns;
	result->cpu_ns = p->cpu_ns;
	result->peak_memory_bytes = p->peak_memory_bytes;
	result->node = grant->node;
	run_counts_add(&run->counts, result, grant->held.memory_bytes);
	run_counts_end(&run->counts, &grant->held);
	pthread_cond_broadcast(&run->news);
	pthread_mutex_unlock(&run->lock);
}

static void log_command(struct run *run, size_t index, const struct process_result *p, const weir_allocation *grant,
			uint64_t output_bytes, uint32_t tries)
{
	if (!run->joblog)
		return;
	struct joblog_row row = {.sequence = index + 1,
				 .started_unix_ns = p->started_unix_ns,
				 .wall_ns = p->wall_ns,
				 .output_bytes = output_bytes,
				 .exit_status = p->error || p->timed_out ? -1 : p->exit_status,
				 .signal = p->signal,
				 .command = run->file.job[index].command,
				 .cpu_ns = p->cpu_ns,
				 .peak_memory_bytes = p->peak_memory_bytes,
				 .wait_ns = p->started_ns - run->result[index].submitted_ns,
				 .node = grant->node,
				 .cores = grant->held.cores,
				 .memory_bytes = grant->held.memory_bytes,
				 .tries = tries};
	pthread_mutex_lock(&run->lock);
	if (!joblog_write(run->joblog, &row) && !run->joblog_failed) {
		run->joblog_failed = true;
		run_complain("--joblog=%s: cannot be written: %s", run->options->joblog, strerror(errno));
	}
	pthread_mutex_unlock(&run->lock);
}

/* Print; when nobody reads any more there is no point in going on. */
static uint64_t print_output(struct run *run, size_t index, struct capture *capture)
{
	uint64_t bytes = 0;
	output_finish(run->output, index, capture, &bytes);
	if (output_error(run->output) && end_run(run))
		watch_end_commands(run->watch);
	return bytes;
}

/* A task's body. */
weir_status run_command(weir_task *task, void *argument)
{
	struct run_job *job = argument;
	struct run *run = job->run;
	weir_allocation grant = {0};
	weir_status status = weir_tracker_look(weir_pool_tracker(run->pool), weir_task_grant(task), &grant);
	if (status)
		return status; /* not to be: the grant lives as long as the task */
	if (!begin(run, &grant.held))
		return WEIR_ECANCELED;

	weir_blocking_begin();
	struct process_result process = {.started_unix_ns = process_unix_ns(), .started_ns = weir_clock_monotonic_ns()};
	struct capture capture;
	uint32_t tries = 0;
	struct told told;
	tell(&told, &grant, job->index + 1);
	process.error = output_open(run->output, &capture);
	if (!process.error) {
		struct process_spec spec = spec_of(run, &run->file.job[job->index], &grant, &told, &capture);
		tries = try_command(run, &spec, &capture, &process);
	}
	if (process.error)
		run_complain_of(run, job->index, "cannot be started: ",
				process.error == EPIPE ? "the process weir-starter is gone" : strerror(process.error));
	uint64_t bytes = print_output(run, job->index, &capture);
	account(run, job->index, &process, &grant);
	log_command(run, job->index, &process, &grant, bytes, tries);
	if (end_of(&process) == RESULT_FAILED)
		run_halt_if_due(run, status_of(&process));
	weir_blocking_end();
	return succeeded(&process) ? WEIR_OK : WEIR_EUSER;
}
