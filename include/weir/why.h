/* SPDX-License-Identifier: MIT */
/*
 * why.h - why something waits: what is short and by how much, who holds it, how long it may take, what release would do.
 */
#ifndef WEIR_WHY_H
#define WEIR_WHY_H

#include <weir/task.h>

WEIR_BEGIN_DECLS

#define WEIR_WHY_HOLDERS 8

/* A live grant that holds something of what is short. */
typedef struct weir_why_holder {
	weir_grant grant;
	weir_amount held;
	char id[WEIR_ID_MAX + 1]; /* "" for a grant without a name */
} weir_why_holder;

typedef struct weir_why {
	size_t size;
	bool held_back; /* it does not ask for room yet: the groups before its own are not done; only waited_ns is 0 then */
	weir_class task_class;
	uint64_t waited_ns;
	uint64_t ahead; /* demands that wait and are served before it */
	uint32_t node;	/* where its room comes soonest, of the nodes that it permits */
	uint64_t
		eta_ns; /* until then, by what was released of late, at most 1 s; UINT64_MAX: not known; 0: nothing is short */
	uint32_t short_resources; /* bit r: weir_resource r is short there */
	bool short_total;	  /* a total is short, too or alone */
	char short_name[32];	  /* the first counted resource of these; "": none */
	weir_amount missing;	  /* by how much */
	uint32_t holders_in_all;  /* live grants that hold something of it */
	uint32_t holders;	  /* of holder[]: the largest ones, the largest first */
	uint32_t
		enough; /* so many, from the first on, would make the room together if nobody else took it; 0: more than are listed */
	weir_why_holder holder[WEIR_WHY_HOLDERS];
} weir_why;

/* Why a task, or a demand, waits: by decision.ticket. A look while everything goes on: what is said of one resource is true of
 * an instant in the call, all of it together only at rest. It walks over all grants and all that could wait, so it is for
 * people, and for programs that ask seldom.
 * Errors:  WEIR_ESTALE (it does not wait: started, cancelled or given up), WEIR_EINVAL. Thread: any; never blocks. */
WEIR_API weir_status weir_why_pending(weir_pool *pool, uint64_t ticket, weir_why *out);
WEIR_API weir_status weir_admission_why_pending(weir_admission *admission, uint64_t ticket, weir_why *out);

/* In words: "waits for 1.2 ms: CPU is short by 2 on node 0; ...". Returns the length, as snprintf(). Thread: any. */
WEIR_API size_t weir_why_text(const weir_why *why, char *text, size_t size);

WEIR_END_DECLS

#endif
