/* SPDX-License-Identifier: MIT */
/*
 * measure.c - rounds of A B A B.
 *
 * Invariant: in a round each program that has the workload runs once, in the order of the list; who failed once does not
 *            run again in that workload with those threads. When time is short (quick), rounds up to JUDGED_ROUNDS are of
 *            weir and whom a promise names alone, so that what is promised can be judged.
 * Together:  one thread; nothing else runs while a program does.
 * Not here:  what the values come to (report.c).
 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/clock.h>

#include "child.h"

enum {
	CELLS_MOST = 1024,
	ROUNDS_USUAL = 9,
	ROUNDS_QUICK = 5,
	QUICK_BUDGET_S = 100,
	TIMEOUT_S = 20,
	TIMEOUT_QUICK_S = 5
};

/* In which order workloads are run and shown; others follow as the programs name them. */
static const char *const first[] = {"fib",	    "uts",	    "pfor_grain1", "pfor_auto",	     "submit_1p",
				    "submit_2p",    "submit_batch", "latency_hot", "latency_parked", "queued_bytes",
				    "tracker_1t",   "tracker_2t",   "tracker_8t",  "tracker_id_1t",  "credit_1t",
				    "admission_1us"};

struct todo {
	const char *workload;
	uint32_t threads;
};

struct plan {
	struct todo todo[CELLS_MOST];
	size_t count;
};

static bool is_chosen(const struct options *options, const char *workload)
{
	for (uint32_t i = 0; i < options->only_count; i++)
		if (strcmp(options->only[i], workload) == 0)
			return true;
	return !options->only_count;
}

static bool has_offer(const struct programs *programs, const char *workload, uint32_t threads)
{
	for (size_t p = 0; p < programs->count; p++) {
		const struct offer *offer = program_offer(&programs->all[p], workload);
		if (offer && (!threads || protocol_offers(offer, threads)))
			return true;
	}
	return false;
}

static void plan_add(struct plan *plan, const char *workload, uint32_t threads)
{
	for (size_t i = 0; i < plan->count; i++)
		if (plan->todo[i].threads == threads && strcmp(plan->todo[i].workload, workload) == 0)
			return;
	if (plan->count < CELLS_MOST)
		plan->todo[plan->count++] = (struct todo){workload, threads};
}

/* Thread counts in ascending order: those that are asked for and offered, or all that are named. */
static void plan_workload(struct plan *plan, const struct programs *programs, const struct options *options,
			  const char *workload)
{
	if (!is_chosen(options, workload))
		return;
	size_t begin = plan->count;
	for (uint32_t i = 0; i < options->threads_count; i++)
		if (has_offer(programs, workload, options->threads[i]))
			plan_add(plan, workload, options->threads[i]);
	for (size_t p = 0; p < programs->count && !options->threads_count; p++) {
		const struct offer *offer = program_offer(&programs->all[p], workload);
		for (uint32_t i = 0; offer && i < offer->counts_count; i++)
			plan_add(plan, workload, offer->counts[i]);
	}
	for (size_t i = begin; i < plan->count; i++)
		for (size_t j = i; j > begin && plan->todo[j].threads < plan->todo[j - 1].threads; j--) {
			struct todo other = plan->todo[j];
			plan->todo[j] = plan->todo[j - 1];
			plan->todo[j - 1] = other;
		}
}

/* What there is, for who asked for what there is not. As much as there is room for. */
static void say_unknown(const struct plan *plan, const char *name, char why[static WHY_BYTES])
{
	int used = snprintf(why, WHY_BYTES, "--only %s: no program has that workload; there are", name);
	for (size_t i = 0; i < plan->count && used < WHY_BYTES; i++)
		if (!i || strcmp(plan->todo[i].workload, plan->todo[i - 1].workload) != 0)
			used += snprintf(why + used, WHY_BYTES - (size_t)used, " %s", plan->todo[i].workload);
}

static void plan_all(struct plan *plan, const struct programs *programs, const struct options *options)
{
	plan->count = 0;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		plan_workload(plan, programs, options, first[i]);
	for (size_t p = 0; p < programs->count; p++)
		for (size_t i = 0; i < programs->all[p].offers.count; i++)
			if (!has_offer(&(struct programs){.all = programs->all, .count = p},
				       programs->all[p].offers.all[i].workload, 0)) {
				const char *workload = programs->all[p].offers.all[i].workload;
				bool known = false;
				for (size_t f = 0; f < sizeof(first) / sizeof(first[0]); f++)
					known = known || strcmp(first[f], workload) == 0;
				if (!known)
					plan_workload(plan, programs, options, workload);
			}
}

static bool make_plan(struct plan *plan, const struct programs *programs, const struct options *options,
		      char why[static WHY_BYTES])
{
	for (uint32_t i = 0; i < options->only_count; i++)
		if (!has_offer(programs, options->only[i], 0)) {
			plan_all(plan, programs, &(const struct options){0});
			say_unknown(plan, options->only[i], why);
			return false;
		}
	plan_all(plan, programs, options);
	if (!plan->count)
		snprintf(why, WHY_BYTES, "%s",
			 options->threads_count ? "--threads: no program has these counts"
						: "no program has a workload");
	return plan->count > 0;
}

struct run {
	struct samples *samples;
	const struct programs *programs;
	const struct promises *promises;
	const struct options *options;
	struct noise *noise;
	struct child *child;
	uint64_t timeout_ns;
	uint32_t rounds;
	uint64_t deadline_ns; /* 0: none */
};

