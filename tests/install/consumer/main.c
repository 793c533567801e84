/* SPDX-License-Identifier: MIT */
/*
 * main.c - a user of the installed library: runs a task with a demand, and says whose malloc it has.
 * Usage: consumer libc|jemalloc: the library that malloc must come from.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

static weir_status fill(weir_task *task, void *out)
{
	char *block = weir_task_alloc(task, 1 << 20);
	if (!block)
		return WEIR_ENOMEM;
	memset(block, 7, 1 << 20);
	*(int *)out = block[(1 << 20) - 1];
	return WEIR_OK;
}

static int run(void)
{
	weir_pool *pool;
	int seen = 0;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = 2, .resource_aware = true, .no_environment = true)) !=
		    WEIR_OK ||
	    weir_pool_run(pool, fill, &seen, WEIR_DEMAND(.cores = 1, .memory_bytes = 1 << 20)) != WEIR_OK ||
	    weir_pool_destroy(pool) != WEIR_OK) {
		fprintf(stderr, "%s\n", weir_error_text());
		return 1;
	}
	return seen != 7;
}

int main(int argc, char **argv)
{
	Dl_info home;
	if (argc != 2 || !dladdr(dlsym(RTLD_DEFAULT, "malloc"), &home))
		return 2;
	if (!strstr(home.dli_fname, argv[1])) {
		fprintf(stderr, "malloc is of %s, expected %s\n", home.dli_fname, argv[1]);
		return 1;
	}
	return run();
}
