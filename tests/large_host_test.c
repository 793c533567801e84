/* SPDX-License-Identifier: MIT */
/*
 * large_host_test.c - blocks of whole pages where the kernel refuses, or is slow while others work.
 * Covers E4: what the kernel did not take counts as kept, nobody is ended for it, and nobody purges for others. This program's own
 * madvise() and munmap() stand between.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "fixture.h"
#include "numa/arena.h"
#include "numa/large.h"
#include "numa/pages.h"

enum { MIB = 1 << 20, PAGE_SLACK = 8192, DONTNEED_LOCKED = 24 };

static weir_machine *machine;

/* What the kernel does with pages that it is offered. */
static struct host {
	bool takes_none, takes_no_locked, unmaps_none;
	bool unmaps_every_second; /* try */
	bool maps_askew;	  /* never at a huge page's beginning */
	size_t maps_most;	  /* bytes at a time; 0: what it can */
	struct large *large;	  /* a block that is freed meanwhile */
	void *block;
	int offered;
} host;

int madvise(void *start, size_t bytes, int advice)
{
	if (advice == MADV_DONTNEED || advice == DONTNEED_LOCKED) {
		host.offered++;
		if (host.takes_none || (host.takes_no_locked && advice == MADV_DONTNEED)) {
			errno = EINVAL;
			return -1;
		}
		void *block = host.block;
		host.block = NULL;
		if (block)
			large_free(host.large, block);
		advice = host.takes_no_locked ? MADV_DONTNEED : advice;
	}
	return (int)syscall(SYS_madvise, start, bytes, advice);
}

#if !FIXTURE_SANITIZED
void *mmap(void *start, size_t bytes, int protection, int flags, int file, off_t offset)
{
	if (host.maps_most && bytes > host.maps_most) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (!host.maps_askew)
		return (void *)syscall(SYS_mmap, start, bytes, protection, flags, file, offset);
	char *wide = (char *)syscall(SYS_mmap, start, bytes + 4096, protection, flags, file, offset);
	if (wide == MAP_FAILED)
		return wide;
	bool aligned = ((uintptr_t)wide & (2 * MIB - 1)) == 0;
	syscall(SYS_munmap, aligned ? wide : wide + bytes, 4096);
	return aligned ? wide + 4096 : wide;
}

int munmap(void *start, size_t bytes)
{
	static int tries;
	if (host.unmaps_none || (host.unmaps_every_second && tries++ % 2 == 0)) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_munmap, start, bytes);
}
#endif

static int make_machine(void **state)
{
	(void)state;
	return weir_machine_create(&machine, "numa:1 core:1 pu:1");
}

static int destroy_machine(void **state)
{
	(void)state;
	weir_machine_destroy(machine);
	return 0;
}

static struct large *made(bool huge)
{
	struct large *l = aligned_alloc(CACHE_LINE, (sizeof(*l) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	assert_non_null(l);
	host = (struct host){.large = l};
	large_init(l, machine, 0, false);
	large_keep(l);
	l->huge &= huge;
	return l;
}

static void unmake(struct large *l)
{
	host = (struct host){0};
	large_fini(l);
	free(l);
}

static unsigned char *filled(struct large *l, size_t bytes)
{
	unsigned char *block = large_alloc(l, bytes);
	assert_non_null(block);
	memset(block, 1, bytes);
	return block;
}

static int mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	int lines = 0;
	assert_non_null(file);
	for (int c; (c = fgetc(file)) != EOF;)
		lines += c == '\n';
	fclose(file);
	return lines;
}

/* Room was needed for 5 MiB: what another leaves while the kernel takes them stays for those who come. It failed where a purge went
 * on until no more than that was kept, whoever left it, and had no end while others left something. */
static void what_is_freed_while_a_purge_works_stays(void **state)
{
	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		struct large *l = made(huge);
		unsigned char *first = filled(l, 10 * MIB), *second = filled(l, 10 * MIB);
		large_free(l, first);
		host.block = second;
		large_purge(l, 5 * MIB);
		assert_null(host.block);
		assert_in_range(large_kept(l), 13 * MIB, 15 * MIB + 2 * PAGE_SLACK);
		large_purge(l, 0);
		assert_int_equal(large_kept(l), 0);
		unmake(l);
	}
}

/* The same of what stands behind the end of a block in use. */
static void what_the_kernel_does_not_take_is_kept(void **state)
{
	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		struct large *l = made(huge);
		large_free(l, filled(l, 100000));
		large_free(l, filled(l, 9 * MIB));
		unsigned char *used = filled(l, 7 * MIB);
		uint64_t kept = large_kept(l);
		assert_true(kept >= 2 * MIB);
		host.takes_none = host.unmaps_none = true;
		large_purge(l, 0);
		assert_in_range(host.offered, 1, 8);
		assert_int_equal(large_kept(l), kept);
		large_free(l, used);
		large_purge(l, MIB);
		assert_true(large_kept(l) >= 9 * MIB);
		host.takes_none = host.unmaps_none = false;
		large_purge(l, 0);
		assert_int_equal(large_kept(l), 0);
		unmake(l);
	}
}

