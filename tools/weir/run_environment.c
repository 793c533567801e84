/* SPDX-License-Identifier: MIT */
/*
 * run_environment.c - this process's environment, with four variables exchanged for each command.
 *
 * Holds:     pointers to this process's own strings.
 * Together:  environment_for() from any threads.
 */
#include "run_environment.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OURS = 4, TEXT_BYTES = 48 };

static const char *const names[OURS] = {"WEIR_NODE=", "WEIR_CORES=", "WEIR_MEMORY_BYTES=", "WEIR_JOB="};

struct environment {
	size_t count;
	char *other[]; /* than ours */
};

static bool is_ours(const char *variable)
{
	for (int i = 0; i < OURS; i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

struct environment *environment_create(void)
{
	size_t count = 0;
	while (environ && environ[count])
		count++;
	struct environment *environment = malloc(sizeof(*environment) + count * sizeof(char *));
	if (!environment)
		return NULL;
	environment->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!is_ours(environ[i]))
			environment->other[environment->count++] = environ[i];
	}
	return environment;
}

void environment_destroy(struct environment *environment)
{
	free(environment);
}

char **environment_for(const struct environment *environment, const weir_allocation *grant, uint64_t sequence)
{
	size_t pointers = environment->count + OURS + 1;
	char **out = malloc(pointers * sizeof(char *) + (size_t)OURS * TEXT_BYTES);
	if (!out)
		return NULL;
	double cores = ceil(grant->held.cores);
	const uint64_t values[OURS] = {grant->node, cores > 1 ? (uint64_t)cores : 1, grant->held.memory_bytes,
				       sequence};
	char *text = (char *)(out + pointers);
	for (int i = 0; i < OURS; i++) {
		snprintf(text, TEXT_BYTES, "%s%" PRIu64, names[i], values[i]);
		out[i] = text;
		text += TEXT_BYTES;
	}
	memcpy(out + OURS, environment->other, environment->count * sizeof(char *));
	out[pointers - 1] = NULL;
	return out;
}
