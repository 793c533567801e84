/* SPDX-License-Identifier: MIT */
/*
 * swf_test.c - the Standard Workload Format reader and writer.
 * Covers V1 (what was written reads back as the same) and V2 (whatever the bytes, a refusal with file and line, or a
 * workload whose values are all in range). They fail by a wrong field, a crash, or a fault that passes unnoticed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tools/weir/swf.h"

#define JOB "1 0 0 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n"
#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static int read_bytes(struct swf *out, const void *bytes, size_t length, char why[SWF_ERROR_BYTES])
{
	FILE *in = tmpfile();
	assert_non_null(in);
	assert_int_equal(fwrite(bytes, 1, length, in), length);
	rewind(in);
	int result = swf_read_stream(out, in, "w.swf", why);
	fclose(in);
	return result;
}

static void read_text(struct swf *out, const char *text)
{
	char why[SWF_ERROR_BYTES] = "";
	if (read_bytes(out, text, strlen(text), why))
		fail_msg("%s", why);
}

static void every_fault_is_named_by_file_and_line(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t length; /* 0: a string */
		const char *says;
	} cases[] = {
		{"", 0, "w.swf:1: the file is empty"},
		{"; Version: 2.2\n; MaxProcs: 4\n", 0, "w.swf:2: the file ends without a job"},
		{"\n \n", 0, "w.swf:2: the file ends without a job"},
		{JOB "2 0 0 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1\n", 0, "w.swf:2: 17 fields where a job has 18"},
		{JOB "7", 0, "w.swf:2: 1 field where a job has 18"},
		{"1 0 0 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1 9\n", 0, "w.swf:1: 19 fields where a job has 18"},
		{";\n1 0 0 ten 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:2: field 4 (run time) is \"ten\""},
		{"1 0 0 10 4.5 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 5 (allocated processors)"},
		{"1 0 0 10 4x -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 5 (allocated processors)"},
		{"1 0 0 . 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 4 (run time) is \".\""},
		{"1 0 0 1e3 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 4 (run time) is \"1e3\""},
		{"1 0 0 nan 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 4 (run time) is \"nan\""},
		{"1 0 0 0x1f 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 4 (run time)"},
		{"1 0 0 99999999999999999999 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0,
		 "w.swf:1: field 4 (run time)"},
		{"1 9223372037 0 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 2 (submit time)"},
		{"1 0 0 10 9223372036854775808 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 5"},
		{"1 -1 0 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 2 (submit time) is -1"},
		{"1 0 -7 10 4 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0, "w.swf:1: field 3 (wait time) is -7"},
		{"1 0 0 10 -2 -1 -1 4 60 1024 1 1 1 -1 -1 -1 -1 -1\n", 0,
		 "w.swf:1: field 5 (allocated processors) is -2"},
		{"; MaxProcs: many\n" JOB, 0, "w.swf:1: MaxProcs is \"many\""},
		{"; MaxProcs: 0\n" JOB, 0, "w.swf:1: MaxProcs is \"0\""},
		{"; MaxProcs: 12k\n" JOB, 0, "w.swf:1: MaxProcs is \"12k\""},
		{"1 0 0 10 4 \0 -1 4 60", 20, "w.swf:1: byte 12 is 0x00"},
		{"\x7f"
		 "ELF\x02\x01\x01",
		 7, "w.swf:1: byte 1 is 0x7f"},
		{"\x1f\x8b\x08", 3, "w.swf:1: byte 1 is 0x1f"},
		{"; Note: \x01\n" JOB, 0, "w.swf:1: byte 9 is 0x01"},
		{"\xff\xfe\xfa\n", 0, "w.swf:1: field 1 (job number) is \"???\""},
		{"<html>\n", 0, "w.swf:1: field 1 (job number) is \"<html>\""},
	};
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct swf w;
		char why[SWF_ERROR_BYTES] = "";
		size_t length = cases[i].length ? cases[i].length : strlen(cases[i].bytes);
		if (!read_bytes(&w, cases[i].bytes, length, why))
			fail_msg("case %zu passed, where \"%s\" was due", i, cases[i].says);
		if (strncmp(why, cases[i].says, strlen(cases[i].says)))
			fail_msg("case %zu says \"%s\", where \"%s\" was due", i, why, cases[i].says);
		assert_int_equal(w.jobs, 0);
		assert_null(w.job);
		assert_null(w.header);
	}
}

