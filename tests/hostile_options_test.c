/* SPDX-License-Identifier: MIT */
/* hostile_options_test.c - options and WEIR_* variables, good and bad: each bad one is an error that names the option,
 * its value and what would do, and no pool is made; an unknown variable is warned of. It would fail by a pool that is
 * made in silence, or by a text that leaves the user guessing. */
#include "hostile.h"

#include <math.h>

static char log_lines[65536];

static void note_line(weir_log_level level, const char *line, void *context)
{
	(void)level;
	(void)context;
	size_t used = strlen(log_lines);
	snprintf(log_lines + used, sizeof(log_lines) - used, "%s\n", line);
}

static void every_bad_option_is_named_with_its_value(void **state)
{
	(void)state;
	static const weir_strategy no_score = {.name = "none"};
	const struct {
		const weir_options *options;
		weir_status status;
		const char *word;
	} cases[] = {
		{&(weir_options){.layout = WEIR_LAYOUT}, WEIR_EVERSION, "options.size is 0"},
		{&(weir_options){.size = sizeof(weir_options) + 8, .layout = WEIR_LAYOUT}, WEIR_EVERSION,
		 "options.size"},
		{&(weir_options){.size = sizeof(weir_options), .layout = 77}, WEIR_EVERSION, "options.layout is 77"},
		{WEIR_OPTIONS(.machine = "numa:"), WEIR_EINVAL, "numa:"},
		{WEIR_OPTIONS(.machine = "rubbish"), WEIR_EINVAL, "rubbish"},
		{WEIR_OPTIONS(.machine = "/no/such/file.xml"), WEIR_ENOENT, "/no/such/file.xml"},
		{WEIR_OPTIONS(.workers = 4097), WEIR_EINVAL, "options.workers is 4097"},
		{WEIR_OPTIONS(.tasks_max = 1 << 24), WEIR_EINVAL, "options.tasks_max is 16777216"},
		{WEIR_OPTIONS(.waiting_max = UINT32_MAX), WEIR_EINVAL, "options.waiting_max is 4294967295"},
		{WEIR_OPTIONS(.forks_max = 1), WEIR_EINVAL, "options.forks_max is 1"},
		{WEIR_OPTIONS(.forks_max = 1 << 20), WEIR_EINVAL, "options.forks_max is 1048576"},
		{WEIR_OPTIONS(.spares_max = 65537), WEIR_EINVAL, "options.spares_max is 65537"},
		{WEIR_OPTIONS(.stack_bytes = 1), WEIR_EINVAL, "options.stack_bytes is 1"},
		{WEIR_OPTIONS(.stack_bytes = UINT64_MAX), WEIR_EINVAL, "options.stack_bytes is"},
		{WEIR_OPTIONS(.spin_ns = UINT64_MAX), WEIR_EINVAL, "options.spin_ns is"},
		{WEIR_OPTIONS(.idle = (weir_idle)3), WEIR_EINVAL, "options.idle is 3"},
		{WEIR_OPTIONS(.monitoring_interval_ns = 1), WEIR_EINVAL, "options.monitoring_interval_ns is 1"},
		{WEIR_OPTIONS(.resource_aware = true, .admission = 16), WEIR_EINVAL,
		 "options.admission is 16"},
		{WEIR_OPTIONS(.resource_aware = true, .strategy = &no_score), WEIR_EINVAL, "options.strategy"},
		{WEIR_OPTIONS(.strategy = WEIR_BEST_FIT), WEIR_EINVAL, "options.strategy is set on a plain pool"},
		{WEIR_OPTIONS(.limits = WEIR_LIMITS(.cores = 1)), WEIR_EINVAL, "options.limits is set on a plain pool"},
		{WEIR_OPTIONS(.admission = WEIR_ADMIT_WATERMARK), WEIR_EINVAL,
		 "options.admission is set on a plain pool"},
		{WEIR_OPTIONS(.resource_aware = true, .limits = &(weir_limits){.cores = 1}), WEIR_EINVAL,
		 "limits.size is 0"},
		{WEIR_OPTIONS(.resource_aware = true, .limits = WEIR_LIMITS(.cores = (double)NAN)), WEIR_EINVAL,
		 "limits.cores"},
		{WEIR_OPTIONS(.resource_aware = true, .limits = WEIR_LIMITS(.memory_bytes = UINT64_MAX - 1)),
		 WEIR_EINVAL, "limits.memory_bytes"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int left_behind;
		weir_pool *pool = (weir_pool *)&left_behind;
		assert_error(weir_pool_create(&pool, cases[i].options), cases[i].status, cases[i].word);
		assert_null(pool);
	}
	assert_error(weir_pool_create(NULL, NULL), WEIR_EINVAL, "out is NULL");
}

/* What a program compiled against other headers may hand over: no byte past its own size is read. */
static void limits_of_another_size_are_not_read_past_their_end(void **state)
{
	(void)state;
	size_t *small = malloc(sizeof(size_t));
	assert_non_null(small);
	*small = sizeof(size_t);
	weir_pool *pool;
	const weir_options *options =
		WEIR_OPTIONS(.resource_aware = true, .limits = (const weir_limits *)(void *)small);
	assert_error(weir_pool_create(&pool, options), WEIR_EINVAL, "limits.size is 8");
	free(small);
}

static void no_options_at_all_make_a_plain_pool(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(NULL);
	atomic_int count = 0;
	weir_group *group = hostile_group(pool);
	assert_ok(weir_submit(group, count_up, &count, NULL));
	assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1e9)));
	assert_error(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = (double)NAN)), WEIR_EINVAL, "cores");
	assert_error(weir_submit(group, count_up, &count, WEIR_DEMAND(.home = 1000)), WEIR_EINVAL, "demand.home is WEIR_NODE(999)");
	assert_error(weir_submit(group, count_up, &count, &(weir_demand){.cores = 1}), WEIR_EINVAL, "demand.size is 0");
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 2);
	assert_null(weir_pool_tracker(pool));
	assert_null(weir_pool_admission(pool));
	assert_error(weir_pool_set_strategy(pool, WEIR_BEST_FIT), WEIR_EINVAL, "resource_aware");
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void bad_variables_are_errors_that_say_what_would_do(void **state)
{
	(void)state;
	const struct {
		const char *name, *value, *word;
	} cases[] = {
		{"WEIR_MACHINE", "nonsense", "nonsense"},
		{"WEIR_WORKERS", "many", "WEIR_WORKERS is \"many\": give a number"},
		{"WEIR_WORKERS", "-1", "WEIR_WORKERS is \"-1\""},
		{"WEIR_WORKERS", "5000", "WEIR_WORKERS is \"5000\""},
		{"WEIR_WORKERS", "nan", "WEIR_WORKERS is \"nan\""},
		{"WEIR_WORKERS", "2.5", "WEIR_WORKERS is \"2.5\""},
		{"WEIR_WORKERS", "2x", "WEIR_WORKERS is \"2x\""},
		{"WEIR_RESOURCE_AWARE", "perhaps", "WEIR_RESOURCE_AWARE is \"perhaps\": give 1 or 0"},
		{"WEIR_LIMIT_CPU", "inf", "WEIR_LIMIT_CPU is \"inf\""},
		{"WEIR_LIMIT_CPU", "1e300", "WEIR_LIMIT_CPU is \"1e300\""},
		{"WEIR_LIMIT_MEMORY", "1Q", "WEIR_LIMIT_MEMORY is \"1Q\": give bytes"},
		{"WEIR_LIMIT_MEMORY", "99999999999999999999T", "WEIR_LIMIT_MEMORY is"},
		{"WEIR_STRATEGY", "good", "WEIR_STRATEGY is \"good\": give first, best or worst"},
		{"WEIR_ADMISSION", "soft", "WEIR_ADMISSION is \"soft\": give hard, watermark, adaptive, deadline or observe"},
		{"WEIR_IDLE", "sleep", "WEIR_IDLE is \"sleep\": give hybrid, spin or block"},
		{"WEIR_PINNING", "2", "WEIR_PINNING is \"2\": give 1 or 0"},
		{"WEIR_GUESTS", "some", "WEIR_GUESTS is \"some\": give 1 or 0"},
		{"WEIR_LOG", "loud", "WEIR_LOG is \"loud\": give off, error"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		weir_pool *pool;
		setenv(cases[i].name, cases[i].value, 1);
		assert_error(weir_pool_create(&pool, NULL), WEIR_EINVAL, cases[i].word);
		/* Who does not want the environment does not hear of it. */
		assert_ok(weir_pool_create(&pool, WEIR_OPTIONS(.no_environment = true, .workers = 1)));
		end_pool(pool);
		unsetenv(cases[i].name);
	}
}

static void good_variables_fill_in_what_options_leave_open(void **state)
{
	(void)state;
	setenv("WEIR_MACHINE", "numa:2 core:4 pu:1", 1);
	setenv("WEIR_WORKERS", "3", 1);
	setenv("WEIR_RESOURCE_AWARE", "yes", 1);
	setenv("WEIR_LIMIT_CPU", "2.5", 1);
	setenv("WEIR_LIMIT_MEMORY", "512M", 1);
	setenv("WEIR_STRATEGY", "worst", 1);
	setenv("WEIR_ADMISSION", "hard", 1);
	setenv("WEIR_PINNING", "off", 1);
	setenv("WEIR_IDLE", "spin", 1);
	weir_usage usage;
	weir_pool *pool = hostile_pool(NULL);
	assert_int_equal(weir_pool_workers(pool), 3);
	assert_int_equal(weir_machine_nodes(weir_pool_machine(pool)), 2);
	assert_ok(weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage));
	assert_true(usage.limit.cores == 2.5);
	assert_int_equal(usage.limit.memory_bytes, 512 << 20);
	assert_int_equal(counts_of(pool).parked, 0);
	end_pool(pool);
	/* What the program says goes before. */
	pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .machine = "numa:1 core:2 pu:1"));
	assert_int_equal(weir_pool_workers(pool), 1);
	assert_int_equal(weir_machine_nodes(weir_pool_machine(pool)), 1);
	end_pool(pool);
	const char *const names[] = {"WEIR_MACHINE",	  "WEIR_WORKERS",  "WEIR_RESOURCE_AWARE", "WEIR_LIMIT_CPU",
				     "WEIR_LIMIT_MEMORY", "WEIR_STRATEGY", "WEIR_ADMISSION",	  "WEIR_PINNING",
				     "WEIR_IDLE"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unsetenv(names[i]);
}

