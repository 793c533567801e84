/* SPDX-License-Identifier: MIT */
/* hostfiles_test.c - parsers of the kernel's files: what they understand, what they refuse, and that garbage is
 * harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/hostfiles.h"
#include "private/compiler.h"

#define TEXT(t) t, strlen(t)

static void numbers_are_read_and_nonsense_is_not(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool read;
		uint64_t value;
	} cases[] = {
		{"0\n", true, 0},
		{"4096", true, 4096},
		{"max\n", true, UINT64_MAX},
		{"  7 8\n", true, 7},
		{"18446744073709551615\n", true, UINT64_MAX},
		{"18446744073709551616\n", false, 0},
		{"99999999999999999999999\n", false, 0},
		{"-1\n", false, 0},
		{"", false, 0},
		{"\n", false, 0},
		{"ma", false, 0},
		{"x1", false, 0},
		{"\xff\xff", false, 0},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t value = 77;
		if (hostfile_number(TEXT(cases[i].text), &value) != cases[i].read)
			fail_msg("\"%s\"", cases[i].text);
		assert_int_equal(value, cases[i].read ? cases[i].value : 77);
	}
}

static void fields_are_found_by_their_whole_name(void **state)
{
	(void)state;
	static const char stat[] = "anon 1\nactive_filex 2\nxactive_file 3\nactive_file 4\nactive_file 5\nempty\n";
	static const char node[] = "Node 0 MemTotal:  100 kB\nNode 0 MemFree:\t40 kB\n";
	uint64_t value = 77;
	assert_true(hostfile_field(TEXT(stat), "active_file", &value));
	assert_int_equal(value, 4);
	assert_true(hostfile_field(TEXT(node), "MemFree", &value));
	assert_int_equal(value, 40);
	assert_false(hostfile_field(TEXT(stat), "empty", &value));
	assert_false(hostfile_field(TEXT(stat), "file", &value));
	assert_int_equal(value, 40);
}

static void a_nodes_memory_is_read_with_what_can_be_reclaimed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool read;
		uint64_t total, free, reclaimable; /* KiB */
	} cases[] = {
		{"Node 3 MemTotal: 1000 kB\nNode 3 MemFree: 400 kB\nNode 3 Active: 900 kB\nNode 3 Active(file): 30 kB\n"
		 "Node 3 Inactive(file): 20 kB\nNode 3 SReclaimable: 5 kB\n",
		 true, 1000, 400, 55},
		{"MemTotal: 1000 kB\nMemFree: 400 kB\n", true, 1000, 400, 0},
		{"MemTotal: 1000 kB\nMemFree: 400 kB\nActive(file): 5000 kB\n", true, 1000, 400, 600},
		{"MemTotal: 10 kB\nMemFree: 10 kB\nActive(file): 18014398509481983 kB\nInactive(file): "
		 "18014398509481983 kB\n",
		 true, 10, 10, 0},
		{"MemTotal: 1000 kB\nMemFree: 4000 kB\n", false, 0, 0, 0},
		{"MemTotal: 18446744073709551615 kB\nMemFree: 1 kB\n", false, 0, 0, 0},
		{"MemTotal: 1000 kB\n", false, 0, 0, 0},
		{"MemTotal:\nMemFree:\n", false, 0, 0, 0},
		{"", false, 0, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct hostfile_node_memory m = {0};
		assert_int_equal(hostfile_node_memory(TEXT(cases[i].text), &m), cases[i].read);
		assert_int_equal(m.total_bytes, cases[i].total * 1024);
		assert_int_equal(m.free_bytes, cases[i].free * 1024);
		assert_int_equal(m.reclaimable_bytes, cases[i].reclaimable * 1024);
	}
}

struct seen {
	uint32_t cpu[4];
	uint64_t busy[4], idle[4];
	uint32_t count;
};

static void remember(uint32_t cpu, uint64_t busy, uint64_t idle, void *context)
{
	struct seen *seen = context;
	if (seen->count < 4) {
		seen->cpu[seen->count] = cpu;
		seen->busy[seen->count] = busy;
		seen->idle[seen->count] = idle;
	}
	seen->count++;
}