static void a_file_that_is_not_there_is_named(void **state)
{
	(void)state;
	struct swf w;
	char why[SWF_ERROR_BYTES];
	assert_int_equal(swf_read(&w, "/nonexistent/w.swf", why), -1);
	assert_non_null(strstr(why, "/nonexistent/w.swf: cannot be opened"));
	assert_int_equal(swf_read(&w, "/", why), -1);
	assert_non_null(strstr(why, "/:1: cannot be read"));
}

static void the_fields_land_where_the_definition_has_them(void **state)
{
	(void)state;
	struct swf w;
	read_text(&w, "; MaxProcs: 7 (of 9)\n;maxnodes:3\n; Queue:  1 [a:1] \n;\n; just words\n\n"
		      "\t 1 2 3 4.5 5 6.25 7 8 9 10 1 12 13 14 15 16 17 18\r\n; between\n"
		      "2 2 -1 -1359981026 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1");
	assert_int_equal(w.jobs, 2);
	const struct swf_job *j = &w.job[0];
	const int64_t got[] = {j->number,
			       j->submit_ns,
			       j->wait_ns,
			       j->run_ns,
			       j->processors,
			       j->cpu_ns,
			       j->memory_used_kb,
			       j->processors_requested,
			       j->run_requested_ns,
			       j->memory_requested_kb,
			       j->status,
			       j->user,
			       j->group,
			       j->executable,
			       j->queue,
			       j->partition,
			       j->preceding,
			       j->think_ns};
	const int64_t s = 1000000000;
	const int64_t due[] = {1,  2 * s, 3 * s, 4 * s + s / 2, 5, 6 * s + s / 4, 7, 8, 9 * s, 10, 1, 12, 13, 14,
			       15, 16,	  17,	 18 * s};
	assert_memory_equal(got, due, sizeof(due));
	assert_int_equal(j->line, 7);
	assert_int_equal(w.job[1].run_ns, SWF_UNKNOWN);
	assert_int_equal(w.job[1].processors, SWF_UNKNOWN);
	assert_int_equal(swf_header_number(&w, "MaxProcs"), 7);
	assert_int_equal(swf_header_number(&w, "MaxNodes"), 3);
	assert_int_equal(swf_header_number(&w, "MaxMemory"), SWF_UNKNOWN);
	assert_string_equal(swf_header(&w, "queue"), "1 [a:1]");
	assert_null(swf_header(&w, "Note"));
	swf_free(&w);
}

static void times_are_written_as_short_as_they_are_exact(void **state)
{
	(void)state;
	/* Rounded to whole seconds, commands that ran for milliseconds would become jobs that never ran. */
	struct swf w = SWF_EMPTY, back;
	struct swf_job job = SWF_JOB_UNKNOWN;
	job.number = 1;
	job.run_ns = 1;
	job.wait_ns = 1500000000;
	job.cpu_ns = INT64_C(60000000000);
	assert_int_equal(swf_job_add(&w, &job), 0);
	assert_int_equal(swf_header_add(&w, "Note", "two\nlines"), 0);
	FILE *f = tmpfile();
	assert_non_null(f);
	char why[SWF_ERROR_BYTES] = "";
	assert_int_equal(swf_write(&w, f), 0);
	rewind(f);
	char line[256];
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(fgets(line, sizeof(line), f));
	assert_string_equal(line, "1 0 1.5 0.000000001 -1 60 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1\n");
	rewind(f);
	if (swf_read_stream(&back, f, "back", why))
		fail_msg("%s", why);
	assert_int_equal(back.job[0].run_ns, 1);
	assert_int_equal(back.job[0].wait_ns, 1500000000);
	assert_string_equal(swf_header(&back, "Note"), "two lines");
	fclose(f);
	swf_free(&w);
	swf_free(&back);
}

