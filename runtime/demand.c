/* SPDX-License-Identifier: MIT */
/*
 * demand.c - demands and amounts as text: what job files and command lines say.
 *
 * Holds:     nothing.
 * Not here:  units and limits (limits.c).
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <weir/resource.h>

#include "private/compiler.h"
#include "private/error.h"

enum { WORD_BYTES_MAX = 64 };

static const char *const class_names[WEIR_CLASSES] = {
	[WEIR_NORMAL] = "normal",
	[WEIR_HIGH] = "high",
	[WEIR_CRITICAL] = "critical",
	[WEIR_BEST_EFFORT] = "best-effort",
};

const char *weir_class_name(weir_class task_class)
{
	return (unsigned)task_class < WEIR_CLASSES ? class_names[task_class] : "?";
}

const char *weir_resource_name(weir_resource resource)
{
	static const char *const names[WEIR_RESOURCES] = {"CPU",       "memory",    "bandwidth", "counted 0",
							  "counted 1", "counted 2", "counted 3"};
	return (unsigned)resource < WEIR_RESOURCES ? names[resource] : "?";
}

/* The power of 1024 that a suffix stands for: "", "B", "K", "KB", "KiB", ...; -1: none. */
static int suffix_power(const char *suffix)
{
	static const char letters[] = "KMGTPE";
	if (!*suffix || !strcasecmp(suffix, "B"))
		return 0;
	const char *letter = strchr(letters, toupper((unsigned char)*suffix));
	if (!letter || (suffix[1] && strcasecmp(suffix + 1, "B") != 0 && strcasecmp(suffix + 1, "iB") != 0))
		return -1;
	return (int)(letter - letters) + 1;
}

/* A decimal number and what follows it; NAN: none, or another notation ("0x1p3", "inf") that strtod() would take. */
static double decimal(const char *text, char **end)
{
	bool plain = isdigit((unsigned char)*text) || *text == '.';
	return plain && !strpbrk(text, "xX") ? strtod(text, end) : NAN;
}

weir_status weir_bytes_parse(uint64_t *out, const char *text)
{
	if (!out || !text)
		return error_set(WEIR_EINVAL, "out or text is NULL");
	char *end = NULL;
	errno = 0;
	double value = decimal(text, &end);
	int power = end && end != text ? suffix_power(end) : -1;
	if (power < 0 || !isfinite(value) || errno == ERANGE)
		return error_set(WEIR_EINVAL, "\"%.40s\" is no amount of bytes: write 512, 64K, 1.5G", text);
	/* Whole numbers exactly; a double has 53 bits only. */
	char *whole_end = NULL;
	errno = 0;
	unsigned long long whole = strtoull(text, &whole_end, 10);
	if (whole_end == end && errno == 0 && whole <= UINT64_MAX >> (10 * power)) {
		*out = (uint64_t)whole << (10 * power);
		return WEIR_OK;
	}
	value = ldexp(value, 10 * power);
	if (value >= 0x1p64)
		return error_set(WEIR_EINVAL, "\"%.40s\" is more than 64 bits of bytes", text);
	*out = (uint64_t)value;
	return WEIR_OK;
}

static weir_status parse_cores(double *out, const char *value)
{
	char *end = NULL;
	errno = 0;
	double cores = decimal(value, &end);
	if (!end || end == value || *end || !isfinite(cores) || errno)
		return error_set(WEIR_EINVAL, "cores=%.40s: give a number, such as 2 or 0.5", value);
	*out = cores;
	return WEIR_OK;
}

static weir_status parse_whole(uint64_t *out, const char *name, const char *value, uint64_t most)
{
	char *end = NULL;
	errno = 0;
	unsigned long long whole = isdigit((unsigned char)*value) ? strtoull(value, &end, 10) : 0;
	if (!end || *end || errno || whole > most)
		return error_set(WEIR_EINVAL, "%s=%.40s: give a whole number from 0 to %llu", name, value,
				 (unsigned long long)most);
	*out = whole;
	return WEIR_OK;
}

static weir_status parse_class(weir_class *out, const char *value)
{
	for (int c = 0; c < WEIR_CLASSES; c++)
		if (!strcasecmp(value, class_names[c])) {
			*out = (weir_class)c;
			return WEIR_OK;
		}
	return error_set(WEIR_EINVAL, "class=%.40s: give critical, high, normal or best-effort", value);
}

static weir_status parse_priority(int32_t *out, const char *value)
{
	char *end = NULL;
	errno = 0;
	long number = strtol(value, &end, 10);
	if (end == value || *end || errno || number < INT32_MIN || number > INT32_MAX)
		return error_set(WEIR_EINVAL, "priority=%.40s: give a whole number", value);
	*out = (int32_t)number;
	return WEIR_OK;
}

static weir_status parse_counted(weir_demand *demand, const char *name, const char *value,
				 const char *const names[WEIR_COUNTED_MAX])
{
	for (int c = 0; names && c < WEIR_COUNTED_MAX; c++)
		if (names[c] && !strcmp(names[c], name))
			return parse_whole(&demand->counted[c], name, value, UINT32_MAX);
	return error_set(WEIR_EINVAL,
			 "\"%s\" is no resource here: give cores, memory, bandwidth, steps, class, priority, node "
			 "or a counted resource that has a limit",
			 name);
}

