/* SPDX-License-Identifier: MIT */
/* arena_mmap_test.c - arena_test.c again, on the form without jemalloc, whatever the library was built with. */
#undef WEIR_JEMALLOC
#define arenas_create mmap_arenas_create
#define arenas_destroy mmap_arenas_destroy
#define arenas_bound mmap_arenas_bound
#define arenas_alloc mmap_arenas_alloc
#define arenas_free mmap_arenas_free

#include "numa/arena_mmap.c"

#include "arena_test.c"
