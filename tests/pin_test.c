/* SPDX-License-Identifier: MIT */
/* pin_test.c - threads are where they were put, other machines' cores are left alone, children are bound after fork. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "numa/pin.h"
#include "private/compiler.h"

static cpu_set_t own_cpus(void)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	(void)sched_getaffinity(0, sizeof(set), &set);
	return set;
}

static cpu_set_t cpus_of_cores(const struct weir_machine *m, uint32_t first, uint32_t count)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	for (uint32_t t = m->first_thread[first]; t < m->first_thread[first + count]; t++)
		CPU_SET(m->thread[t], &set);
	return set;
}

static int leave_as_found(void **state)
{
	static cpu_set_t before;
	if (*state) {
		sched_setaffinity(0, sizeof(before), &before);
		syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0ul);
	} else {
		before = own_cpus();
		*state = &before;
	}
	return 0;
}

static void a_pinned_thread_has_the_threads_of_its_core(void **state)
{
	(void)state;
	weir_machine *m;
	assert_int_equal(weir_machine_create(&m, "this"), WEIR_OK);
	for (uint32_t n = 0; n < m->nodes; n++) {
		uint32_t first = m->node[n].first_core;
		for (uint32_t c = 0; c < m->node[n].cores; c++) {
			assert_int_equal(pin_thread(m, n, c), WEIR_OK);
			cpu_set_t is = own_cpus(), should = cpus_of_cores(m, first + c, 1);
			assert_true(CPU_EQUAL(&is, &should));
		}
		assert_int_equal(pin_thread(m, n, PIN_ALL_CORES), WEIR_OK);
		uint32_t with_cores = m->cores_near[n];
		cpu_set_t is = own_cpus();
		cpu_set_t should = cpus_of_cores(m, m->node[with_cores].first_core, m->node[with_cores].cores);
		assert_true(CPU_EQUAL(&is, &should));
	}
	weir_machine_destroy(m);
}

/* The policy is a preference for the node, where the kernel has policies and lets us see and set them. */
static void a_pinned_thread_prefers_its_nodes_memory(void **state)
{
	(void)state;
	weir_machine *m;
	assert_int_equal(weir_machine_create(&m, "this"), WEIR_OK);
	int mode = -1;
	unsigned long nodes[16] = {0};
	if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0ul) ||
	    syscall(SYS_get_mempolicy, &mode, nodes, 1024ul, NULL, 0ul)) {
		print_message("no memory policies here: %s\n", strerror(errno));
		weir_machine_destroy(m);
		skip();
	}
	assert_int_equal(mode, MPOL_DEFAULT);
	for (uint32_t n = 0; n < m->nodes; n++) {
		assert_int_equal(pin_thread(m, n, PIN_ALL_CORES), WEIR_OK);
		assert_int_equal(syscall(SYS_get_mempolicy, &mode, nodes, 1024ul, NULL, 0ul), 0);
		assert_int_equal(mode, MPOL_PREFERRED);
		uint32_t physical = m->node[m->memory_near[n]].physical;
		for (uint32_t bit = 0; bit < 1024; bit++)
			assert_int_equal(nodes[bit / 64] >> bit % 64 & 1, bit == physical);
	}
	weir_machine_destroy(m);
}

static void other_machines_bind_nothing(void **state)
{
	(void)state;
	weir_machine *m;
	cpu_set_t before = own_cpus();
	unsigned char byte = 1;
	assert_int_equal(weir_machine_create(&m, "numa:4 core:64 pu:2"), WEIR_OK);
	assert_int_equal(pin_thread(m, 3, 63), WEIR_OK);
	assert_int_equal(pin_thread(m, 3, PIN_ALL_CORES), WEIR_OK);
	assert_int_equal(weir_machine_bind_self(m, 2, 10, 54), WEIR_OK);
	assert_int_equal(pin_memory(m, 3, &byte, 1), WEIR_OK);
	assert_int_equal(pin_node_of_address(m, &byte), UINT32_MAX);
	cpu_set_t after = own_cpus();
	assert_true(CPU_EQUAL(&before, &after));
	weir_machine_destroy(m);
}

static void what_is_not_there_cannot_be_bound_to(void **state)
{
	(void)state;
	static const char *const sources[] = {"this", "numa:2 core:3 pu:1"};
	for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
		weir_machine *m;
		assert_int_equal(weir_machine_create(&m, sources[i]), WEIR_OK);
		cpu_set_t before = own_cpus();
		uint32_t cores = m->node[0].cores;
		const struct {
			uint32_t node, first, count;
		} cases[] = {{m->nodes, 0, 1},	 {UINT32_MAX, 0, 1}, {0, 0, 0},
			     {0, cores, 1},	 {0, 0, cores + 1},  {0, UINT32_MAX, 1},
			     {0, 1, UINT32_MAX}, {0, cores - 1, 2},  {0, UINT32_MAX, UINT32_MAX}};
		for (size_t c = 0; c < ARRAY_LENGTH(cases); c++)
			assert_int_equal(weir_machine_bind_self(m, cases[c].node, cases[c].first, cases[c].count),
					 WEIR_EINVAL);
		assert_int_equal(pin_thread(m, m->nodes, 0), WEIR_EINVAL);
		assert_int_equal(pin_thread(m, 0, cores), WEIR_EINVAL);
		cpu_set_t after = own_cpus();
		assert_true(CPU_EQUAL(&before, &after));
		weir_machine_destroy(m);
	}
	assert_int_equal(weir_machine_bind_self(NULL, 0, 0, 1), WEIR_EINVAL);
}

/* Between fork and exec: the child is bound, the parent is not. */
static void a_child_binds_itself_and_not_its_parent(void **state)
{
	(void)state;
	weir_machine *m;
	assert_int_equal(weir_machine_create(&m, "this"), WEIR_OK);
	uint32_t node = m->cores_near[m->nodes - 1], last = m->node[node].cores - 1;
	cpu_set_t before = own_cpus();
	pid_t child = fork();
	if (child == 0) {
		weir_status bound = weir_machine_bind_self(m, node, last, 1);
		cpu_set_t is = own_cpus(), should = cpus_of_cores(m, m->node[node].first_core + last, 1);
		/* ESYSTEM: memory may not be bound, the cores are all the same. */
		_exit((bound == WEIR_OK || bound == WEIR_ESYSTEM) && CPU_EQUAL(&is, &should) ? 0 : 1);
	}
	assert_true(child > 0);
	int status = -1;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	cpu_set_t after = own_cpus();
	assert_true(CPU_EQUAL(&before, &after));
	weir_machine_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pinned_thread_has_the_threads_of_its_core, leave_as_found,
						leave_as_found),
		cmocka_unit_test_setup_teardown(a_pinned_thread_prefers_its_nodes_memory, leave_as_found,
						leave_as_found),
		cmocka_unit_test_setup_teardown(other_machines_bind_nothing, leave_as_found, leave_as_found),
		cmocka_unit_test_setup_teardown(what_is_not_there_cannot_be_bound_to, leave_as_found, leave_as_found),
		cmocka_unit_test_setup_teardown(a_child_binds_itself_and_not_its_parent, leave_as_found,
						leave_as_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
