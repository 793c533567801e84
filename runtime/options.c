/* SPDX-License-Identifier: MIT */
/*
 * options.c - a pool's options: checked, filled in from the environment and by defaults.
 *
 * Holds:     the table of WEIR_* variables (docs/api.md has it for people; tests/hygiene/environment_test.sh compares).
 * Not here:  limits against a machine (limits.c).
 */
#include "runtime/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private/compiler.h"
#include "private/error.h"
#include "private/log.h"
#include "runtime/limits.h"
#include "runtime/pending.h"

extern char **environ;

enum {
	WORKERS_MAX = 4096,
	TASKS_DEFAULT = 1 << 22,
	TASKS_MAX = (1 << 24) - 1,
	WAITING_DEFAULT = 1 << 20,
	FORKS_DEFAULT = 1 << 16,
	FORKS_MAX = (1 << 20) - 1,
	LANES_DEFAULT = 256,
	LANES_MAX = 1024,
	SPARES_DEFAULT = 256,
	SPARES_MAX = 65536,
	STACK_MIN = 64 << 10,
};
/* Tasks with a slot, calls in lanes with the leave that is given at once (producers.c), and what threads have in stock. */
_Static_assert(TASKS_MAX + UINT64_C(5) * TASKS_MAX / 4 + (THREADS_MAX + 1) * STOCK_COUNTS <= GROUP_PENDING,
	       "a group counts all tasks that a pool can hold");
#define STACK_DEFAULT (UINT64_C(8) << 20)
#define STACK_MAX (UINT64_C(1) << 40)
#define SPIN_DEFAULT_NS (20 * WEIR_NS_PER_US)
#define SPIN_MAX_NS WEIR_NS_PER_S
#define INTERVAL_DEFAULT_NS (100 * WEIR_NS_PER_MS)
#define INTERVAL_MIN_NS WEIR_NS_PER_MS

enum kind {
	KIND_MACHINE,
	KIND_WORKERS,
	KIND_AWARE,
	KIND_CORES,
	KIND_MEMORY,
	KIND_STRATEGY,
	KIND_ADMISSION,
	KIND_PINNING,
	KIND_GUESTS,
	KIND_IDLE,
	KIND_LOG
};

static const struct variable {
	const char *name;
	enum kind kind;
} variables[] = {
	{"WEIR_MACHINE", KIND_MACHINE},		  {"WEIR_WORKERS", KIND_WORKERS},
	{"WEIR_RESOURCE_AWARE", KIND_AWARE},	  {"WEIR_LIMIT_CPU", KIND_CORES},
	{"WEIR_LIMIT_MEMORY", KIND_MEMORY},	  {"WEIR_STRATEGY", KIND_STRATEGY},
	{"WEIR_ADMISSION", KIND_ADMISSION},	  {"WEIR_PINNING", KIND_PINNING},
	{"WEIR_GUESTS", KIND_GUESTS},		  {"WEIR_IDLE", KIND_IDLE},
	{"WEIR_LOG", KIND_LOG},
};

/* Set by programs that run under weir's tools for their children, not read here. */
static const char *const others[] = {"WEIR_NODE", "WEIR_CORES", "WEIR_MEMORY_BYTES", "WEIR_JOB"};

static weir_status bad(const char *name, const char *value, const char *would_do)
{
	return error_set(WEIR_EINVAL, "%s is \"%.60s\": give %s", name, value, would_do);
}

static weir_status read_flag(const char *name, const char *value, bool *out)
{
	if (!strcmp(value, "1") || !strcmp(value, "on") || !strcmp(value, "yes"))
		*out = true;
	else if (!strcmp(value, "0") || !strcmp(value, "off") || !strcmp(value, "no"))
		*out = false;
	else
		return bad(name, value, "1 or 0, on or off, yes or no");
	return WEIR_OK;
}

static weir_status read_number(const char *name, const char *value, double most, double *out)
{
	char *end;
	errno = 0;
	*out = strtod(value, &end);
	if (end == value || *end || errno || !(*out >= 0) || *out > most)
		return error_set(WEIR_EINVAL, "%s is \"%.60s\": give a number from 0 to %g", name, value, most);
	return WEIR_OK;
}

