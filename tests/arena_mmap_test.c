/* SPDX-License-Identifier: MIT */
/* arena_mmap_test.c - arena_test.c again, on the form without jemalloc, whatever the library was built with. */
#undef WEIR_JEMALLOC
#define arenas_create mmap_arenas_create
#define arenas_destroy mmap_arenas_destroy
#define arenas_bound mmap_arenas_bound
#define arenas_alloc mmap_arenas_alloc
#define arenas_free mmap_arenas_free
#define arenas_keep_pages mmap_arenas_keep_pages
#define arenas_count_freed mmap_arenas_count_freed
#define arenas_kept mmap_arenas_kept
#define arenas_purge mmap_arenas_purge

#include "numa/arena_mmap.c"

#include "arena_test.c"
