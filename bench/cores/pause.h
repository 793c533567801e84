/* SPDX-License-Identifier: MIT */
/* pause.h - included before each source that is compiled for the model: a turn of a spin loop takes time there. */
#ifndef BENCH_CORES_PAUSE_H
#define BENCH_CORES_PAUSE_H

void model_pause(void);
#define __builtin_ia32_pause model_pause

#endif
