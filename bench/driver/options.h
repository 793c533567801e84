/* SPDX-License-Identifier: MIT */
/*
 * options.h - what tools/bench is asked for.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "protocol.h"

enum { ROUNDS_MOST = 64, ONLY_MOST = 64, PEERS_MOST = 32, EXIT_MISSED = 1, EXIT_WRONG = 2 };

struct outside {
	const char *name; /* not ended: name_bytes long */
	size_t name_bytes;
	const char *prefix;
};

struct options {
	bool quick;
	bool keep;
	bool strict;
	uint32_t rounds; /* 0: as quick says */
	const char *only[ONLY_MOST];
	uint32_t only_count;
	uint32_t threads[COUNTS_MOST];
	uint32_t threads_count; /* 0: all that are offered */
	struct outside peers[PEERS_MOST];
	uint32_t peers_count;
	uint64_t timeout_ns; /* of one run; 0: as quick says */
	/* What tools/bench says, not people. */
	const char *programs;
	const char *promises;
	const char *out;     /* folder of report.json and report.html */
	const char *results; /* folder for --keep */
	const char *commit;
	uint64_t budget_ns; /* for all runs, as quick has one; 0: as quick says */
	uint64_t look_ns;   /* how long a look for noise takes; 0: as noise.c says */
	bool check;	    /* only whether the options are right */
};

/* Ends the process after --help, and with EXIT_WRONG after what cannot be meant. Owns: nothing; the text is argv's. */
void options_parse(struct options *out, int argc, char **argv);

#endif