/* Blocks have address space up to a power of two: where there is less, they have what they need, and leave nothing when they go. It
 * would fail where a task of 130 GiB needed 256 GiB of what may be mapped. */
static void where_address_space_is_short_a_block_has_what_it_needs(void **state)
{
	(void)state;
	if (FIXTURE_SANITIZED)
		skip(); /* mmap() is not ours there */
	for (int huge = 0; huge < 2; huge++) {
		static const size_t sizes[] = {40000, 17 * MIB + 5000, 33 * MIB};
		struct large *l = made(huge);
		int before = mappings();
		for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
			host.maps_most = sizes[i] + PAGE_SLACK + (huge && sizes[i] > 4 * MIB ? 4 * MIB : 0);
			unsigned char *block = large_alloc(l, sizes[i]);
			assert_non_null(block);
			memset(block, 1, sizes[i]);
			assert_null(large_alloc(l, 2 * sizes[i] + 6 * MIB));
			large_free(l, block);
			assert_int_equal(large_kept(l), 0);
		}
		assert_true(mappings() <= before + 1);
		unmake(l);
	}
}

/* A process of too many mappings cannot cut one in two: then the memory goes, and the addresses wait for the next block. */
static void what_cannot_be_unmapped_is_given_and_used_again(void **state)
{
	(void)state;
	struct large *l = made(false);
	unsigned char *block = filled(l, 9 * MIB);
	large_free(l, block);
	host.unmaps_none = true;
	large_purge(l, 0);
	assert_int_equal(large_kept(l), 0);
	host.unmaps_none = false;
	unsigned char *again = filled(l, 9 * MIB);
	assert_true(FIXTURE_SANITIZED || again == block);
	large_free(l, again);
	unmake(l);
}

/* mlockall() of the application: MADV_DONTNEED is refused. It failed where that ended the program. */
static void locked_memory_is_given_back_as_such(void **state)
{
	(void)state;
	struct large *l = made(false);
	host.takes_no_locked = true;
	large_free(l, filled(l, MIB));
	large_purge(l, 0);
	assert_int_equal(large_kept(l), 0);
	host.takes_no_locked = false;
	/* The real one, if it may be locked: kernels before 5.18 keep it. */
	unsigned char *block = filled(l, MIB);
	if (mlock(block - 64, MIB) == 0) {
		large_free(l, block);
		uint64_t kept = large_kept(l);
		large_purge(l, 0);
		assert_true(large_kept(l) == 0 || large_kept(l) == kept);
	}
	unmake(l);
}

/* A process may have 65,530 mappings, and a block in huge pages takes two. It failed where that many blocks left none for others. */
static void many_blocks_in_huge_pages_do_not_use_up_all_mappings(void **state)
{
	(void)state;
	enum { BLOCKS = 60, HUGE = 10, OTHERS = 8 };
	struct large *l = made(true);
	l->huge_regions_max = HUGE;
	int before = mappings();
	unsigned char *block[BLOCKS];
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = large_alloc(l, 5 * MIB - 100000);
		assert_non_null(block[i]);
	}
	assert_true(FIXTURE_SANITIZED || mappings() <= before + 2 * HUGE + OTHERS);
	/* Who made room makes it for others. */
	for (int i = 0; i < BLOCKS; i++)
		large_free(l, block[i]);
	large_purge(l, 0);
	assert_int_equal(at_load(&l->huge_regions, relaxed, none), 0);
	unmake(l);
}

/* E4: a purge to nothing leaves nothing but what is in use, even if a block is taken and not yet counted as gone. It failed where a block
 * that was found and not handed out yet held memory behind its end that no purge saw. */
static void a_purge_finds_what_is_kept_in_a_block_that_is_being_taken(void **state)
{
	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		struct large *l = made(huge);
		large_free(l, filled(l, 9 * MIB));
		char *start;
		uint64_t found;
		struct large_block *block = blocks_take(&l->blocks, blocks_class_of(9 * MIB), 6 * MIB, &start, &found);
		assert_non_null(block);
		assert_int_equal(found, 6 * MIB);
		large_purge(l, 0);
		assert_int_equal(large_kept(l), found);
		at_sub(&l->kept_bytes, found, relaxed, none);
		/* Counted, and not put yet. */
		at_add(&l->kept_bytes, blocks_used(&l->blocks, block), relaxed, none);
		large_purge(l, 0);
		assert_int_equal(large_kept(l), 6 * MIB);
		blocks_put(block);
		large_purge(l, 0);
		assert_int_equal(large_kept(l), 0);
		unmake(l);
	}
}