/* xorshift64*: the tests need a sequence, not a good one. */
static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static uint64_t seed_get(void)
{
	const char *given = getenv("WEIR_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 1 | 1;
	print_message("WEIR_TEST_SEED=%llu\n", (unsigned long long)seed);
	return seed ? seed : 1;
}

static int64_t random_value(uint64_t *state)
{
	uint64_t r = random_next(state);
	return r % 8 == 0 ? SWF_UNKNOWN : (int64_t)(r >> 4) % (INT64_C(1) << (r >> 58) % 62);
}

static void what_is_written_reads_back_as_the_same(void **state)
{
	(void)state;
	uint64_t random = seed_get();
	for (int round = 0; round < 30; round++) {
		struct swf w = SWF_EMPTY, back;
		assert_int_equal(swf_header_add(&w, "MaxProcs", "%d", round + 1), 0);
		assert_int_equal(swf_header_add(&w, "", "no key here"), 0);
		for (int i = 0; i < 200; i++) {
			int64_t v[SWF_FIELDS];
			for (size_t f = 0; f < SWF_FIELDS; f++)
				v[f] = random_value(&random);
			if (v[1] < 0)
				v[1] = 0;
			struct swf_job job = {v[0],  v[1],  v[2],  v[3],  v[4],	 v[5],	v[6],  v[7],  v[8], v[9],
					      v[10], v[11], v[12], v[13], v[14], v[15], v[16], v[17], 0};
			assert_int_equal(swf_job_add(&w, &job), 0);
		}
		FILE *f = tmpfile();
		assert_non_null(f);
		assert_int_equal(swf_write(&w, f), 0);
		rewind(f);
		char why[SWF_ERROR_BYTES] = "";
		if (swf_read_stream(&back, f, "back", why))
			fail_msg("%s", why);
		fclose(f);
		assert_int_equal(back.headers, w.headers);
		assert_string_equal(back.header[1].value, "no key here");
		assert_int_equal(back.jobs, w.jobs);
		for (size_t i = 0; i < w.jobs; i++) {
			back.job[i].line = 0;
			assert_memory_equal(&back.job[i], &w.job[i], sizeof(w.job[i]));
		}
		swf_free(&w);
		swf_free(&back);
	}
}

static void no_bytes_whatever_bring_the_reader_down(void **state)
{
	(void)state;
	static const char seedling[] =
		"; MaxProcs: 4\n; Note: x\n" JOB JOB "3 1.5 -1 -1 1 -1 -1 1 -1 -1 1 1 1 -1 -1 -1 -1 -1\n";
	static const char alphabet[] = "0123456789-. \t\n;:exX\0\xff";
	uint64_t random = seed_get();
	unsigned accepted = 0, refused = 0;
	for (int round = 0; round < 3000; round++) {
		char bytes[sizeof(seedling)];
		memcpy(bytes, seedling, sizeof(seedling));
		for (uint64_t changes = random_next(&random) % 4; changes-- > 0;)
			bytes[random_next(&random) % (sizeof(bytes) - 1)] =
				alphabet[random_next(&random) % sizeof(alphabet)];
		struct swf w;
		char why[SWF_ERROR_BYTES] = "";
		size_t length = random_next(&random) % 3 ? sizeof(bytes) - 1 : random_next(&random) % sizeof(bytes);
		if (read_bytes(&w, bytes, length, why)) {
			assert_memory_equal(why, "w.swf:", 6);
			refused++;
			continue;
		}
		accepted++;
		assert_true(w.jobs > 0);
		for (size_t i = 0; i < w.jobs; i++) {
			assert_true(w.job[i].submit_ns >= 0);
			assert_true(w.job[i].run_ns >= SWF_UNKNOWN);
			assert_true(w.job[i].processors >= SWF_UNKNOWN);
			assert_true(w.job[i].memory_requested_kb >= SWF_UNKNOWN);
		}
		swf_free(&w);
	}
	assert_true(accepted > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_is_named_by_file_and_line),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
		cmocka_unit_test(the_fields_land_where_the_definition_has_them),
		cmocka_unit_test(times_are_written_as_short_as_they_are_exact),
		cmocka_unit_test(what_is_written_reads_back_as_the_same),
		cmocka_unit_test(no_bytes_whatever_bring_the_reader_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
