/* SPDX-License-Identifier: MIT */
/*
 * machine.c - the machine line, the date, the load.
 *
 * Together: one thread.
 */
#include "machine.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

static void processor(char *text, size_t bytes)
{
	snprintf(text, bytes, "unknown processor");
	FILE *in = fopen("/proc/cpuinfo", "r");
	char line[256];
	while (in && fgets(line, sizeof(line), in)) {
		const char *colon = strstr(line, ": ");
		if (strncmp(line, "model name", 10) != 0 || !colon)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, bytes, "%s", colon + 2);
		break;
	}
	if (in)
		fclose(in);
}

void machine_line(char *text, size_t bytes)
{
	char model[160];
	processor(model, sizeof(model));
	cpu_set_t may;
	int cores = sched_getaffinity(0, sizeof(may), &may) ? 0 : CPU_COUNT(&may);
	struct utsname system = {0};
	uname(&system);
#ifdef __clang__
	const char *compiler = "";
#else
	const char *compiler = "gcc ";
#endif
	snprintf(text, bytes, "%d x %s, %s %s, %s%s", cores, model, system.sysname, system.release, compiler,
		 __VERSION__);
}

void machine_date(char *text, size_t bytes)
{
	time_t now = time(NULL);
	struct tm parts;
	if (!gmtime_r(&now, &parts) || !strftime(text, bytes, "%Y-%m-%dT%H:%M:%SZ", &parts))
		snprintf(text, bytes, "unknown");
}

void machine_load(double load[static 3])
{
	int known = getloadavg(load, 3);
	for (int i = known < 0 ? 0 : known; i < 3; i++)
		load[i] = NAN;
}
