/* SPDX-License-Identifier: MIT */
/* arena_test.c - blocks on nodes: whole, apart, on their node, and all given back. arena_mmap_test.c runs the same
 * again. */
#include <linux/mempolicy.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/arena.h"
#include "numa/pin.h"
#include "private/compiler.h"

static weir_machine *machine_of(const char *source)
{
	weir_machine *machine;
	assert_int_equal(weir_machine_create(&machine, source), WEIR_OK);
	return machine;
}

/* Pages of this process: mapped, and resident. */
static void own_pages(long *mapped, long *resident)
{
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld %ld", mapped, resident), 2);
	fclose(file);
}

struct block {
	unsigned char *bytes;
	size_t size;
	uint32_t node;
	unsigned char mark;
};

static bool block_is_whole(const struct block *b)
{
	for (size_t i = 0; i < b->size; i++)
		if (b->bytes[i] != b->mark)
			return false;
	return true;
}

/* Sizes of all kinds: mostly small, some up to 256 KiB. */
static size_t random_size(uint64_t *random)
{
	return fixture_random(random) % ((size_t)16 << fixture_random(random) % 15);
}

/* Two live blocks never share a byte: one would find the other's mark in itself. */
static void live_blocks_are_aligned_and_apart(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("live_blocks_are_aligned_and_apart");
	weir_machine *machine = machine_of("numa:3 core:1 pu:1");
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	static struct block block[256];
	for (int step = 0; step < 20000; step++) {
		struct block *b = &block[fixture_random(&random) % ARRAY_LENGTH(block)];
		if (b->bytes) {
			assert_true(block_is_whole(b));
			arenas_free(arenas, b->node, b->bytes, b->size);
		}
		b->size = random_size(&random);
		b->node = (uint32_t)(fixture_random(&random) % 3);
		b->mark = (unsigned char)fixture_random(&random);
		b->bytes = arenas_alloc(arenas, b->node, b->size);
		assert_non_null(b->bytes);
		assert_int_equal((uintptr_t)b->bytes % ARENA_ALIGNMENT, 0);
		memset(b->bytes, b->mark, b->size);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(block); i++)
		if (block[i].bytes)
			assert_true(block_is_whole(&block[i]));
	memset(block, 0, sizeof(block));
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
}

/* E2: a cache that mixed nodes would hand node 0's freed block out on node 1, as jemalloc's automatic cache does. */
static void a_freed_block_never_comes_back_on_another_node(void **state)
{
	(void)state;
	enum { BLOCKS = 512 };
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	static uintptr_t page[BLOCKS];
	static void *block[BLOCKS];
	for (size_t size = 64; size <= 65536; size *= 4) {
		for (int i = 0; i < BLOCKS; i++) {
			block[i] = arenas_alloc(arenas, 0, size);
			assert_non_null(block[i]);
			page[i] = (uintptr_t)block[i] / 4096;
		}
		for (int i = 0; i < BLOCKS; i++)
			arenas_free(arenas, 0, block[i], size);
		for (int i = 0; i < BLOCKS; i++) {
			block[i] = arenas_alloc(arenas, 1, size);
			assert_non_null(block[i]);
			for (int j = 0; size <= 32768 && j < BLOCKS; j++)
				assert_int_not_equal((uintptr_t)block[i] / 4096, page[j]);
		}
		for (int i = 0; i < BLOCKS; i++)
			arenas_free(arenas, 1, block[i], size);
	}
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
}

static void absurd_sizes_get_no_block_and_zero_gets_one(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	static const size_t absurd[] = {SIZE_MAX, SIZE_MAX - 63, SIZE_MAX - 4095, SIZE_MAX / 2, (size_t)1 << 60};
	for (size_t i = 0; i < ARRAY_LENGTH(absurd); i++)
		assert_null(arenas_alloc(arenas, 0, absurd[i]));
	void *nothing = arenas_alloc(arenas, 0, 0);
	void *more = arenas_alloc(arenas, 0, 0);
	assert_non_null(nothing);
	assert_ptr_not_equal(nothing, more);
	arenas_free(arenas, 0, nothing, 0);
	arenas_free(arenas, 0, more, 0);
	arenas_free(arenas, 0, NULL, 100);
	arenas_destroy(arenas);
	arenas_destroy(NULL);
	weir_machine_destroy(machine);
}

