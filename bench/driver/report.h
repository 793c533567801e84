/* SPDX-License-Identifier: MIT */
/*
 * report.h - what a run came to: one row for weir beside each peer, and whether promises are kept.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "noise.h"
#include "programs.h"
#include "promises.h"
#include "samples.h"
#include "stats.h"

enum row_state { ROW_MEASURED, ROW_NOT_RUN, ROW_FAILED };

struct row {
	const char *workload;
	const char *unit;
	const char *peer; /* empty: weir has nobody beside it */
	uint32_t threads;
	enum row_state state; /* of the peer */
	const char *reason;   /* why it was not measured */
	struct summary weir;  /* count 0: weir was not measured */
	struct summary other; /* the peer */
	struct summary ratio; /* weir over the peer, round by round */
	uint32_t rounds;
	uint32_t noisy_rounds;
	bool noisy; /* more than a quarter of the rounds */
};

enum verdict { KEPT, MISSED, NOT_JUDGED };

struct judgement {
	const struct promise *promise;
	uint32_t threads;
	double measured; /* NaN: not measured */
	enum verdict verdict;
	const char *reason; /* why it was not judged */
	bool noisy;
};

struct peer {
	const char *name;
	enum row_state state;
	const char *reason;
};

struct report {
	char date[32];
	char machine[320];
	const char *commit;
	const char *version;
	bool quick;
	double load_before[3];
	double disturbed; /* the worst look at the machine */
	bool noisy;	  /* a row is */
	struct row *rows;
	size_t rows_count;
	struct judgement *judgements;
	size_t judgements_count;
	struct peer *peers;
	size_t peers_count;
	const struct failure *failures;
	size_t failures_count;
};

/* Owns: *out until report_free(). Borrows what it is made of. The head (date to load) is the caller's to fill. */
void report_make(struct report *out, const struct samples *samples, const struct programs *programs,
		 const struct promises *promises, const struct options *options, const struct noise *noise);

/* "1.05 x lace", "0.3 us median": what a promise allows at most. */
void report_promise_text(const struct promise *promise, char *text, size_t bytes);

const char *report_verdict_text(enum verdict verdict);

/* The judgement of that row, NULL: nothing is promised. Of a promise without a peer, of each row. */
const struct judgement *report_judgement(const struct report *report, const struct row *row);

size_t report_count(const struct report *report, enum verdict verdict);

void report_free(struct report *report);

#endif
