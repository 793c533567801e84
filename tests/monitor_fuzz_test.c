/* SPDX-License-Identifier: MIT */
/* monitor_fuzz_test.c - M1 for whole readings: recorded roots of both cgroup versions with some files' bytes changed, cut,
 * doubled or replaced while the monitor goes on reading them. What it says must stay sane; the sanitizers see the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fixture.h"
#include "invented.h"
#include "numa/monitor_host.h"
#include "private/compiler.h"
#include "roots.h"

enum { TEXT_BYTES = 4096, NODES = 2 };

static uint64_t no_cost(void)
{
	return 0;
}

/* Pieces that parsers know, in places where they do not belong. */
static const char *const pieces[] = {"max",
				     "-1",
				     "18446744073709551615",
				     "18446744073709551616",
				     "0::/",
				     "/..",
				     "cpu0 ",
				     "\n",
				     " - cgroup2 x ",
				     "Node 1 ",
				     "kB",
				     "avg10=",
				     "total=",
				     "oom_kill",
				     "99999999999",
				     "\\057",
				     ":",
				     "nr_throttled "};

static size_t insert(char *text, size_t length, size_t at, const char *piece)
{
	size_t size = strlen(piece);
	if (length + size > TEXT_BYTES)
		return length;
	memmove(text + at + size, text + at, length - at);
	memcpy(text + at, piece, size);
	return length + size;
}

/* One change. */
static size_t mutate(char *text, size_t length, uint64_t *random)
{
	size_t at = length ? fixture_random(random) % length : 0;
	size_t part = length ? fixture_random(random) % (length - at) : 0;
	switch (fixture_random(random) % 6) {
	case 0: /* a bit */
		if (length)
			text[at] ^= (char)(1 << fixture_random(random) % 8);
		return length;
	case 1: /* the end is missing */
		return at;
	case 2: /* some is missing */
		memmove(text + at, text + at + part, length - at - part);
		return length - part;
	case 3: /* some is there twice */
		if (length + part > TEXT_BYTES)
			return length;
		memmove(text + at + part, text + at, length - at);
		return length + part;
	case 4:
		return insert(text, length, at, pieces[fixture_random(random) % ARRAY_LENGTH(pieces)]);
	default: /* a digit */
		for (size_t i = at; i < length; i++)
			if (text[i] >= '0' && text[i] <= '9') {
				text[i] = (char)('0' + fixture_random(random) % 10);
				break;
			}
		return length;
	}
}

static void sane_pressure(const weir_pressure *p)
{
	assert_true(p->some >= 0 && p->some <= 100);
	assert_true(p->full >= 0 && p->full <= 100);
}

static void sane(const weir_reading *r)
{
	assert_int_equal(r->nodes, NODES);
	assert_true(r->known < WEIR_KNOWN_TRIGGERS);
	for (int i = 0; i < WEIR_STALLS; i++) {
		sane_pressure(&r->pressure[i]);
		sane_pressure(&r->cgroup_pressure[i]);
	}
	for (uint32_t i = 0; i < r->nodes; i++) {
		assert_true(r->node[i].memory_free_bytes <= r->node[i].memory_total_bytes);
		assert_true(r->node[i].memory_available_bytes <= r->node[i].memory_total_bytes);
		assert_true(r->node[i].cpu_busy >= 0 && r->node[i].cpu_busy <= 1);
	}
	assert_true(r->memory_free_bytes <= r->memory_total_bytes);
	assert_true(r->memory_available_bytes <= r->memory_total_bytes);
	const uint32_t both = WEIR_KNOWN_CGROUP_MEMORY_MAX | WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE;
	if ((r->known & both) == both)
		assert_true(r->cgroup_memory_available_bytes <= r->cgroup_memory_max_bytes);
	assert_true(r->cgroup_cpu_quota >= 0);
}

static void change_some(const struct fixture *f, const struct root_file *files, size_t count, uint64_t *random)
{
	for (uint64_t changes = 1 + fixture_random(random) % 4; changes; changes--) {
		const struct root_file *file = &files[fixture_random(random) % count];
		char text[TEXT_BYTES];
		size_t length = strlen(file->text);
		memcpy(text, file->text, length);
		for (uint64_t i = fixture_random(random) % 5; i; i--)
			length = mutate(text, length, random);
		fixture_bytes(f, file->path, text, length);
	}
}

static void fuzz(const struct root_file *files, size_t count, uint64_t *random, int rounds)
{
	struct invented invented;
	struct fixture f;
	weir_machine *machine = invent(&invented, NODES, 2, 1 << 20);
	uint32_t thread[] = {0, 1, 2, 3}, first_thread[] = {0, 1, 2, 3, 4};
	machine->is_this = true;
	machine->thread = thread;
	machine->first_thread = first_thread;
	invented.node[1].physical = 1;
	invented.node[1].first_core = 2;
	fixture_create(&f);
	root_write(&f, files, count);
	struct monitor_host *host = NULL;
	for (int round = 0; round < rounds; round++) {
		weir_node_reading node[NODES];
		weir_reading r = {.size = sizeof(r), .node = node, .nodes_capacity = NODES};
		if (round % 16 == 0) {
			monitor_host_destroy(host);
			host = monitor_host_create(machine, f.root);
			assert_non_null(host);
			monitor_host_cost_clock(host, no_cost);
		}
		change_some(&f, files, count, random);
		assert_int_equal(monitor_host_read(host, &r), WEIR_OK);
		sane(&r);
	}
	monitor_host_destroy(host);
	fixture_destroy(&f);
}

static void changed_files_of_version_two_are_harmless(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("changed_files_of_version_two_are_harmless");
	fuzz(root_v2, ROOT_V2_FILES, &random, 800);
}

static void changed_files_of_version_one_are_harmless(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("changed_files_of_version_one_are_harmless");
	fuzz(root_v1, ROOT_V1_FILES, &random, 800);
}

/* Bytes above 127 only: nothing of it can be a number, so nothing may be known. */
static void garbage_files_are_not_known(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("garbage_files_are_not_known");
	struct invented invented;
	struct fixture f;
	weir_machine *machine = invent(&invented, NODES, 2, 1 << 20);
	uint32_t thread[] = {0, 1, 2, 3}, first_thread[] = {0, 1, 2, 3, 4};
	machine->is_this = true;
	machine->thread = thread;
	machine->first_thread = first_thread;
	fixture_create(&f);
	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < ROOT_V2_FILES; i++) {
			unsigned char bytes[1000];
			size_t length = fixture_random(&random) % sizeof(bytes);
			for (size_t b = 0; b < length; b++)
				bytes[b] = (unsigned char)(fixture_random(&random) | 0x80);
			fixture_bytes(&f, root_v2[i].path, bytes, length);
		}
		struct monitor_host *host = monitor_host_create(machine, f.root);
		weir_reading r = {.size = sizeof(r)};
		assert_non_null(host);
		assert_int_equal(monitor_host_read(host, &r), WEIR_OK);
		assert_int_equal(r.known, 0);
		monitor_host_destroy(host);
	}
	fixture_destroy(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_files_of_version_two_are_harmless),
		cmocka_unit_test(changed_files_of_version_one_are_harmless),
		cmocka_unit_test(garbage_files_are_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