/* At each edge between kinds of blocks: the first and the last byte are the block's own, also where it is one that was free before. It
 * fails where a size belongs to one kind when it is taken and to another when it is freed. */
static void blocks_at_the_edges_of_sizes_are_whole(void **state)
{
	(void)state;
	static const size_t edges[] = {1,	64,	 4096,	     32 << 10, 36 << 10, 40 << 10,
				       1 << 20, 2 << 20, 3584 << 10, 4 << 20,  5 << 20,	 8 << 20};
	enum { AROUND = 5 };
	static const size_t off[AROUND] = {0, 1, 64, 65, 128};
	static struct block block[2][ARRAY_LENGTH(edges) * AROUND * 2];
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	for (int keeps = 0; keeps < 2; keeps++) {
		struct arenas *arenas = arenas_create(machine);
		assert_non_null(arenas);
		if (keeps)
			arenas_keep_pages(arenas);
		for (int turn = 0; turn < 3; turn++) {
			for (size_t i = 0; i < ARRAY_LENGTH(block[0]); i++)
				for (uint32_t node = 0; node < 2; node++) {
					size_t edge = edges[i / 2 / AROUND], by = off[i / 2 % AROUND];
					struct block *b = &block[node][i];
					b->size = i % 2 ? edge + by : edge > by ? edge - by : 0;
					b->mark = (unsigned char)(2 * i + node);
					b->bytes = arenas_alloc(arenas, node, b->size);
					assert_non_null(b->bytes);
					assert_int_equal((uintptr_t)b->bytes % ARENA_ALIGNMENT, 0);
					for (size_t at = 0; at < b->size; at += at + 4096 < b->size ? 4096 : 1)
						b->bytes[at] = b->mark;
				}
			for (uint32_t node = 0; node < 2; node++)
				arenas_purge(arenas, node, 0);
			for (size_t i = 0; i < ARRAY_LENGTH(block[0]); i++)
				for (uint32_t node = 0; node < 2; node++) {
					struct block *b = &block[node][i];
					for (size_t at = 0; at < b->size; at += at + 4096 < b->size ? 4096 : 1)
						assert_int_equal(b->bytes[at], b->mark);
					arenas_count_freed(arenas, node, arenas_free(arenas, node, b->bytes, b->size));
				}
			if (turn == 1)
				for (uint32_t node = 0; node < 2; node++)
					arenas_purge(arenas, node, 0);
		}
		arenas_destroy(arenas);
	}
	weir_machine_destroy(machine);
}

/* In a process of its own, whose address space has an end. */
static int fill_what_free_blocks_had(void)
{
	enum { BLOCKS = 40, EACH = 10 << 20, ROOM = 32 << 20 };
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	struct arenas *arenas = arenas_create(machine);
	static void *block[2][BLOCKS];
	if (!arenas)
		return 2;
	arenas_keep_pages(arenas);
	for (uint32_t node = 0; node < 2; node++)
		for (int i = 0; i < BLOCKS; i++)
			block[node][i] = arenas_alloc(arenas, node, EACH);
	for (uint32_t node = 0; node < 2; node++)
		for (int i = 0; i < BLOCKS; i++)
			arenas_free(arenas, node, block[node][i], EACH);
	long mapped, resident;
	own_pages(&mapped, &resident);
	rlim_t room = (rlim_t)mapped * (rlim_t)sysconf(_SC_PAGESIZE) + ROOM;
	if (setrlimit(RLIMIT_AS, &(struct rlimit){room, room}))
		return 3;
	void *all = arenas_alloc(arenas, 0, (size_t)BLOCKS * EACH / 2 * 3);
	if (!all)
		return 4;
	if (arenas_alloc(arenas, 1, (size_t)4 * BLOCKS * EACH))
		return 5; /* there is an end */
	arenas_free(arenas, 0, all, (size_t)BLOCKS * EACH / 2 * 3);
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
	return 0;
}

