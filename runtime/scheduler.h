/* SPDX-License-Identifier: MIT */
/* scheduler.h - what a pool needs of the scheduler inside it, beyond include/weir/scheduler.h. */
#ifndef WEIR_RUNTIME_SCHEDULER_H
#define WEIR_RUNTIME_SCHEDULER_H

#include <weir/scheduler.h>

/* While it is lent, as by a pool to its callers, weir_scheduler_destroy() answers WEIR_EBUSY. */
void scheduler_lend(weir_scheduler *scheduler, bool lent);

#endif
