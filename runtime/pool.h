/* SPDX-License-Identifier: MIT */
/*
 * pool.h - what the workers of a pool share, and what each has of its own.
 */
#ifndef WEIR_RUNTIME_POOL_H
#define WEIR_RUNTIME_POOL_H

#include <pthread.h>
#include <signal.h>

#include <weir/pool.h>

#include "private/error.h"
#include "private/tally.h"
#include "runtime/admission.h"
#include "runtime/deque.h"
#include "runtime/forks.h"
#include "runtime/group.h"
#include "runtime/handful.h"
#include "runtime/inbox.h"
#include "runtime/lag.h"
#include "runtime/park.h"
#include "runtime/task.h"

/* A task's demand, and what became of it. On a plain pool only cores and nodes mean something. In a long queue all of it is
 * cold: from grant to end a task that does nothing but run touches the first line, and that of the waiter. The task itself is
 * waiter.whose. */
struct task_need {
	struct slot_link slot;
	uint32_t index;
	_Atomic(uint32_t) cores;	 /* rounded up; of a grant, once it is there */
	uint32_t home_memory_node;	 /* without a grant */
	bool asks : 1;			 /* for a grant: not on a plain pool, and not if it asks for no amount */
	bool draws : 1;			 /* demand.memory_drawn */
	bool undrawn : 1;		 /* memory_left_bytes are counted in pool->undrawn */
	_Atomic(uint8_t) resizing;	 /* somebody shrinks or grows it */
	_Atomic(uint8_t) memory_refused; /* the host had none */
	_Atomic(uint64_t) memory_bytes;	 /* what weir_task_alloc() may give out in all */
	_Atomic(uint64_t) memory_left_bytes;
	/* For who looks for the largest over-user (inside.c). */
	_Atomic(uint64_t) shown_grant;	  /* 0: it uses nothing that is known */
	_Atomic(uint64_t) used_bytes;	  /* weir_task_alloc() */
	_Atomic(uint64_t) declared_bytes; /* weir_task_declare() */
	CACHE_ALIGNED struct waiter waiter;
};

_Static_assert(offsetof(struct task_need, waiter) == CACHE_LINE, "what every task touches is one line");
_Static_assert(sizeof(struct task_need) == 8 * CACHE_LINE, "it fills its slot");

/* It holds a grant: waiter.grant. For who runs the task, or ends it. */
static inline bool need_is_granted(const struct task_need *need)
{
	return need->waiter.grant.handle != 0;
}

static inline weir_task *need_task(struct task_need *need)
{
	return at_load(&need->waiter.whose, relaxed, none);
}

/* Two lanes for each class, in the order of service: for tasks that may run anywhere, for tasks that are bound to the
 * node. Those before LANE_NORMAL are taken before a worker's own deque. */
enum { LANE_FREE = 0, LANE_BOUND = 1, LANE_NORMAL = 2 * SERVICE_NORMAL, LANES = 2 * WEIR_CLASSES };

struct bell;
struct guests;
struct intake;
struct producers;
struct worker;

/* A node's queues, and its workers at rest. */
struct node_queues {
	struct inbox lane[LANES];
	struct idlers idle;		  /* awake but without work: woken by a push */
	struct idlers resting;		  /* standing by: woken when a task blocks */
	_Atomic(struct worker *) *member; /* by the numbers in these sets; NULL: not filled in yet */
	_Atomic(uint32_t) members;
	uint32_t seats;			  /* as dealt: the members below it are pinned to the node's cores in turn */
	_Atomic(struct intake *) *intake; /* of producers that are near; NULL: not filled in yet */
	_Atomic(uint32_t) intakes;
	_Atomic(uint32_t) surplus; /* workers too many, as blocked tasks came back: the next at a boundary rests */
	uint32_t spinners_max;
	CACHE_ALIGNED _Atomic(uint32_t)
		spinning; /* workers that look on and on: who pushes need not wake anybody then */
};

/* A forked child of another worker that runs here, inside of another perhaps. */
struct stolen {
	weir_fork_slot *slot;
	struct worker *victim; /* waits for it, or will */
	const weir_task *root;
	struct stolen *outer;
};