static void processor_times_are_read_line_by_line(void **state)
{
	(void)state;
	static const char text[] =
		"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 10 20 4 5 6 100 100\ncpux 1 2 3 4\ncpu7 1 1 1 7\n"
		"cpu8 1 1 1\ncpu99999999999 1 1 1 1\nintr 5 5 5 5 5\n";
	struct seen seen = {0};
	assert_int_equal(hostfile_cpu_times(TEXT(text), remember, &seen), 2);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.cpu[0], 0);
	assert_int_equal(seen.busy[0], 21);
	assert_int_equal(seen.idle[0], 30);
	assert_int_equal(seen.cpu[1], 7);
	assert_int_equal(seen.busy[1], 3);
	assert_int_equal(seen.idle[1], 7);
	/* A line that the buffer cut off may have lost digits. */
	struct seen cut = {0};
	assert_int_equal(hostfile_cpu_times(TEXT("cpu0 1 1 1 1\ncpu1 1 1 1 12"), remember, &cut), 1);
}

static void pressure_needs_the_line_some(void **state)
{
	(void)state;
	struct hostfile_pressure p = {.some_avg10 = -1};
	assert_true(hostfile_pressure(TEXT("some avg10=1.25 avg60=9.00 avg300=9.00 total=17\n"
					   "full avg10=0.07 avg60=0 avg300=0 total=18446744073709551615\n"),
				      &p));
	assert_true(p.some_avg10 == 1.25);
	assert_int_equal(p.some_total_us, 17);
	assert_true(p.full_avg10 > 0.0699 && p.full_avg10 < 0.0701);
	assert_true(p.full_total_us == UINT64_MAX);
	/* Older kernels have no line "full" for the CPU; and a broken one is none. */
	assert_true(hostfile_pressure(TEXT("some avg10=2.00 total=3\n"), &p));
	assert_true(p.some_avg10 == 2 && p.full_avg10 == 0 && p.full_total_us == 0);
	assert_true(hostfile_pressure(TEXT("full avg10=1000 total=1\nsome total=3 avg10=2.00"), &p));
	assert_true(p.some_avg10 == 2 && p.full_avg10 == 0);
	static const char *const refused[] = {
		"",
		"full avg10=1.00 total=1\n",
		"some avg10=1.00\n",
		"some avg10= total=1\n",
		"some avg10=1. total=1\n",
		"some avg10=101.00 total=1\n",
		"some avg10=nan total=1\n",
		"some avg60=1 total=1\n",
		"some avg10=1.00 total=-1\n",
		"some avg10=1.00 total=18446744073709551616\n",
		"someavg10=1.00 total=1\n",
	};
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
		assert_false(hostfile_pressure(TEXT(refused[i]), &p));
	assert_true(p.some_avg10 == 2);
}

/* Several words in one pass; bit i is for the i-th. */
static void many_fields_are_found_at_once(void **state)
{
	(void)state;
	static const char events[] = "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n";
	static const char *const key[] = {"oom", "oom_kill", "absent", "max"};
	uint64_t value[4] = {70, 71, 72, 73};
	assert_int_equal(hostfile_fields(TEXT(events), key, 4, value), 1 | 2 | 8);
	assert_int_equal(value[0], 4);
	assert_int_equal(value[1], 5);
	assert_int_equal(value[2], 72);
	assert_int_equal(value[3], 3);
	/* What is no number may be one further down. */
	assert_int_equal(hostfile_fields(TEXT("oom x\noom -1\n\noom 9\noom 10\n"), key, 1, value), 1);
	assert_int_equal(value[0], 9);
	assert_int_equal(
		hostfile_fields(TEXT("Node x MemFree: 3 kB\nNode 99999999999999999999 MemFree: 3 kB\n"), key, 1, value),
		0);
}