/* It failed where blocks that nobody uses kept addresses, of all nodes, that the next block, larger than they, needed. */
static void free_blocks_make_way_where_address_space_is_short(void **state)
{
	(void)state;
	if (FIXTURE_SANITIZED)
		skip();
	pid_t child = fork();
	if (child == 0)
		_exit(fill_what_free_blocks_had());
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void use_and_forget(const weir_machine *machine)
{
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	for (uint32_t node = 0; node < 2; node++) {
		void *freed = arenas_alloc(arenas, node, 100);
		void *kept = arenas_alloc(arenas, node, 3000);
		void *large = arenas_alloc(arenas, node, 200000);
		assert_non_null(freed);
		assert_non_null(kept);
		assert_non_null(large);
		memset(large, 1, 200000);
		arenas_free(arenas, node, freed, 100);
	}
	arenas_destroy(arenas);
}

/* E1: what is kept per pair of arenas, pages or address space, shows after 1000 of them: 400 KB were touched in each.
 */
static void a_thousand_arenas_leave_nothing_behind(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	for (int i = 0; i < 20; i++)
		use_and_forget(machine);
	long mapped, resident, mapped_after, resident_after;
	own_pages(&mapped, &resident);
	for (int i = 0; i < 1000; i++)
		use_and_forget(machine);
	own_pages(&mapped_after, &resident_after);
	/* The sanitizer keeps what was freed for a while, records of regions among it. */
	assert_true(FIXTURE_SANITIZED || (resident_after - resident) * sysconf(_SC_PAGESIZE) < 16 << 20);
	assert_true((mapped_after - mapped) * sysconf(_SC_PAGESIZE) < 64 << 20);
	weir_machine_destroy(machine);
}

/* E4: what is counted as freed is what a purge gives back, be it one block or holes between others; what is freed later
 * is counted for the next. Blocks of all sizes hold what was written to them, those in huge pages too. */
static void a_purge_gives_the_pages_of_free_blocks_back(void **state)
{
	(void)state;
	enum { BYTES = 40 << 20, SLACK = 8 << 20, TOGETHER = 16 };
	static const size_t sizes[] = {
#ifdef WEIR_JEMALLOC /* the other form keeps the pages of small blocks */
		20 << 10,
#endif
		200 << 10, 1 << 20, (8 << 20) + 100, BYTES};
	weir_machine *machine = machine_of("numa:1 core:1 pu:1");
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	arenas_keep_pages(arenas);
	static struct block block[BYTES / (20 << 10)];
	long before = fixture_resident_bytes();
	for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
		size_t count = BYTES / sizes[s];
		for (size_t i = 0; i < count; i++) {
			block[i] =
				(struct block){arenas_alloc(arenas, 0, sizes[s]), sizes[s], 0, (unsigned char)(i + s)};
			assert_non_null(block[i].bytes);
			memset(block[i].bytes, block[i].mark, sizes[s]);
		}
		assert_true(fixture_resident_bytes() - before > (long)(count * sizes[s]) - SLACK);
		/* Each second group: what stays keeps its bytes. One at a time would leave holes that hold no page where jemalloc has large
		 * ones (64 KiB in Debian for aarch64), and puts small blocks side by side in them. */
		size_t together = sizes[s] < 64 << 10 ? TOGETHER : 1;
		for (size_t turn = 0; turn < 2; turn++) {
			size_t freed = 0, tell = 0;
			for (size_t i = 0; i < count; i++) {
				if (i / together % 2 != turn)
					continue;
				assert_true(block_is_whole(&block[i]));
				tell += arenas_free(arenas, 0, block[i].bytes, sizes[s]);
				freed += sizes[s];
			}
			arenas_count_freed(arenas, 0, tell);
			assert_in_range(arenas_kept(arenas, 0), 0, freed + count * 8192);
			arenas_purge(arenas, 0, freed / 2);
			assert_in_range(arenas_kept(arenas, 0), 0, freed / 2);
			arenas_purge(arenas, 0, 0);
			assert_int_equal(arenas_kept(arenas, 0), 0);
			size_t left = turn == 0 ? count * sizes[s] - freed : 0;
			assert_true(FIXTURE_SANITIZED || fixture_resident_bytes() - before < (long)left + SLACK);
		}
	}
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
}

enum { THREADS = 8, SLOTS = 64, ROUNDS = 3000 };

struct exchange {
	struct arenas *arenas;
	pthread_mutex_t lock;
	struct block slot[SLOTS]; /* blocks that any thread may take and free */
	bool broken;
};

struct trader {
	struct exchange *exchange;
	uint64_t random;
};

