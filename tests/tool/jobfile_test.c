/* SPDX-License-Identifier: MIT */
/* jobfile_test.c - job lists: which part of a line is the demand, and which lists are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/weir/jobfile.h"

static const char *const no_names[WEIR_COUNTED_MAX];
static const char *const gpu_names[WEIR_COUNTED_MAX] = {NULL, "gpu"};

/* Parse bytes; what it complained of is in errors[]. */
static bool parse(struct jobfile *file, const char *text, size_t bytes, const char *default_demand,
		  const char *const *names, char errors[4096])
{
	char *copy = malloc(bytes + 1);
	assert_non_null(copy);
	memcpy(copy, text, bytes);
	memset(errors, 0, 4096);
	FILE *out = fmemopen(errors, 4095, "w");
	assert_non_null(out);
	bool good = jobfile_parse(file, "jobs", copy, bytes, default_demand, names, out);
	fclose(out);
	return good;
}

static void a_line_is_a_command_with_or_without_a_demand(void **state)
{
	(void)state;
	/* A wrong cut hands words of a demand to the shell, or words of a command to the demand. */
	static const struct {
		const char *line;
		const char *command;
		double cores;
		uint64_t memory;
		uint64_t gpus;
	} cases[] = {
		{"true", "true", 1, 0, 0},
		{"  true \t", "true", 1, 0, 0},
		{"true\r", "true", 1, 0, 0},
		{"cores=2 -- make -j2", "make -j2", 2, 0, 0},
		{"cores=2 memory=3M gpu=4 --   x  y", "x  y", 2, 3 << 20, 4},
		{"\tmemory=1K\t--\tx", "x", 1, 1024, 0},
		{"cores=0.5 -- x -- y", "x -- y", 0.5, 0, 0},
		{"-- cores=2 x", "cores=2 x", 1, 0, 0},
		{"git checkout -- file", "git checkout -- file", 1, 0, 0},
		{"LANG=C sort -- file", "LANG=C sort -- file", 1, 0, 0},
		{"echo cores=2 -- x", "echo cores=2 -- x", 1, 0, 0},
		{"--version", "--version", 1, 0, 0},
		{"echo '# no comment'", "echo '# no comment'", 1, 0, 0},
		{"=x -- y", "=x -- y", 1, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jobfile file;
		char errors[4096];
		bool good = parse(&file, cases[i].line, strlen(cases[i].line), "cores=1", gpu_names, errors);
		if (!good)
			print_error("%s\n", errors);
		assert_true(good);
		assert_int_equal(file.jobs, 1);
		assert_string_equal(file.job[0].command, cases[i].command);
		assert_true(file.job[0].demand.cores == cases[i].cores);
		assert_int_equal(file.job[0].demand.memory_bytes, cases[i].memory);
		assert_int_equal(file.job[0].demand.counted[0], 0);
		assert_int_equal(file.job[0].demand.counted[1], cases[i].gpus);
		assert_int_equal(file.job[0].demand.size, sizeof(weir_demand));
		jobfile_free(&file);
	}
}

static void what_a_line_does_not_name_is_the_defaults(void **state)
{
	(void)state;
	/* A default that overrode the line, or was dropped as soon as the line has a demand, would under-state needs.
	 */
	static const char text[] = "a\nmemory=1M -- b\ncores=3 class=normal -- c\n";
	struct jobfile file;
	char errors[4096];
	assert_true(parse(&file, text, strlen(text), "cores=2 memory=5M class=high", no_names, errors));
	assert_int_equal(file.jobs, 3);
	static const struct {
		double cores;
		uint64_t memory;
		weir_class task_class;
	} want[3] = {{2, 5 << 20, WEIR_HIGH}, {2, 1 << 20, WEIR_HIGH}, {3, 5 << 20, WEIR_NORMAL}};
	for (size_t i = 0; i < 3; i++) {
		assert_true(file.job[i].demand.cores == want[i].cores);
		assert_int_equal(file.job[i].demand.memory_bytes, want[i].memory);
		assert_int_equal(file.job[i].demand.task_class, want[i].task_class);
	}
	jobfile_free(&file);
}

static void blank_lines_and_comments_count_as_lines_and_are_no_jobs(void **state)
{
	(void)state;
	static const char text[] = "# head\n\n   \t\na\n  # more\r\n\r\nb";
	struct jobfile file;
	char errors[4096];
	assert_true(parse(&file, text, strlen(text), "cores=1", no_names, errors));
	assert_int_equal(file.jobs, 2);
	assert_int_equal(file.job[0].line, 4);
	assert_int_equal(file.job[1].line, 7);
	assert_string_equal(file.job[1].command, "b");
	jobfile_free(&file);
}

static void a_wrong_line_is_named_and_no_job_is_returned(void **state)
{
	(void)state;
	/* Each would otherwise run something else than was meant. */
	static const struct {
		const char *text;
		size_t bytes; /* 0: strlen */
		const char *error;
	} cases[] = {
		{"", 0, "jobs:1: no command in the file"},
		{"\n\n", 0, "jobs:2: no command in the file"},
		{"# only\n", 0, "jobs:1: no command in the file"},
		{"true\nx\0y\n", 9, "jobs:2: byte 0x00 at column 2"},
		{"\x7f"
		 "ELF\2\1\n",
		 0, "jobs:1: byte 0x7f at column 1"},
		{"a\rb\n", 0, "jobs:1: byte 0x0d at column 2"},
		{"true\ncores=2 x\n", 0, "jobs:2: no '--'"},
		{"gpu=2 x\n", 0, "jobs:1: no '--'"},
		{"cores=2 memory 1G -- x\n", 0, "jobs:1: 'memory' in the demand"},
		{"true\ncores=2 --\n", 0, "jobs:2: no command after '--'"},
		{"--", 0, "jobs:1: no command after '--'"},
		{"corse=2 -- x\n", 0, "jobs:1: "},
		{"licence=2 -- x\n", 0, "jobs:1: "},
		{"cores= -- x\n", 0, "jobs:1: "},
		{"cores=two -- x\n", 0, "jobs:1: "},
		{"cores=-2 -- x\n", 0, "jobs:1: "},
		{"cores=nan -- x\n", 0, "jobs:1: "},
		{"cores=1e999 -- x\n", 0, "jobs:1: "},
		{"memory=1Q -- x\n", 0, "jobs:1: "},
		{"memory=99999999999999999999G -- x\n", 0, "jobs:1: "},
		{"gpu=1.5 -- x\n", 0, "jobs:1: "},
		{"class=urgent -- x\n", 0, "jobs:1: "},
		{"node=-1 -- x\n", 0, "jobs:1: "},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jobfile file;
		char errors[4096];
		size_t bytes = cases[i].bytes ? cases[i].bytes : strlen(cases[i].text);
		bool good = parse(&file, cases[i].text, bytes, "cores=1", gpu_names, errors);
		if (good || !strstr(errors, cases[i].error))
			print_error("case %zu: \"%s\": %s\n", i, cases[i].text, errors);
		assert_false(good);
		assert_non_null(strstr(errors, cases[i].error));
		assert_int_equal(file.jobs, 0);
		assert_null(file.job);
	}
}

static void the_longest_line_is_one_argument_of_a_program(void **state)
{
	(void)state;
	/* A longer one would pass here and fail in execve(), after hours perhaps. */
	for (size_t over = 0; over < 2; over++) {
		size_t bytes = JOBFILE_LINE_MAX + over;
		char *text = malloc(bytes);
		assert_non_null(text);
		memset(text, 'x', bytes);
		struct jobfile file;
		char errors[4096];
		assert_int_equal(parse(&file, text, bytes, "cores=1", no_names, errors), !over);
		if (over)
			assert_non_null(strstr(errors, "jobs:1: a line of 131072 bytes"));
		jobfile_free(&file);
		free(text);
	}
}

static void every_wrong_line_is_told_up_to_twenty(void **state)
{
	(void)state;
	char text[25 * 8 + 1] = "";
	for (int i = 0; i < 25; i++)
		strcat(text, "cores=1\n");
	struct jobfile file;
	char errors[4096];
	assert_false(parse(&file, text, strlen(text), "cores=1", no_names, errors));
	assert_non_null(strstr(errors, "jobs:20: "));
	assert_null(strstr(errors, "jobs:21: "));
	assert_non_null(strstr(errors, "jobs: 5 more lines are wrong"));
}

static void many_jobs_keep_their_order(void **state)
{
	(void)state;
	enum { JOBS = 3000 };
	char *text = malloc(JOBS * 16);
	assert_non_null(text);
	size_t bytes = 0;
	for (int i = 0; i < JOBS; i++)
		bytes += (size_t)sprintf(text + bytes, "echo %d\n", i);
	struct jobfile file;
	char errors[4096];
	assert_true(parse(&file, text, bytes, "cores=1", no_names, errors));
	assert_int_equal(file.jobs, JOBS);
	for (int i = 0; i < JOBS; i++) {
		char want[32];
		sprintf(want, "echo %d", i);
		assert_string_equal(file.job[i].command, want);
		assert_int_equal(file.job[i].line, i + 1);
	}
	jobfile_free(&file);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_command_with_or_without_a_demand),
		cmocka_unit_test(what_a_line_does_not_name_is_the_defaults),
		cmocka_unit_test(blank_lines_and_comments_count_as_lines_and_are_no_jobs),
		cmocka_unit_test(a_wrong_line_is_named_and_no_job_is_returned),
		cmocka_unit_test(the_longest_line_is_one_argument_of_a_program),
		cmocka_unit_test(every_wrong_line_is_told_up_to_twenty),
		cmocka_unit_test(many_jobs_keep_their_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
