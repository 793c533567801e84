/* SPDX-License-Identifier: MIT */
/*
 * pool.h - threads that run tasks: plain by default, aware of resources by option.
 */
#ifndef WEIR_POOL_H
#define WEIR_POOL_H

#include <weir/monitor.h>
#include <weir/scheduler.h>

WEIR_BEGIN_DECLS

typedef struct weir_pool weir_pool;

/* What a worker does that finds no work. */
typedef enum weir_idle {
	WEIR_IDLE_HYBRID = 0, /* look for options.spin_ns, then sleep until there is some */
	WEIR_IDLE_SPIN = 1,   /* look on and on: all its core's time, for the shortest way to a task. Under SCHED_FIFO more
			       * workers than processors take turns there, and no thread of lower priority has one */
	WEIR_IDLE_BLOCK = 2   /* sleep at once */
} weir_idle;

typedef struct weir_options {
	size_t size;
	uint32_t layout;     /* WEIR_LAYOUT, set by WEIR_OPTIONS() */
	const char *machine; /* as for weir_machine_create(); NULL: this machine */
	uint32_t workers;    /* 0: one for each core that this process may use; at most 4096. Dealt to the nodes in
				  * proportion to their cores, at least one to each node with cores while they last */
	bool no_pinning;     /* leave the threads where the kernel puts them */
	bool resource_aware; /* demands are admitted; without it they are only carried along */
	const weir_limits *limits;
	const weir_strategy *strategy; /* NULL: WEIR_FIRST_FIT */
	uint32_t admission;	       /* rules, WEIR_ADMIT_..., added up */
	uint32_t tasks_max;	       /* submitted and not yet done; 0: 4,194,304; at most 16,777,215 */
	uint32_t waiting_max;	       /* of these, in the waiting room; 0: 1,048,576; at most 16,777,215 */
	uint32_t forks_max;   /* forked and not yet joined, per worker, 2 to 1,048,575; 0: 65,536; more run inline */
	uint32_t spares_max;  /* threads that stand in for blocked tasks; 0: 256; at most 65,536 */
	uint64_t stack_bytes; /* of each worker; 0: 8 MiB; 64 KiB to 1 TiB */
	uint64_t spin_ns;     /* with WEIR_IDLE_HYBRID, how long an idle worker looks for work before it sleeps, and who waits
			       * for a group before he does; 0: 20 us; at most 1 s */
	uint64_t monitoring_interval_ns;    /* 0: 100 ms; at least 1 ms. Only a resource-aware pool has a monitor */
	const weir_monitor_source *monitor; /* NULL: the host's own files. Copied */
	weir_clock
		clock; /* of admission; a resource-aware pool looks at a virtual one every 1 to 16 ms while something is due:
			   * weir_admission_tick(weir_pool_admission(pool)) does it at once */
	bool no_environment; /* do not read WEIR_* variables */
	/* What else admission can be told, floors and breakers and levels among it; NULL: the defaults. Copied. Its strategy, rule,
	 * waiting_max and clock count where the fields of these names are left at zero here. */
	const weir_admission_options *admission_options;
	weir_idle idle; /* 0: WEIR_IDLE_HYBRID */
	uint32_t lanes_max; /* threads outside tasks that submit by a queue of their own (weir_submit()), 1 to 1,024; 0: 256; more share
			     * one. A pool with tasks_max below 1,024 has none */
	bool no_guests;	    /* a thread outside that waits (weir_group_wait(), weir_pool_run(), loops, WEIR_RUN) runs no tasks: only
			     * threads of the pool do. Else it works meanwhile as one of the workers, if that sleeps: the one pinned to
			     * its processor, or any of the node where none is; and if three quarters of stack_bytes are left of its
			     * own stack */
	bool always_wake;   /* a plain task from outside wakes a worker at once, if all sleep. Else it may not, where its thread has a
			     * habit of waiting for one task at a time and running it itself (16 times in a row): then, if it computes, or
			     * sleeps otherwise, instead, a thread that looks for such tasks every 2 ms wakes the worker, 2 to 4 ms later,
			     * whatever keeps the submitter's processor. Where the only worker that sleeps is bound to that, it waits for its
			     * turn there as well (seen: up to 8 ms in all), and for a thread of real time (sched(7)) that keeps it as long
			     * as that does, as always. After 20 ms without such a task who looks rests: a thread that submits less often
			     * always wakes a worker */
} weir_options;

#define WEIR_OPTIONS(...) WEIR_LITERAL_(weir_options, .size = sizeof(weir_options), .layout = WEIR_LAYOUT, __VA_ARGS__)

