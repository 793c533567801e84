/* SPDX-License-Identifier: MIT */
/* pause.h - included before each source that is compiled for the model: a turn of a spin loop takes time there, and what is fetched
 * ahead is under way meanwhile. */
#ifndef BENCH_CORES_PAUSE_H
#define BENCH_CORES_PAUSE_H

void model_pause(void);
#define __builtin_ia32_pause model_pause

/* Of one argument or more: to read, unless the second says to write. */
void model_fetch_ahead(const void *address, int writes);
#define __builtin_prefetch(...) MODEL_FETCH_AHEAD(__VA_ARGS__, 0, 0)
#define MODEL_FETCH_AHEAD(address, writes, ...) model_fetch_ahead((address), (writes))

#endif