static void quotas_and_resident_pages(void **state)
{
	(void)state;
	uint64_t quota = 77, period = 77, pages = 77, mapped = 77;
	assert_true(hostfile_cpu_max(TEXT("150000 100000\n"), &quota, &period));
	assert_int_equal(quota, 150000);
	assert_int_equal(period, 100000);
	assert_true(hostfile_cpu_max(TEXT("max 100000\n"), &quota, &period));
	assert_true(quota == UINT64_MAX);
	static const char *const refused[] = {"", "max", "100", "100 0", "100 -1", "x 100", "-1 100000"};
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++)
		assert_false(hostfile_cpu_max(TEXT(refused[i]), &quota, &period));
	assert_true(hostfile_pages(TEXT("5000 123 4 5 0 6 0\n"), &mapped, &pages));
	assert_int_equal(mapped, 5000);
	assert_int_equal(pages, 123);
	assert_false(hostfile_pages(TEXT("6000\n"), &mapped, &pages));
	assert_false(hostfile_pages(TEXT("x 5\n"), &mapped, &pages));
	assert_int_equal(mapped, 5000);
}

static void groups_are_found_in_either_version(void **state)
{
	(void)state;
	static const char groups[] = "9:name=systemd:/s\n4:memory:/m/x\n3:cpu,cpuacct:/c\nbroken\n5:\n0::/v2\n";
	char path[64];
	assert_true(hostfile_cgroup_path(TEXT(groups), "memory", path, sizeof(path)));
	assert_string_equal(path, "/m/x");
	assert_true(hostfile_cgroup_path(TEXT(groups), "cpuacct", path, sizeof(path)));
	assert_string_equal(path, "/c");
	assert_true(hostfile_cgroup_path(TEXT(groups), NULL, path, sizeof(path)));
	assert_string_equal(path, "/v2");
	assert_false(hostfile_cgroup_path(TEXT(groups), "mem", path, sizeof(path)));
	assert_false(hostfile_cgroup_path(TEXT(groups), "memory", path, 4));
	assert_false(hostfile_cgroup_path(TEXT("0::relative\n"), NULL, path, sizeof(path)));
	assert_false(hostfile_cgroup_path("0::/a\0b\n", 8, NULL, path, sizeof(path)));

	static const char mounts[] =
		"22 1 8:1 / / rw - ext4 /dev/root rw\n"
		"31 22 0:29 /docker/ab /sys/fs/cgroup/cpu rw,relatime shared:3 - cgroup cgroup rw,cpu,cpuacct\n"
		"32 22 0:30 / /sys/fs/my\\040group rw - cgroup2 none rw\nshort line\n- - -\n";
	char root[64], directory[64];
	assert_true(hostfile_cgroup_mount(TEXT(mounts), "cpu", root, directory, sizeof(root)));
	assert_string_equal(root, "/docker/ab");
	assert_string_equal(directory, "/sys/fs/cgroup/cpu");
	assert_true(hostfile_cgroup_mount(TEXT(mounts), NULL, root, directory, sizeof(root)));
	assert_string_equal(directory, "/sys/fs/my group");
	assert_false(hostfile_cgroup_mount(TEXT(mounts), "memory", root, directory, sizeof(root)));
	assert_false(hostfile_cgroup_mount(TEXT(mounts), "cpu", root, directory, 8));
}

static void slurms_lists_are_indexed(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t index;
		bool read;
		uint64_t tasks;
	} cases[] = {
		{"4", 0, true, 4},	  {"4", 1, false, 0},	 {"2(x3),1", 2, true, 2}, {"2(x3),1", 3, true, 1},
		{"2(x3),1", 4, false, 0}, {"2(x", 0, false, 0},	 {"", 0, false, 0},	  {"a", 0, false, 0},
		{"2(x3)1", 3, false, 0},  {"2,,1", 1, false, 0}, {"1,2,3", 1, true, 2},	  {"2(x0),7", 0, true, 7},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t tasks = 0;
		assert_int_equal(hostfile_slurm_tasks(TEXT(cases[i].text), cases[i].index, &tasks), cases[i].read);
		assert_int_equal(tasks, cases[i].tasks);
	}
}

