/* SPDX-License-Identifier: MIT */
/*
 * host.c - `weir host`: what the monitor sees of this host, control group and process.
 *
 * Not here:  how a reading is printed (host_text.c, host_json.c).
 */
#include "host.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

enum key { KEY_INTERVAL = 256, KEY_JSON };

#define INTERVAL_DEFAULT_S 0.1
#define INTERVAL_MIN_S 0.001
#define INTERVAL_MAX_S 86400.0

struct host_options {
	double interval_s;
	unsigned long count;
	bool json;
};

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0, "One object on a line for each reading", 0},
	{"count", 'n', "N", 0, "So many readings, 0: until interrupted (default: 1)", 0},
	{"interval", KEY_INTERVAL, "SECONDS", 0, "Between readings (default: 0.1)", 0},
	{0}};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct host_options *o = state->input;
	char *end = argument;
	errno = 0;
	switch (key) {
	case KEY_JSON:
		o->json = true;
		return 0;
	case 'n':
		o->count = strtoul(argument, &end, 10);
		if (end == argument || *end || *argument == '-' || errno)
			argp_error(state, "--count=%s: give a whole number, 0 for no end", argument);
		return 0;
	case KEY_INTERVAL:
		o->interval_s = strtod(argument, &end);
		if (end == argument || *end || !(o->interval_s >= INTERVAL_MIN_S) || o->interval_s > INTERVAL_MAX_S)
			argp_error(state, "--interval=%s: give seconds, 0.001 to 86400", argument);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: there is nothing to name here", argument);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int fail(const char *what)
{
	fprintf(stderr, "weir host: %s%s%s\n", what ? what : "", what ? ": " : "",
		what ? strerror(errno) : weir_error_text());
	return EXIT_OTHER_ERROR;
}

static int print(const struct host_options *o, const struct host_view *view)
{
	if (o->json) {
		errno = ENOMEM;
		if (host_print_json(stdout, view))
			return fail("JSON");
	} else {
		host_print_text(stdout, view);
	}
	if (fflush(stdout) || ferror(stdout))
		return fail("standard output");
	return 0;
}

/* The first reading knows no shares of time yet: what is printed begins with the second. */
static int show(const struct host_options *o, weir_monitor *monitor, struct host_view *view, weir_reading *reading)
{
	uint64_t seen = 1, begun = weir_clock_monotonic_ns();
	int pause_ms = o->interval_s < 0.02 ? 1 : o->interval_s > 1 ? 100 : (int)(o->interval_s * 100);
	for (unsigned long printed = 0; o->count == 0 || printed < o->count;) {
		poll(NULL, 0, pause_ms);
		if (weir_monitor_read(monitor, reading))
			return fail(NULL);
		if (reading->readings <= seen)
			continue;
		seen = reading->readings;
		view->cost_share = (double)reading->cost_ns / (double)(weir_clock_monotonic_ns() - begun);
		int failed = print(o, view);
		if (failed)
			return failed;
		printed++;
	}
	return 0;
}

static int run(const struct host_options *o, const weir_machine *machine, weir_node_reading *node)
{
	weir_monitor *monitor;
	weir_reading reading = {.size = sizeof(reading), .node = node, .nodes_capacity = weir_machine_nodes(machine)};
	struct host_view view = {.machine = machine, .reading = &reading};
	uint64_t interval_ns = (uint64_t)llround(o->interval_s * (double)WEIR_NS_PER_S);
	if (weir_monitor_create(&monitor, machine, NULL, interval_ns))
		return fail(NULL);
	int status = weir_monitor_start(monitor) ? fail(NULL) : show(o, monitor, &view, &reading);
	weir_monitor_destroy(monitor);
	return status;
}

int host_main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Show what the monitor of a resource-aware pool sees: memory and CPU of each node, the control "
		       "group's "
		       "use, limits, events and throttling, pressure, and how old each part is.",
	};
	struct host_options o = {.interval_s = INTERVAL_DEFAULT_S, .count = 1};
	weir_machine *machine;
	error_t error = argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (error) {
		errno = error;
		return fail("options");
	}
	if (weir_machine_create(&machine, NULL))
		return fail(NULL);
	weir_node_reading *node = calloc(weir_machine_nodes(machine), sizeof(*node));
	int status = node ? run(&o, machine, node) : fail("memory");
	free(node);
	weir_machine_destroy(machine);
	return status;
}