/* False: it failed, and why was noted. */
static bool run_one(struct run *run, const struct program *program, const struct todo *todo, uint32_t round)
{
	char threads[16], complaint[WHY_BYTES];
	snprintf(threads, sizeof(threads), "%u", todo->threads);
	child_run(run->child,
		  (const char *const[]){program->path, "run", todo->workload, threads,
					run->options->quick ? "quick" : NULL, NULL},
		  run->timeout_ns);
	const char *why = child_complaint(run->child, complaint, sizeof(complaint));
	struct measured rows[OUTPUT_ROWS_MOST];
	size_t count = 0;
	if (!why && !protocol_parse_rows(run->child->out, todo->workload, todo->threads, rows, &count, complaint))
		why = complaint;
	for (size_t i = 0; !why && i < count; i++)
		if (!samples_add(run->samples, &rows[i], round)) {
			snprintf(complaint, sizeof(complaint), "peer %s, unit %s: more than one value in a round",
				 rows[i].peer, rows[i].unit);
			why = complaint;
		}
	if (!why)
		return true;
	fprintf(stderr, "bench: %s, %s, %u thread%s: %s\n", program->peer, todo->workload, todo->threads,
		todo->threads == 1 ? "" : "s", why);
	samples_fail(run->samples, program->peer, todo->workload, todo->threads, why);
	return false;
}

/* Whether a promise is judged by what the program measures; program NULL: whether any is. */
static bool is_judged(const struct run *run, const struct todo *todo, const struct program *program)
{
	for (size_t i = 0; i < run->promises->count; i++) {
		const struct promise *promise = &run->promises->all[i];
		if (strcmp(promise->workload, todo->workload) == 0 &&
		    (!promise->threads || promise->threads == todo->threads) &&
		    (!program || strcmp(program->peer, "weir") == 0 || strcmp(program->peer, promise->peer) == 0))
			return true;
	}
	return false;
}

/* How many rounds there is time for, after the first. */
static uint32_t rounds_in_time(const struct run *run, uint64_t begun_ns, size_t cells_left)
{
	uint64_t now = weir_clock_monotonic_ns();
	if (!run->deadline_ns)
		return run->rounds;
	if (now >= run->deadline_ns)
		return 1;
	uint64_t share = (run->deadline_ns - now) / cells_left, one = now - begun_ns + 1;
	return share / one + 1 < run->rounds ? (uint32_t)(share / one) + 1 : run->rounds;
}

static void run_cell(struct run *run, const struct todo *todo, size_t cells_left)
{
	struct cell *cell = samples_begin_cell(run->samples, todo->workload, todo->threads);
	bool *failed = calloc(run->programs->count, sizeof(*failed));
	if (!failed)
		abort();
	uint64_t begun = weir_clock_monotonic_ns();
	uint32_t rounds = run->rounds, of_all = rounds;
	double before = noise_look(run->noise);
	for (uint32_t round = 0; round < rounds; round++) {
		for (size_t p = 0; p < run->programs->count; p++) {
			const struct offer *offer = program_offer(&run->programs->all[p], todo->workload);
			bool chosen = round < of_all || is_judged(run, todo, &run->programs->all[p]);
			if (offer && chosen && protocol_offers(offer, todo->threads) && !failed[p])
				failed[p] = !run_one(run, &run->programs->all[p], todo, round);
		}
		double after = noise_look(run->noise);
		cell->rounds++;
		cell->noisy_rounds += before > NOISE_LIMIT || after > NOISE_LIMIT;
		before = after;
		if (!round) {
			of_all = rounds = rounds_in_time(run, begun, cells_left);
			if (rounds < JUDGED_ROUNDS && rounds < run->rounds && is_judged(run, todo, NULL))
				rounds = run->rounds < JUDGED_ROUNDS ? run->rounds : JUDGED_ROUNDS;
		}
	}
	free(failed);
	fprintf(stderr, "bench: %s, %u thread%s: %u round%s in %.1f s%s\n", todo->workload, todo->threads,
		todo->threads == 1 ? "" : "s", cell->rounds, cell->rounds == 1 ? "" : "s",
		(double)(weir_clock_monotonic_ns() - begun) / (double)WEIR_NS_PER_S,
		cell->noisy_rounds ? ", noisy" : "");
}

bool measure(struct samples *samples, const struct programs *programs, const struct promises *promises,
	     const struct options *options, struct noise *noise, char why[static WHY_BYTES])
{
	*samples = (struct samples){0};
	for (size_t p = 0; p < programs->count; p++)
		if (*programs->all[p].why_not)
			samples_fail(samples, programs->all[p].peer, "", 0, programs->all[p].why_not);
	struct plan *plan = malloc(sizeof(*plan));
	struct run run = {.samples = samples,
			  .programs = programs,
			  .promises = promises,
			  .options = options,
			  .noise = noise,
			  .child = malloc(sizeof(*run.child)),
			  .timeout_ns = (options->quick ? TIMEOUT_QUICK_S : TIMEOUT_S) * WEIR_NS_PER_S,
			  .rounds = options->quick ? ROUNDS_QUICK : ROUNDS_USUAL};
	if (!plan || !run.child)
		abort();
	if (options->timeout_ns)
		run.timeout_ns = options->timeout_ns;
	if (options->rounds)
		run.rounds = options->rounds;
	bool good = make_plan(plan, programs, options, why);
	if (good)
		noise_create(noise, options->look_ns);
	if (options->budget_ns)
		run.deadline_ns = weir_clock_monotonic_ns() + options->budget_ns;
	else if (options->quick && !options->rounds)
		run.deadline_ns = weir_clock_monotonic_ns() + QUICK_BUDGET_S * WEIR_NS_PER_S;
	for (size_t i = 0; good && i < plan->count; i++)
		run_cell(&run, &plan->todo[i], plan->count - i);
	free(run.child);
	free(plan);
	return good;
}
