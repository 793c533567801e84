/* SPDX-License-Identifier: MIT */
/* ranks.h - how many processes of a parallel job share this host. */
#ifndef NUMA_RANKS_H
#define NUMA_RANKS_H

#include <stdint.h>

/* As the job's launcher says in the environment; 1 if none does. A value that is no number is warned of and passed
 * over. */
uint32_t ranks_on_this_host(void);

#endif
