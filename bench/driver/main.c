/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program behind tools/bench: measure and report, or compare two reports.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/weir.h>

#include "compare.h"
#include "html.h"
#include "json.h"
#include "machine.h"
#include "measure.h"
#include "options.h"
#include "show.h"

enum { PATH_BYTES = 4096, LIST_TIMEOUT_S = 10 };

static bool wrong(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	return false;
}

static void path_in(char path[static PATH_BYTES], const char *folder, const char *name)
{
	if (snprintf(path, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES) {
		fprintf(stderr, "bench: %s/%s: the name is too long\n", folder, name);
		exit(EXIT_WRONG);
	}
}

static bool write_file(const struct report *report, bool (*write)(const struct report *report, const char *file),
		       const char *folder, const char *name)
{
	char path[PATH_BYTES];
	path_in(path, folder, name);
	if (write(report, path)) {
		printf("written: %s\n", path);
		return true;
	}
	fprintf(stderr, "bench: %s: %s\n", path, strerror(errno ? errno : EIO));
	return false;
}

static bool table_write(const struct report *report, const char *file)
{
	errno = 0;
	FILE *out = fopen(file, "w");
	if (!out)
		return false;
	show_table(report, out);
	bool good = !ferror(out);
	return fclose(out) == 0 && good;
}

/* A finished program given by --peer is run as it is; a prefix was CMake's affair. */
static bool add_outside(struct programs *programs, const struct options *options)
{
	for (uint32_t i = 0; i < options->peers_count; i++) {
		const struct outside *peer = &options->peers[i];
		char name[NAME_BYTES];
		struct stat status;
		snprintf(name, sizeof(name), "%.*s", (int)peer->name_bytes, peer->name);
		if (stat(peer->prefix, &status)) {
			fprintf(stderr, "bench: --peer %s=%s: %s\n", name, peer->prefix, strerror(errno));
			return false;
		}
		if (S_ISREG(status.st_mode))
			programs_add(programs, name, peer->prefix);
		bool known = false;
		for (size_t p = 0; p < programs->count; p++)
			known = known || strcmp(programs->all[p].peer, name) == 0;
		for (size_t p = 0; p < programs->missing_count; p++)
			known = known || strcmp(programs->missing[p].peer, name) == 0;
		if (!known) {
			fprintf(stderr,
				"bench: --peer %s=%s: there is no program to compile for a peer of that name; give a "
				"finished one\n",
				name, peer->prefix);
			return false;
		}
	}
	return true;
}

static bool tell(const struct report *report, const struct options *options)
{
	signal(SIGPIPE, SIG_IGN); /* the files are written, whoever has stopped reading the table */
	show_table(report, stdout);
	bool good = write_file(report, report_write_json, options->out, "report.json");
	good &= write_file(report, html_write, options->out, "report.html");
	if (options->keep) {
		char name[32];
		snprintf(name, sizeof(name), "%.10s-bench.json", report->date);
		good &= write_file(report, report_write_json, options->results, name);
		snprintf(name, sizeof(name), "%.10s-bench.txt", report->date);
		good &= write_file(report, table_write, options->results, name);
	}
	good &= show_arrived();
	return good;
}

/* Of weir or the floor. A peer that fails costs its column. */
static bool ours_failed(const struct report *report)
{
	for (size_t i = 0; i < report->failures_count; i++)
		if (strcmp(report->failures[i].peer, "weir") == 0 || strcmp(report->failures[i].peer, "floor") == 0)
			return true;
	return false;
}

static bool run(const struct options *options, const struct programs *programs, const struct promises *promises,
		int *status)
{
	char why[WHY_BYTES];
	struct samples samples;
	struct report report = {.version = weir_version()};
	struct noise noise = {0};
	machine_date(report.date, sizeof(report.date));
	machine_line(report.machine, sizeof(report.machine));
	machine_load(report.load_before);
	bool good = measure(&samples, programs, promises, options, &noise, why) || wrong(why);
	if (good) {
		report_make(&report, &samples, programs, promises, options, &noise);
		good = tell(&report, options);
		*status = ours_failed(&report)				     ? EXIT_WRONG
			  : options->strict && report_count(&report, MISSED) ? EXIT_MISSED
									     : 0;
	}
	report_free(&report);
	samples_free(&samples);
	return good;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "compare") == 0)
		return compare_main(argc - 1, argv + 1);
	/* What argp calls it in its messages. */
	argv[0] = (char *)"bench";
	struct options options;
	options_parse(&options, argc, argv);
	if (options.check)
		return 0;
	char why[WHY_BYTES];
	struct programs programs = {0};
	struct promises promises = {0};
	int status = EXIT_WRONG;
	bool good = (options.programs && options.promises) || wrong("run it by tools/bench");
	good = good && (programs_read(&programs, options.programs, why) || wrong(why));
	good = good && (promises_read(&promises, options.promises, why) || wrong(why));
	good = good && add_outside(&programs, &options);
	if (good) {
		programs_ask(&programs, LIST_TIMEOUT_S * WEIR_NS_PER_S);
		good = run(&options, &programs, &promises, &status);
	}
	free(promises.all);
	programs_free(&programs);
	return good ? status : EXIT_WRONG;
}