/* A process at its limit of mappings cannot cut one in two, neither to begin at a huge page nor at the end. It failed where that
 * ended the program. */
static void who_has_no_mapping_left_is_refused_and_not_ended(void **state)
{
	(void)state;
	for (int huge = 0; huge < 2; huge++) {
		struct large *l = made(huge);
		unsigned char *blocks[] = {filled(l, 100000), filled(l, 9 * MIB), filled(l, 20 * MIB)};
		large_free(l, blocks[1]);
		host.maps_askew = host.unmaps_none = true;
		assert_true(FIXTURE_SANITIZED || !huge || !large_alloc(l, 40 * MIB));
		host.maps_askew = false;
		long before = fixture_resident_bytes();
		large_fini(l);
		/* The addresses stay, and hold nothing. */
		assert_true(FIXTURE_SANITIZED || fixture_resident_bytes() <= before - 28 * MIB);
		host = (struct host){0};
		free(l);
	}
}

/* E1: the same of arenas, small blocks included. It failed where that ended the program. */
static void arenas_that_cannot_be_unmapped_leave_addresses_alone(void **state)
{
	(void)state;
	enum { BLOCKS = 600, BYTES = 20000, SLACK = 4 * MIB };
	static void *block[BLOCKS];
	host = (struct host){0};
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = arenas_alloc(arenas, 0, BYTES);
		assert_non_null(block[i]);
		memset(block[i], 1, BYTES);
	}
	for (int i = 0; i < BLOCKS; i += 2)
		(void)arenas_free(arenas, 0, block[i], BYTES);
	long before = fixture_resident_bytes();
	host.unmaps_none = true;
	arenas_destroy(arenas);
	host.unmaps_none = false;
	assert_true(FIXTURE_SANITIZED || fixture_resident_bytes() <= before - BLOCKS / 2 * BYTES + SLACK);
}

static long mapped_bytes(void)
{
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld", &pages), 1);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* What was no room for at first goes when its neighbours are gone. */
static void what_could_not_be_unmapped_at_first_is_unmapped_at_last(void **state)
{
	(void)state;
	if (FIXTURE_SANITIZED)
		skip(); /* munmap() is not ours there */
	enum { BLOCKS = 600, BYTES = 20000 };
	host = (struct host){0};
	long before = mapped_bytes();
	struct arenas *arenas = arenas_create(machine);
	assert_non_null(arenas);
	for (int i = 0; i < BLOCKS; i++)
		assert_non_null(arenas_alloc(arenas, 0, BYTES));
	host.unmaps_every_second = true;
	arenas_destroy(arenas);
	host.unmaps_every_second = false;
	/* All but one at most, which was tried alone. */
	assert_true(mapped_bytes() <= before + 3 * MIB);
}

/* vm.max_map_count says how many blocks may have huge pages. */
static void the_hosts_limit_of_mappings_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t most;
	} cases[] = {{"65530\n", 65530},	   {"262144\n", 262144}, {"0\n", 0},
		     {"99999999999\n", INT32_MAX}, {"", PAGES_MAPPINGS}, {"-7\n", PAGES_MAPPINGS},
		     {"many", PAGES_MAPPINGS}};
	struct fixture f;
	fixture_create(&f);
	assert_int_equal(pages_mappings_max(f.root), PAGES_MAPPINGS);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		fixture_text(&f, "/proc/sys/vm/max_map_count", cases[i].text);
		assert_int_equal(pages_mappings_max(f.root), cases[i].most);
	}
	fixture_destroy(&f);
	struct large *l = made(true);
	assert_int_equal(l->huge_regions_max, pages_mappings_max("") / 4);
	unmake(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_freed_while_a_purge_works_stays),
		cmocka_unit_test(what_the_kernel_does_not_take_is_kept),
		cmocka_unit_test(where_address_space_is_short_a_block_has_what_it_needs),
		cmocka_unit_test(what_cannot_be_unmapped_is_given_and_used_again),
		cmocka_unit_test(locked_memory_is_given_back_as_such),
		cmocka_unit_test(many_blocks_in_huge_pages_do_not_use_up_all_mappings),
		cmocka_unit_test(a_purge_finds_what_is_kept_in_a_block_that_is_being_taken),
		cmocka_unit_test(who_has_no_mapping_left_is_refused_and_not_ended),
		cmocka_unit_test(arenas_that_cannot_be_unmapped_leave_addresses_alone),
		cmocka_unit_test(what_could_not_be_unmapped_at_first_is_unmapped_at_last),
		cmocka_unit_test(the_hosts_limit_of_mappings_is_read),
	};
	return cmocka_run_group_tests(tests, make_machine, destroy_machine);
}