static void an_unknown_variable_is_warned_of_by_name(void **state)
{
	(void)state;
	log_lines[0] = '\0';
	assert_ok(weir_log_set(WEIR_LOG_WARN, note_line, NULL, 0));
	setenv("WEIR_WROKERS", "3", 1);
	end_pool(hostile_pool(WEIR_OPTIONS(.workers = 1)));
	assert_true(has_word(log_lines, "WEIR_WROKERS"));
	assert_false(has_word(log_lines, "WEIR_TEST_SEED"));
	log_lines[0] = '\0';
	end_pool(hostile_pool(WEIR_OPTIONS(.workers = 1, .no_environment = true)));
	assert_false(has_word(log_lines, "WEIR_WROKERS"));
	unsetenv("WEIR_WROKERS");
	assert_error(weir_log_set((weir_log_level)9, NULL, NULL, 0), WEIR_EINVAL, "9");
	assert_ok(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0));
}

static weir_status where_am_i(weir_task *task, void *argument)
{
	uint32_t *place = argument;
	place[0] = weir_task_node(task);
	place[1] = weir_task_memory_node(task);
	void *block = weir_task_alloc(task, 4096);
	return block ? WEIR_OK : WEIR_ENOMEM;
}

/* Shapes of machines and pools: each runs a task on every node, with and without a demand. */
static void odd_machines_and_odd_numbers_of_workers_run_everything(void **state)
{
	(void)state;
	static const char *const machines[] = {
		"numa:1 core:1 pu:1",
		"numa:4 core:2 pu:2",
		"[numa(memory=8GB)] pack:2 [numa] core:2 pu:1", /* cores without memory, and memory without cores */
		"pack:2 [numa(memory=1GB)] [numa(memory=4GB)] core:2 pu:1", /* two nodes beside each package's cores */
		"[numa(memory=8GB)] pack:2 [numa(memory=1GB)] core:2 pu:1", /* and one above both */
		"numa:16 core:1 pu:1",
	};
	static const uint32_t workers[] = {1, 3, 9};
	for (size_t m = 0; m < sizeof(machines) / sizeof(*machines); m++)
		for (size_t w = 0; w < sizeof(workers) / sizeof(*workers); w++) {
			weir_pool *pool = hostile_pool(
				WEIR_OPTIONS(.machine = machines[m], .workers = workers[w], .resource_aware = true));
			weir_group *group = hostile_group(pool);
			uint32_t nodes = weir_machine_nodes(weir_pool_machine(pool));
			uint32_t place[64][2];
			atomic_int count = 0;
			assert_true(nodes <= 64);
			for (uint32_t n = 0; n < nodes; n++) {
				assert_ok(weir_submit(group, count_up, &count, NULL));
				assert_ok(weir_submit(group, where_am_i, place[n],
						      WEIR_DEMAND(.cores = 0.5, .memory_bytes = 1 << 20,
								  .home = WEIR_NODE(n), .home_only = true)));
			}
			assert_ok(weir_group_wait(group));
			assert_int_equal(count, (int)nodes);
			for (uint32_t n = 0; n < nodes; n++) {
				weir_node_info asked, got;
				assert_ok(weir_machine_node(weir_pool_machine(pool), n, &asked));
				assert_ok(weir_machine_node(weir_pool_machine(pool), place[n][1], &got));
				assert_true(place[n][1] == n || (!asked.memory_bytes && got.memory_bytes));
			}
			assert_ok(weir_group_destroy(group));
			end_pool(pool);
		}
}