/* "2..8": what is before the dots, at least; *value is then what is after them. NULL: no range. */
static char *take_least(char **value)
{
	char *least = *value, *dots = strstr(least, "..");
	if (!dots)
		return NULL;
	*dots = '\0';
	*value = dots + 2;
	return least;
}

static weir_status no_range(const char *name, const char *least, const char *most)
{
	return error_set(WEIR_EINVAL, "%s=%s..%s: give the least first, more than 0, and then the most", name, least,
			 most);
}

static weir_status parse_core_range(weir_demand *demand, char *value)
{
	char *least = take_least(&value);
	demand->cores_min = 0;
	if (least && (!*least || !*value))
		return no_range("cores", least, value);
	weir_status status = least ? parse_cores(&demand->cores_min, least) : WEIR_OK;
	if (!status)
		status = parse_cores(&demand->cores, value);
	if (!status && least && !(demand->cores_min > 0 && demand->cores_min <= demand->cores))
		status = no_range("cores", least, value);
	return status;
}

static weir_status parse_byte_range(uint64_t *min, uint64_t *most, const char *name, char *value)
{
	char *least = take_least(&value);
	uint64_t from = 0, to = 0;
	if (least && (!*least || !*value))
		return no_range(name, least, value);
	weir_status status = least ? weir_bytes_parse(&from, least) : WEIR_OK;
	if (!status)
		status = weir_bytes_parse(&to, value);
	if (!status && least && !(from && from <= to))
		status = no_range(name, least, value);
	if (status)
		return status;
	*min = from;
	*most = to;
	return WEIR_OK;
}

/* Which of the words that there are; of an unknown one none. */
static uint32_t word_bit(const char *word, const char *const names[WEIR_COUNTED_MAX])
{
	static const char *const words[] = {"cores", "memory", "bandwidth", "steps", "class", "priority", "node"};
	for (uint32_t i = 0; i < ARRAY_LENGTH(words); i++)
		if (!strcmp(word, words[i]))
			return UINT32_C(1) << i;
	for (uint32_t c = 0; names && c < WEIR_COUNTED_MAX; c++)
		if (names[c] && !strcmp(word, names[c]))
			return UINT32_C(1) << (ARRAY_LENGTH(words) + c);
	return 0;
}

static weir_status parse_word(weir_demand *demand, char *word, const char *const names[WEIR_COUNTED_MAX],
			      uint32_t *seen)
{
	char *value = strchr(word, '=');
	if (!value || value == word || !value[1])
		return error_set(WEIR_EINVAL, "\"%s\" is no name=value: write cores=2, memory=1G or the like", word);
	*value++ = '\0';
	uint32_t bit = word_bit(word, names);
	if (*seen & bit)
		return error_set(WEIR_EINVAL, "%s is given twice, the second time as %s=%.40s: give it once", word,
				 word, value);
	*seen |= bit;
	uint64_t node = 0;
	if (!strcmp(word, "cores"))
		return parse_core_range(demand, value);
	if (!strcmp(word, "memory"))
		return parse_byte_range(&demand->memory_min_bytes, &demand->memory_bytes, word, value);
	if (!strcmp(word, "bandwidth"))
		return parse_byte_range(&demand->bandwidth_min_bytes_s, &demand->bandwidth_bytes_s, word, value);
	if (!strcmp(word, "steps")) {
		uint64_t steps = 0;
		weir_status status = parse_whole(&steps, word, value, UINT16_MAX);
		demand->steps = (uint32_t)steps;
		return status;
	}
	if (!strcmp(word, "class"))
		return parse_class(&demand->task_class, value);
	if (!strcmp(word, "priority"))
		return parse_priority(&demand->priority, value);
	if (!strcmp(word, "node")) {
		weir_status status = parse_whole(&node, word, value, WEIR_NODES_MAX - 1);
		if (!status) {
			demand->home = WEIR_NODE(node);
			demand->home_only = true;
		}
		return status;
	}
	return parse_counted(demand, word, value, names);
}

weir_status weir_demand_parse(weir_demand *out, const char *text, const char *const names[WEIR_COUNTED_MAX])
{
	if (!out || !text)
		return error_set(WEIR_EINVAL, "out or text is NULL");
	weir_demand demand = {.size = sizeof(demand)};
	uint32_t seen = 0;
	while (*text) {
		size_t length = strcspn(text, " \t");
		char word[WORD_BYTES_MAX + 1];
		if (length > WORD_BYTES_MAX)
			return error_set(WEIR_EINVAL, "\"%.40s...\" is too long for a demand's word: at most %d bytes",
					 text, WORD_BYTES_MAX);
		memcpy(word, text, length);
		word[length] = '\0';
		text += length;
		weir_status status = length ? parse_word(&demand, word, names, &seen) : WEIR_OK;
		if (status)
			return status;
		text += strspn(text, " \t");
	}
	*out = demand;
	return WEIR_OK;
}