/* Create a pool and start its workers. Threads are named weir/<node>.<worker>.
 * options: copied; NULL: all defaults. Environment variables (docs/api.md) fill in what options leave at zero; an
 *          unknown WEIR_* variable is warned of in the log.
 * Owns:    *out until weir_pool_destroy().
 * Errors:  WEIR_EINVAL (weir_error_text() names the option, its value and what would do), WEIR_EVERSION, WEIR_ENOMEM,
 *          WEIR_ESYSTEM, WEIR_EDEADLK from inside a task; *out is then NULL.
 * fork():  the threads stay with the parent. A child may exec, _exit, or make pools of its own if nothing ran in the parent's and no
 *          other thread was in a call. What its parent made it leaves alone: to make a group there, to submit, to wait for what is
 *          not done, to shut down, drain or destroy it is WEIR_EINVAL.
 * Thread:  any, but never from inside a task. */
WEIR_API WEIR_MUST_USE weir_status weir_pool_create(weir_pool **out, const weir_options *options);

/* Run all that was submitted to its end, then stop the workers and free the pool. NULL: nothing happens.
 * Errors:  WEIR_EDEADLK from inside a task. No other call on the pool, its parts or its groups may be under way or
 *          follow. */
WEIR_API weir_status weir_pool_destroy(weir_pool *pool);

/* Wait until no task is submitted, waiting or running; new ones may come meanwhile and are waited for too.
 * Errors:  WEIR_EDEADLK from inside a task of this pool. */
WEIR_API weir_status weir_pool_drain(weir_pool *pool);

typedef enum weir_shutdown { WEIR_SHUTDOWN_DRAIN = 0, WEIR_SHUTDOWN_CANCEL = 1 } weir_shutdown;

/* Take no more tasks from outside (WEIR_ESHUTDOWN), and drain; with CANCEL, what has not started ends as cancelled
 * (groups see WEIR_ECANCELED). What runs may still submit while draining, not when cancelling. Reservations that are held go
 * back at once, and no more are made: tasks that are still to run may need their room. May be called again.
 * Errors:  WEIR_EDEADLK from inside a task of this pool. */
WEIR_API weir_status weir_pool_shutdown(weir_pool *pool, weir_shutdown how);

WEIR_API uint32_t weir_pool_workers(const weir_pool *pool);
WEIR_API const weir_machine *weir_pool_machine(const weir_pool *pool);

/* The parts of a resource-aware pool, borrowed for its life: never destroy them. NULL for a plain one. */
WEIR_API weir_tracker *weir_pool_tracker(weir_pool *pool);
WEIR_API weir_admission *weir_pool_admission(weir_pool *pool);
WEIR_API weir_scheduler *weir_pool_scheduler(weir_pool *pool);
WEIR_API weir_monitor *weir_pool_monitor(weir_pool *pool);

/* As weir_admission_set_strategy(). Errors: WEIR_EINVAL on a plain pool. */
WEIR_API weir_status weir_pool_set_strategy(weir_pool *pool, const weir_strategy *strategy);

/* As weir_tracker_set_limits(). What free blocks keep in room that is there no more goes back to the kernel. Tasks that
 * wait for more than there now is at all end with WEIR_EINFEASIBLE. Errors: also WEIR_EINVAL on a plain pool. */
WEIR_API weir_status weir_pool_set_limits(weir_pool *pool, const weir_limits *limits);

typedef struct weir_pool_counts {
	size_t size; /* sizeof(weir_pool_counts): set it before the call */
	uint64_t submitted;
	uint64_t completed;   /* ran and returned WEIR_OK */
	uint64_t failed;      /* ran and returned something else */
	uint64_t cancelled;   /* never ran */
	uint64_t refused;     /* submit answered an error: not counted in submitted */
	uint64_t stolen_near; /* taken from a worker of the same node */
	uint64_t stolen_far;
	uint64_t forked_shared; /* forked children that were made visible to thieves */
	uint64_t forked_stolen;
	uint64_t parked;
	uint64_t spares;   /* threads that stand or stood in for blocked tasks */
	uint64_t ran_home; /* tasks with a home or near that ran there */
	uint64_t ran_away;
	uint64_t lent; /* how often a thread outside that waited worked in the place of a worker that slept (options.no_guests) */
} weir_pool_counts;

/* At rest, submitted == completed + failed + cancelled. Errors: WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_pool_counts_get(weir_pool *pool, weir_pool_counts *out);

WEIR_END_DECLS

#endif