/* Node 1 has memory for others and no cores: what is asked of it runs next to it, and its memory is its own. */
static void a_node_without_cores_lends_memory_and_one_without_memory_borrows(void **state)
{
	(void)state;
	const weir_node_limit node[2] = {{.cores = 2, .memory_bytes = WEIR_NONE},
					 {.cores = 2, .memory_bytes = 64 << 20}};
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:2 pu:1", .resource_aware = true,
						    .limits = WEIR_LIMITS(.node = node, .nodes = 2)));
	weir_group *group = hostile_group(pool);
	uint32_t place[2];
	assert_ok(weir_submit(group, where_am_i, place, WEIR_DEMAND(.cores = 1, .memory_bytes = 1 << 20)));
	assert_ok(weir_group_wait(group));
	assert_int_equal(place[1], 1);
	assert_error(weir_submit(group, where_am_i, place,
				 WEIR_DEMAND(.memory_bytes = 1, .home = WEIR_NODE(0), .home_only = true)),
		     WEIR_EINFEASIBLE, "memory");
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void an_address_that_is_not_there_is_near_nothing(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1, .resource_aware = true));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	const void *const addresses[] = {(void *)1, (void *)UINTPTR_MAX, &count, (void *)(uintptr_t)0x7fff00000000};
	for (size_t i = 0; i < 4; i++)
		assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 0.25, .near = addresses[i])));
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 4);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bad_option_is_named_with_its_value),
		cmocka_unit_test(limits_of_another_size_are_not_read_past_their_end),
		cmocka_unit_test(no_options_at_all_make_a_plain_pool),
		cmocka_unit_test(bad_variables_are_errors_that_say_what_would_do),
		cmocka_unit_test(good_variables_fill_in_what_options_leave_open),
		cmocka_unit_test(an_unknown_variable_is_warned_of_by_name),
		cmocka_unit_test(odd_machines_and_odd_numbers_of_workers_run_everything),
		cmocka_unit_test(a_node_without_cores_lends_memory_and_one_without_memory_borrows),
		cmocka_unit_test(an_address_that_is_not_there_is_near_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