static weir_status read_log(const char *name, const char *value)
{
	static const char *const levels[] = {"off", "error", "warn", "info", "debug"};
	for (int level = 0; level < (int)ARRAY_LENGTH(levels); level++)
		if (!strcmp(value, levels[level]))
			return weir_log_level_get() ? WEIR_OK : weir_log_set((weir_log_level)level, NULL, NULL, 0);
	return bad(name, value, "off, error, warn, info or debug");
}

static weir_status read_idle(const char *name, const char *value, weir_idle *out)
{
	static const char *const policies[] = {"hybrid", "spin", "block"};
	for (int i = 0; i < (int)ARRAY_LENGTH(policies); i++) {
		if (strcmp(value, policies[i]) != 0)
			continue;
		if (!*out)
			*out = (weir_idle)i;
		return WEIR_OK;
	}
	return bad(name, value, "hybrid, spin or block");
}

/* One variable, where the option it stands for was left at its default. */
static weir_status apply(struct resolved *out, const struct variable *variable, const char *value)
{
	weir_options *options = &out->options;
	weir_status status = WEIR_OK;
	double number = 0;
	bool flag = false;
	uint32_t rules = 0;
	switch (variable->kind) {
	case KIND_MACHINE:
		if (strlen(value) >= sizeof(out->machine))
			return bad(variable->name, value, "at most 255 bytes");
		snprintf(out->machine, sizeof(out->machine), "%s", value);
		if (!options->machine)
			options->machine = out->machine;
		return WEIR_OK;
	case KIND_WORKERS:
		status = read_number(variable->name, value, WORKERS_MAX, &number);
		if (!status && number != (double)(uint32_t)number)
			return bad(variable->name, value, "a whole number");
		if (!status && !options->workers)
			options->workers = (uint32_t)number;
		return status;
	case KIND_AWARE:
		status = read_flag(variable->name, value, &flag);
		options->resource_aware |= flag;
		return status;
	case KIND_CORES:
		status = read_number(variable->name, value, 1e6, &number);
		if (!status && !(out->limits.cores > 0))
			out->limits.cores = number;
		return status;
	case KIND_MEMORY: {
		uint64_t bytes;
		if (weir_bytes_parse(&bytes, value))
			return bad(variable->name, value, "bytes, such as 512M or 4G");
		if (!out->limits.memory_bytes)
			out->limits.memory_bytes = bytes;
		return WEIR_OK;
	}
	case KIND_STRATEGY:
		if (!weir_strategy_find(value))
			return bad(variable->name, value, "first, best or worst");
		if (!options->strategy)
			options->strategy = weir_strategy_find(value);
		return WEIR_OK;
	case KIND_ADMISSION:
		if (weir_rules_parse(&rules, value))
			return bad(variable->name, value,
				   "hard, watermark, adaptive, deadline or observe, or several with + between them");
		options->admission |= options->admission ? 0 : rules;
		return WEIR_OK;
	case KIND_PINNING:
		status = read_flag(variable->name, value, &flag);
		options->no_pinning |= !status && !flag;
		return status;
	case KIND_GUESTS:
		status = read_flag(variable->name, value, &flag);
		options->no_guests |= !status && !flag;
		return status;
	case KIND_IDLE:
		return read_idle(variable->name, value, &options->idle);
	case KIND_LOG:
		return read_log(variable->name, value);
	}
	return WEIR_OK;
}

static void warn_of_unknown(void)
{
	for (char **entry = environ; entry && *entry; entry++) {
		size_t length = strcspn(*entry, "=");
		if (strncmp(*entry, "WEIR_", 5) != 0)
			continue;
		bool known = false;
		for (size_t i = 0; i < ARRAY_LENGTH(variables); i++)
			known |= strlen(variables[i].name) == length && !strncmp(*entry, variables[i].name, length);
		for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
			known |= strlen(others[i]) == length && !strncmp(*entry, others[i], length);
		if (!known)
			LOG(WEIR_LOG_WARN, "environment: %.*s is no variable of weir's and is ignored", (int)length,
			    *entry);
	}
}

static weir_status read_environment(struct resolved *out)
{
	weir_status status = WEIR_OK;
	for (size_t i = ARRAY_LENGTH(variables); i-- > 0 && !status;) {
		const char *value = getenv(variables[i].name);
		if (value && *value)
			status = apply(out, &variables[i], value);
	}
	if (!status)
		warn_of_unknown();
	return status;
}