/* What a worker has not told its group yet (pending.c). Only the worker writes it. */
struct untold {
	_Atomic(weir_group *) group; /* NULL: nothing */
	_Atomic(uint32_t) ended;
	_Atomic(uint32_t) granted;
	_Atomic(uint32_t) telling; /* odd: granted is being moved to the group */
};

/* What a worker runs, innermost first: a task, or a forked child of one. */
struct worker {
	struct forks forks; /* first: a weir_worker * is a struct worker * */
	struct deque deque;
	struct handful handful;
	CACHE_ALIGNED weir_task own; /* what a call is while it runs: it has no slot */
	CACHE_ALIGNED struct park park;
	weir_pool *pool;
	_Atomic(weir_task *) root; /* the task that runs here, or whose forked child does; NULL: none */
	weir_fork_slot *task_head; /* where the running task's forks begin */
	struct stolen *stolen;	   /* the innermost; NULL: none */
	uint32_t number;	   /* in the pool */
	uint32_t node;
	uint32_t core; /* of its node; PIN_ALL_CORES: a stand-in */
	uint32_t member;
	uint32_t grants;	   /* of the tasks on this stack, forked children's roots included */
	uint32_t blocked;	   /* depth of blocking sections */
	struct wait_edge *waiting; /* the innermost group that the tasks on this stack wait for; NULL: none */
	bool stood_in;		   /* somebody works in our stead */
	_Atomic(uint32_t) seat;	   /* enum seat: whether it sleeps, and whose it is (seat.h) */
	_Atomic(uint32_t) lends;   /* how often it was lent; only who sits in it writes it */
	uint32_t intake_turn;	   /* where its next look at the intakes begins */
	struct lag lag;
	struct worker *watched; /* whose hand did not move, */
	uint64_t watched_next;	/* from here on, */
	uint32_t watched_looks; /* so often */
	uint32_t takes;		/* how often it looked for work; see FAIR_TAKES */
	uint64_t random;
	struct untold untold;
	struct hand *hand;  /* what admission has for this thread (chain.h); NULL: it never ended a grant */
	uint64_t look_ns;   /* how long it will look for work before it sleeps */
	uint32_t vain;	    /* how often in a row it neither found something nor slept */
	uint64_t search_ns; /* how long it will sleep as the searcher; 0: it worked since it last did */
	pthread_t thread;
};

enum pool_counter {
	POOL_SUBMITTED,
	POOL_COMPLETED,
	POOL_FAILED,
	POOL_CANCELLED,
	POOL_REFUSED,
	POOL_STOLEN_NEAR,
	POOL_STOLEN_FAR,
	POOL_FORKED_SHARED,
	POOL_FORKED_STOLEN,
	POOL_PARKED,
	POOL_RAN_HOME,
	POOL_RAN_AWAY,
	POOL_LENT,
	POOL_COUNTERS
};

enum pool_closed { POOL_OPEN, POOL_DRAINS /* no more tasks from outside */, POOL_CANCELS /* no more tasks */ };

struct weir_pool {
	/* Constant while the pool runs. */
	weir_machine *machine; /* owned by the tracker in a resource-aware pool */
	bool aware;
	bool pinned;
	bool asymmetric; /* there is membarrier: who looks seldom pays for the barriers of those who write often */
	uint32_t nodes;
	uint32_t workers;     /* as asked for */
	uint32_t workers_max; /* with stand-ins */
	uint32_t forks_max;
	weir_idle idle;
	uint64_t spin_ns;
	uint64_t stack_bytes;
	uint32_t process; /* whose threads they are */
	sigset_t signals; /* blocked in who made it, and so in all its workers */
	struct slots *tasks;
	struct slots *needs;
	struct slots *groups;
	struct arenas *arenas;
	weir_tracker *tracker;
	weir_admission *admission;
	weir_scheduler *scheduler;
	weir_monitor *monitor;
	struct keeper *keeper;
	struct producers *producers;	  /* NULL: none */
	struct guests *guests;		  /* NULL: threads outside that wait do not work */
	struct bell *bell;		  /* NULL: each plain task from outside wakes a worker that sleeps */
	struct node_queues *queue;	  /* by node; a node without workers has none in use */
	uint32_t *queue_of;		  /* the node whose workers serve a node */
	_Atomic(struct worker *) *worker; /* by number; grows by stand-ins; NULL: not filled in yet */
	struct tally tally;
	struct tally undrawn; /* by node, bytes: granted and not in use: see leftover.c */
	/* Changing. */
	CACHE_ALIGNED _Atomic(uint32_t) worker_count;
	_Atomic(uint32_t) closed;    /* enum pool_closed */
	_Atomic(uint32_t) stopping;  /* workers go home */
	_Atomic(uint32_t) urgent;    /* there was a task before LANE_NORMAL at some time */
	_Atomic(uint32_t) blocked;   /* workers whose task blocks */
	_Atomic(uint32_t) searcher;  /* one worker without work looks now and then for private work to ask for */
	_Atomic(uint32_t) next_node; /* for tasks from outside that do not mind where */
	_Atomic(uint32_t) drainers;
	_Atomic(uint32_t) undrawn_ended; /* how often some of it went back */
	struct park drained;
	pthread_mutex_t waits_lock; /* waits.c */
	uint32_t waits_round;
};