/* Take what is in a slot, free it, and leave a block of one's own: blocks are freed by others than made them. */
static void *trade(void *argument)
{
	struct trader *t = argument;
	struct exchange *x = t->exchange;
	for (int i = 0; i < ROUNDS; i++) {
		struct block mine = {.size = random_size(&t->random) / 4,
				     .node = (uint32_t)(fixture_random(&t->random) % 2),
				     .mark = (unsigned char)fixture_random(&t->random)};
		mine.bytes = arenas_alloc(x->arenas, mine.node, mine.size);
		if (mine.bytes)
			memset(mine.bytes, mine.mark, mine.size);
		struct block *slot = &x->slot[fixture_random(&t->random) % SLOTS];
		pthread_mutex_lock(&x->lock);
		struct block theirs = *slot;
		*slot = mine;
		x->broken |= !mine.bytes;
		pthread_mutex_unlock(&x->lock);
		if (!theirs.bytes)
			continue;
		if (!block_is_whole(&theirs)) {
			pthread_mutex_lock(&x->lock);
			x->broken = true;
			pthread_mutex_unlock(&x->lock);
		}
		arenas_free(x->arenas, theirs.node, theirs.bytes, theirs.size);
	}
	return NULL;
}

/* Threads that come and go hand their numbers on, and with them their caches (E2); a cache used by two at once breaks.
 */
static void threads_free_each_others_blocks(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("threads_free_each_others_blocks");
	weir_machine *machine = machine_of("numa:2 core:1 pu:1");
	static struct exchange x;
	x = (struct exchange){.arenas = arenas_create(machine), .lock = PTHREAD_MUTEX_INITIALIZER};
	assert_non_null(x.arenas);
	for (int generation = 0; generation < 3; generation++) {
		pthread_t thread[THREADS];
		struct trader trader[THREADS];
		for (int i = 0; i < THREADS; i++) {
			trader[i] = (struct trader){&x, fixture_random(&random)};
			assert_int_equal(pthread_create(&thread[i], NULL, trade, &trader[i]), 0);
		}
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
	}
	assert_false(x.broken);
	arenas_destroy(x.arenas);
	weir_machine_destroy(machine);
}

/* What is bound is where it should be. Where binding is forbidden, or the kernel tells nobody where pages are, the
 * block is merely there; on a machine of one node it can only be there. */
static void a_touched_block_is_on_its_node(void **state)
{
	(void)state;
	weir_machine *machine = machine_of("this");
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	for (uint32_t node = 0; node < weir_machine_nodes(machine); node++) {
		unsigned char *block = arenas_alloc(arenas, node, 1 << 20);
		assert_non_null(block);
		assert_int_equal(pin_node_of_address(machine, block + (1 << 19)), UINT32_MAX); /* nobody touched it */
		int mode = -1;
		if (arenas_bound(arenas) &&
		    syscall(SYS_get_mempolicy, &mode, NULL, 0ul, block + (1 << 19), (unsigned long)MPOL_F_ADDR) == 0)
			assert_int_equal(mode, MPOL_PREFERRED);
		memset(block, 1, 1 << 20);
		uint32_t where = pin_node_of_address(machine, block);
		if (arenas_bound(arenas) && where != UINT32_MAX)
			assert_int_equal(where, machine->memory_near[node]);
		arenas_free(arenas, node, block, 1 << 20);
	}
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
	machine = machine_of("numa:2 core:1 pu:1");
	arenas = arenas_create(machine);
	assert_false(arenas_bound(arenas));
	arenas_destroy(arenas);
	weir_machine_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(live_blocks_are_aligned_and_apart),
		cmocka_unit_test(a_freed_block_never_comes_back_on_another_node),
		cmocka_unit_test(absurd_sizes_get_no_block_and_zero_gets_one),
		cmocka_unit_test(blocks_at_the_edges_of_sizes_are_whole),
		cmocka_unit_test(free_blocks_make_way_where_address_space_is_short),
		cmocka_unit_test(a_thousand_arenas_leave_nothing_behind),
		cmocka_unit_test(a_purge_gives_the_pages_of_free_blocks_back),
		cmocka_unit_test(threads_free_each_others_blocks),
		cmocka_unit_test(a_touched_block_is_on_its_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