static weir_status check_range(const char *name, uint64_t value, uint64_t least, uint64_t most)
{
	if (value && (value < least || value > most))
		return error_set(WEIR_EINVAL, "options.%s is %llu: give 0 (the default) or %llu to %llu", name,
				 (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
	return WEIR_OK;
}

static weir_status check(const weir_options *options)
{
	const struct {
		const char *name;
		uint64_t value, least, most;
	} ranges[] = {
		{"workers", options->workers, 1, WORKERS_MAX},
		{"tasks_max", options->tasks_max, 1, TASKS_MAX},
		{"waiting_max", options->waiting_max, 1, TASKS_MAX},
		{"forks_max", options->forks_max, 2, FORKS_MAX},
		{"lanes_max", options->lanes_max, 1, LANES_MAX},
		{"spares_max", options->spares_max, 1, SPARES_MAX},
		{"stack_bytes", options->stack_bytes, STACK_MIN, STACK_MAX},
		{"spin_ns", options->spin_ns, 1, SPIN_MAX_NS},
		{"monitoring_interval_ns", options->monitoring_interval_ns, INTERVAL_MIN_NS, UINT64_MAX},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
		weir_status status = check_range(ranges[i].name, ranges[i].value, ranges[i].least, ranges[i].most);
		if (status)
			return status;
	}
	if (options->admission & ~(uint32_t)WEIR_ADMISSION_RULES)
		return error_set(WEIR_EINVAL, "options.admission is %u: give WEIR_ADMIT_HARD, or a sum of other WEIR_ADMIT_... rules",
				 options->admission);
	if ((unsigned)options->idle > WEIR_IDLE_BLOCK)
		return error_set(WEIR_EINVAL,
				 "options.idle is %d: give WEIR_IDLE_HYBRID, WEIR_IDLE_SPIN or WEIR_IDLE_BLOCK",
				 (int)options->idle);
	if (options->strategy && !options->strategy->score)
		return error_set(WEIR_EINVAL, "options.strategy has no score function");
	if (!options->resource_aware) {
		const char *only = options->limits	? "limits"
				   : options->strategy	? "strategy"
				   : options->monitor	? "monitor"
				   : options->admission ? "admission"
				   : options->admission_options ? "admission_options"
							: NULL;
		if (only)
			return error_set(WEIR_EINVAL,
					 "options.%s is set on a plain pool, where it would do nothing: set "
					 "options.resource_aware",
					 only);
	}
	return WEIR_OK;
}

#define DEFAULT(field, value)                                                                                          \
	do {                                                                                                           \
		if (!options->field)                                                                                   \
			options->field = (value);                                                                      \
	} while (0)

weir_status options_resolve(struct resolved *out, const weir_options *given)
{
	static const weir_options none = {.size = sizeof(weir_options), .layout = WEIR_LAYOUT};
	static const weir_limits no_limits = {.size = sizeof(weir_limits)};
	if (!given)
		given = &none;
	if (given->size != sizeof(*given))
		return error_set(WEIR_EVERSION,
				 "options.size is %zu, the library's is %zu: use WEIR_OPTIONS() and compile against "
				 "the headers of the library that is linked",
				 given->size, sizeof(*given));
	if (given->layout != WEIR_LAYOUT)
		return error_set(WEIR_EVERSION,
				 "options.layout is %u, the library's is %u: compile against the headers of the "
				 "library that is linked",
				 given->layout, WEIR_LAYOUT);
	weir_status status = limits_check_size(given->limits);
	if (status)
		return status;
	*out = (struct resolved){.options = *given, .limits = given->limits ? *given->limits : no_limits};
	weir_options *options = &out->options;
	status = check(options);
	if (!status && !given->no_environment)
		status = read_environment(out);
	if (status)
		return status;
	options->limits = &out->limits;
	DEFAULT(tasks_max, TASKS_DEFAULT);
	if (!options->admission_options)
		DEFAULT(waiting_max, WAITING_DEFAULT);
	DEFAULT(forks_max, FORKS_DEFAULT);
	DEFAULT(lanes_max, LANES_DEFAULT);
	DEFAULT(spares_max, SPARES_DEFAULT);
	DEFAULT(stack_bytes, STACK_DEFAULT);
	DEFAULT(spin_ns, SPIN_DEFAULT_NS);
	DEFAULT(monitoring_interval_ns, INTERVAL_DEFAULT_NS);
	return WEIR_OK;
}
