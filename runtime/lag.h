/* SPDX-License-Identifier: MIT */
/*
 * lag.h - a worker that has caught up with a producer which pushes on and on looks at its lane less often.
 *
 * Holds:     one worker's numbers.
 * Invariant: none; how often to look is a question of time alone.
 * Progress:  wait-free. At most LAG_MAX looks in a row are left out, for at most LAG_NS_MAX or so.
 * Together:  nothing; the worker's own.
 * Not here:  whether the producer pushes on and on (intake.h), looking (route.c).
 *
 * Each look takes the line with the lane's end from the producer, which waits for it again at its next push: so the two go at the pace of
 * a cache line's way, where they are far from each other a tenth of their own. Whoever looks after a while finds more for the same
 * way. That is tried now and then, and goes on, for longer each time, as long as it finds a call for each two looks.
 * Caught up is who took all that it saw. Where a find has left calls behind, in this lane or another, the next has them for nothing, and
 * somebody may wait for them: then no look is left out.
 */
#ifndef WEIR_RUNTIME_LAG_H
#define WEIR_RUNTIME_LAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/base.h>

enum {
	LAG_MAX = 256,	/* looks in a row */
	LAG_FEW = 256,	/* calls: who finds less has caught up, if it took them all */
	LAG_TRIAL = 2,	/* looks */
	LAG_TRIES = 32, /* finds of few from one trial to the next */
};
#define LAG_NS_MAX (10 * WEIR_NS_PER_US)

struct lag {
	uint32_t looks;	    /* to be left out after each find of few */
	uint32_t left;	    /* of these, now */
	uint32_t skipped;   /* looks in which a lane was left out, since the last find */
	uint32_t waits;	    /* finds of few until the next trial */
	bool idle;	    /* in the look under way no lane was left out */
	const void *behind; /* the last lane in which a find left something; NULL: none, or it is gone */
};

/* A look begins. Are lanes to be left out in it? */
static inline bool lag_skips(struct lag *lag)
{
	if (!lag->left)
		return false;
	lag->left--;
	lag->idle = true;
	return true;
}

/* One was. */
static inline void lag_skipped(struct lag *lag)
{
	lag->skipped += lag->idle;
	lag->idle = false;
}

/* Nothing was there, and no lane was left out. */
static inline void lag_nothing(struct lag *lag)
{
	lag->behind = NULL;
}

/* It has lasted long enough: the next look is not left out. */
static inline void lag_end(struct lag *lag)
{
	lag->left = 0;
}

/* So many calls lay in a lane, and so many were taken. */
static inline void lag_found(struct lag *lag, const void *lane, uint32_t calls, uint32_t taken)
{
	bool few = calls < LAG_FEW;
	if (lag->skipped && (calls < 2 || calls < lag->skipped / 2)) {
		/* Of no use: who pushes waits for what it has pushed, or is slower than a line's way anyhow. */
		lag->looks = 0;
		lag->waits = LAG_TRIES;
	} else if (lag->skipped && few) {
		lag->looks = lag->looks * 2 < LAG_MAX ? lag->looks * 2 : LAG_MAX;
	} else if (calls >= 2 * LAG_FEW) {
		lag->looks /= 2;
	} else if (few && lag->waits) {
		lag->waits--;
	} else if (few && !lag->looks) {
		lag->looks = LAG_TRIAL;
	}
	if (taken < calls)
		lag->behind = lane;
	else if (lag->behind == lane)
		lag->behind = NULL;
	lag->left = few && !lag->behind ? lag->looks : 0;
	lag->skipped = 0;
}

#endif
