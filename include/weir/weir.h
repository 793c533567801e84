/* SPDX-License-Identifier: MIT */
/*
 * weir.h - all of weir: run tasks that state what they need, on the right NUMA node, never past the limits.
 */
#ifndef WEIR_WEIR_H
#define WEIR_WEIR_H

#include <weir/admission.h>
#include <weir/policy.h>
#include <weir/base.h>
#include <weir/clock.h>
#include <weir/fork.h>
#include <weir/histogram.h>
#include <weir/log.h>
#include <weir/machine.h>
#include <weir/metrics.h>
#include <weir/monitor.h>
#include <weir/parallel.h>
#include <weir/pool.h>
#include <weir/reserve.h>
#include <weir/resource.h>
#include <weir/scheduler.h>
#include <weir/status.h>
#include <weir/strategy.h>
#include <weir/task.h>
#include <weir/tracker.h>
#include <weir/why.h>

#endif