static void ignore(uint32_t cpu, uint64_t busy, uint64_t idle, void *context)
{
	(void)cpu;
	(void)busy;
	(void)idle;
	++*(uint32_t *)context;
}

static void feed_all(const char *text, size_t length)
{
	uint64_t a, b;
	struct hostfile_pressure pressure;
	uint64_t found[4];
	static const char *const key[] = {"MemFree", "max", "some", "cpu"};
	uint32_t lines = 0;
	struct hostfile_node_memory memory;
	char path[32], directory[32];
	(void)hostfile_number(text, length, &a);
	(void)hostfile_field(text, length, "MemFree", &a);
	if (hostfile_node_memory(text, length, &memory))
		assert_true(memory.free_bytes + memory.reclaimable_bytes <= memory.total_bytes);
	assert_int_equal(hostfile_cpu_times(text, length, ignore, &lines), lines);
	assert_in_range(hostfile_fields(text, length, key, 4, found), 0, 15);
	if (hostfile_pressure(text, length, &pressure))
		assert_true(pressure.some_avg10 >= 0 && pressure.some_avg10 <= 100 && pressure.full_avg10 >= 0 &&
			    pressure.full_avg10 <= 100);
	if (hostfile_cpu_max(text, length, &a, &b))
		assert_true(b > 0);
	(void)hostfile_pages(text, length, &a, &b);
	(void)hostfile_slurm_tasks(text, length, 5, &a);
	if (hostfile_cgroup_path(text, length, "memory", path, sizeof(path)))
		assert_true(path[0] == '/' && strlen(path) < sizeof(path));
	(void)hostfile_cgroup_path(text, length, NULL, path, sizeof(path));
	(void)hostfile_cgroup_mount(text, length, "memory", path, directory, sizeof(path));
	(void)hostfile_cgroup_mount(text, length, NULL, path, directory, sizeof(path));
}

/* M1: the text ends where a page ends that is followed by one that must not be touched, and has no zero behind it.
 * Bytes are random, or random pieces of what the files do contain. */
static void garbage_is_harmless_and_nothing_behind_it_is_read(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("garbage_is_harmless_and_nothing_behind_it_is_read");
	static const char *const pieces[] = {
		"cpu",
		"cpu0",
		" ",
		"\n",
		"\t",
		"1",
		"99999999999999999999",
		"0::/",
		"4:memory:/x",
		" - ",
		"cgroup",
		"cgroup2",
		"rw,memory",
		"some ",
		"full ",
		"avg10=",
		"total=",
		"Node 0 ",
		".",
		"MemTotal:",
		"MemFree:",
		"kB",
		"max",
		"-",
		"\\040",
		"\\0",
		",",
		"(x",
		")",
		":",
		"/",
		"100",
		"\\",
		"Active(file):",
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
	for (int round = 0; round < 20000; round++) {
		size_t length = fixture_random(&random) % 300;
		char *text = pages + page - length;
		if (round % 2) {
			for (size_t i = 0; i < length; i++)
				text[i] = (char)fixture_random(&random);
		} else {
			for (size_t i = 0; i < length;) {
				const char *piece = pieces[fixture_random(&random) % ARRAY_LENGTH(pieces)];
				size_t part = strlen(piece) < length - i ? strlen(piece) : length - i;
				memcpy(text + i, piece, part);
				i += part;
			}
		}
		feed_all(text, length);
	}
	feed_all(pages + page, 0);
	munmap(pages, 2 * page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_and_nonsense_is_not),
		cmocka_unit_test(fields_are_found_by_their_whole_name),
		cmocka_unit_test(a_nodes_memory_is_read_with_what_can_be_reclaimed),
		cmocka_unit_test(processor_times_are_read_line_by_line),
		cmocka_unit_test(pressure_needs_the_line_some),
		cmocka_unit_test(many_fields_are_found_at_once),
		cmocka_unit_test(quotas_and_resident_pages),
		cmocka_unit_test(groups_are_found_in_either_version),
		cmocka_unit_test(slurms_lists_are_indexed),
		cmocka_unit_test(garbage_is_harmless_and_nothing_behind_it_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
