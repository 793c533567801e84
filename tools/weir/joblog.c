/* SPDX-License-Identifier: MIT */
/*
 * joblog.c - the lines of a job log, flushed one by one: whoever is interrupted keeps what ended.
 *
 * Holds:     nothing.
 * Invariant: every line has the header's number of tabs: a tab or backslash in a command is written as \t or \\.
 * Together:  one thread at a time for a stream.
 */
#include "joblog.h"

#include <inttypes.h>

#include <weir/base.h>

bool joblog_header(FILE *out)
{
	fputs("Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\t"
	      "CpuTime\tPeakMemory\tWaitTime\tNode\tCores\tMemory\tTries\n",
	      out);
	return fflush(out) == 0;
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)WEIR_NS_PER_S;
}

static void write_command(FILE *out, const char *command)
{
	for (; *command; command++) {
		if (*command == '\t')
			fputs("\\t", out);
		else if (*command == '\\')
			fputs("\\\\", out);
		else
			fputc(*command, out);
	}
}

bool joblog_write(FILE *out, const struct joblog_row *row)
{
	fprintf(out, "%" PRIu64 "\t:\t%.3f\t%10.3f\t0\t%" PRIu64 "\t%d\t%d\t", row->sequence,
		seconds(row->started_unix_ns), seconds(row->wall_ns), row->output_bytes, row->exit_status, row->signal);
	write_command(out, row->command);
	fprintf(out, "\t%.3f\t%" PRIu64 "\t%.3f\t%" PRIu32 "\t%g\t%" PRIu64 "\t%" PRIu32 "\n", seconds(row->cpu_ns),
		row->peak_memory_bytes, seconds(row->wait_ns), row->node, row->cores, row->memory_bytes, row->tries);
	return fflush(out) == 0 && !ferror(out);
}