static inline weir_task *pool_task(weir_pool *pool, uint32_t index)
{
	return (weir_task *)slots_base(pool->tasks) + index;
}

/* Of those who are known to be there: whoever is in an idlers' set, or all once nobody is made any more. */
static inline struct worker *queue_member(struct node_queues *queue, uint32_t member)
{
	/* ORDER(member): acquire, pairs with the release in enlist(). */
	return at_load(&queue->member[member], acquire, member);
}

static inline struct worker *pool_worker(weir_pool *pool, uint32_t number)
{
	/* ORDER(member): acquire, pairs with the release in enlist(). */
	return at_load(&pool->worker[number], acquire, member);
}

static inline struct worker *worker_of(struct forks *forks)
{
	return container_of(forks, struct worker, forks);
}

/* The worker that the calling thread is; NULL: none. */
extern _Thread_local struct worker *worker_self __attribute__((tls_model("initial-exec")));

/* No: this is a child of the process whose pool it is, by fork(). */
static inline bool pool_is_here(const weir_pool *pool)
{
	return likely(pool->process == at_load(&process_number, relaxed, none));
}

static inline weir_status pool_elsewhere(void)
{
	return error_set(WEIR_EINVAL,
			 "the pool's threads stayed in the process that forked this one: make another pool, or exec");
}

/* Before the task runs. */
static inline void task_set_memory(struct task_need *need, uint64_t bytes)
{
	at_store(&need->memory_bytes, bytes, relaxed, none);
	at_store(&need->memory_left_bytes, bytes, relaxed, none);
}

/* resize.c: what an elastic task got is what it may use. */
void task_measure(weir_pool *pool, weir_task *task);

/* A grant: the task runs on this node and nowhere else. Without one (the observe rule) it runs where it likes. */
static ALWAYS_INLINE void task_bind(weir_pool *pool, weir_task *task, uint32_t node)
{
	struct task_need *need = task->need;
	if (unlikely(at_load(&pool->admission->gates, relaxed, none) & GATE_ADAPTIVE)) {
		need->waiter.granted_ns = clock_now_ns(&pool->admission->clock);
		need->waiter.is_timed = true;
	}
	if (unlikely(need->waiter.is_elastic))
		task_measure(pool, task);
	uint64_t bytes = at_load(&need->memory_bytes, relaxed, none);
	if (bytes) {
		need->undrawn = true;
		tally_add(&pool->undrawn, pool->machine->memory_near[node], bytes);
	}
	/* A node of memory alone borrows its neighbour's cores. */
	task_set_node(task, pool->machine->cores_near[node]);
	task->flags |= TASK_BOUND;
}

/* Where its memory is. */
static inline uint32_t need_memory_node(const weir_pool *pool, const struct task_need *need)
{
	return need_is_granted(need) ? pool->machine->memory_near[need->waiter.node] : need->home_memory_node;
}

static inline bool task_is_cancelled(const weir_task *task)
{
	return at_load(&task->group->cancelled, relaxed, none) != 0;
}

#endif
