/* SPDX-License-Identifier: MIT */
/*
 * virtual_time.c - admission without a pool, on a clock that only this program moves: a simulation of a day takes no time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir/weir.h>

static uint64_t now;

static uint64_t read_clock(void *context)
{
	return *(uint64_t *)context;
}

static void decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)ticket, (void)node;
	*(weir_grant *)context = grant;
	printf("%4" PRIu64 " ms: %s\n", now / WEIR_NS_PER_MS, grant.handle ? "granted" : weir_cause_name(cause));
}

int main(void)
{
	weir_tracker *tracker;
	weir_admission *admission;
	weir_reservation held;
	weir_grant later = {0};
	uint64_t next;
	if (weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1")) ||
	    weir_admission_create(&admission, tracker,
				  WEIR_ADMISSION_OPTIONS(.clock = {.now_ns = read_clock, .context = &now})) ||
	    weir_reserve(admission, WEIR_DEMAND(.cores = 4), 50 * WEIR_NS_PER_MS, &held))
		return puts(weir_error_text()), 1;
	weir_decision first = weir_admission_admit(
		admission, WEIR_DEMAND(.cores = 4, .wait_ns_max = 20 * WEIR_NS_PER_MS), decided, &later);
	weir_decision second = weir_admission_admit(admission, WEIR_DEMAND(.cores = 4), decided, &later);
	if (first.verdict != WEIR_QUEUED || second.verdict != WEIR_QUEUED)
		return puts(weir_error_text()), 1;
	/* Do what is due, then go to the next time at which something is: of admission, or of the simulation itself. While
	 * anything is held or waits, admission has something to do every 100 ms. */
	uint64_t ends = UINT64_MAX;
	while (!weir_admission_tick(admission, &next)) {
		if (later.handle && ends == UINT64_MAX)
			ends = now + 30 * WEIR_NS_PER_MS; /* the second runs for 30 ms */
		if (now >= ends) {
			printf("%4" PRIu64 " ms: ended\n", now / WEIR_NS_PER_MS);
			break;
		}
		now = ends < next ? ends : next;
	}
	return weir_admission_release(admission, later) || weir_admission_destroy(admission) ||
	       weir_tracker_destroy(tracker);
}
