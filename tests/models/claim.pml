/* SPDX-License-Identifier: MIT */
/*
 * claim.pml - room that is kept for one that was passed by, as runtime/claim.c, runtime/kept.c and runtime/leave.c have it.
 *
 * Modelled:  a word (spare, SEQ, CLAIM) with a vector beside it; takers that take and give back one unit for ever, some of which
 *            end before the shadow time if they start early enough; the holder of the token; one that needs two units, is passed
 *            by, claims, starts, gives up, or can never fit any more.
 * Steps:     a taker loads the word, then the vector and the shadow time, then exchanges the word. The holder stores the vector,
 *            then changes the word.
 *
 * Properties: O1 whoever takes of what is kept may: it ends before the shadow time (an assertion).
 *            Live: under weak fairness the claimant starts, or leaves, and then nothing is kept any more (ltl, run.sh says -a -f).
 * Variants:  VAR=0 is the code; see run.sh for the others.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif

#define TAKERS 2
#define NEED 2
#define QUICK(i) (i == 0) /* says a run time that ends before the shadow, if it starts early enough */

#define WAITING 0
#define STARTED 1
#define DONE 2
#define GONE 3

#if SCENE == 2 /* one unit is held for ever: the claimant gives up */
byte spare = 1;
#else
byte spare = NEED;
#endif
byte seq; /* modulo 4, as in the word */
bool CLAIM;
byte kept;
bool late_for_shadow; /* who starts now does not end before it */
byte state = WAITING;
bool passed;   /* often enough */
bool open;     /* somebody kicked */
bool lowered;  /* the limit: the claimant needs more than there is */
bool sweep;    /* its note */
bool time_over;

inline claim_is_dropped()
{
	d_step { kept = 0 };
	d_step { CLAIM = 0; seq = (seq + 1) % 4 }
}

proctype taker(byte me)
{
	byte s, q, k;
	bool c, lend, got;
	do
	:: d_step { s = spare; q = seq; c = CLAIM };
		d_step {
			k = (c -> kept : 0);
#if VAR == 2
			lend = c && QUICK(me)
#else
			lend = c && QUICK(me) && !late_for_shadow
#endif
		};
		d_step {
			if
#if VAR == 1
			:: spare == s && s >= 1 && (s - 1 >= k || lend) ->
#else
			:: spare == s && seq == q && s >= 1 && (s - 1 >= k || lend) ->
#endif
				spare--;
				got = 1;
				assert(!CLAIM || lend || spare >= kept);
				passed = passed || state == WAITING
			:: else -> got = 0
			fi;
			s = 0;
			q = 0;
			k = 0;
			c = 0
		};
		if
		:: d_step { got -> spare++; open = 1; got = 0; lend = 0 }
		:: d_step { !got -> lend = 0 }
		fi
	od
}

/* The holder of the token; a note left while it looks is `open` again. */
proctype door()
{
	bool is_new, feasible;
	do
	:: d_step { open -> open = 0 };
		/* leave_and_fetch() */
		d_step { feasible = !(sweep && lowered); sweep = 0 };
		if
		:: state == WAITING && (time_over || !feasible) ->
#if VAR != 5
			if
			:: CLAIM -> claim_is_dropped()
			:: else
			fi;
#endif
			state = GONE
		:: else
		fi;
		/* The claimant's turn, then claim_update(). */
		if
		:: d_step { state == WAITING && spare >= NEED -> spare = spare - NEED; state = STARTED };
			if
			:: CLAIM -> claim_is_dropped()
			:: else
			fi
		:: state == WAITING && spare < NEED && passed && !CLAIM ->
			d_step { kept = NEED };
			d_step { CLAIM = 1; seq = (seq + 1) % 4; late_for_shadow = 0 }
		:: state == WAITING && spare < NEED && CLAIM ->
#if VAR == 3
			late_for_shadow = 0
#else
			skip
#endif
		:: state == WAITING && spare < NEED && !passed && !CLAIM -> skip
		:: state != WAITING -> skip
		fi
	od
}

proctype claimant()
{
	d_step { state == STARTED -> state = DONE; spare = spare + NEED; open = 1 }
}

/* Time passes: the shadow comes near, and the claimant's time is over. */
proctype clock()
{
	do
	:: d_step { CLAIM && !late_for_shadow -> late_for_shadow = 1 }
#if SCENE == 2
	:: d_step { !time_over -> time_over = 1; open = 1 }
#endif
	od
}

#if SCENE == 1
/* Limits come down: a unit goes, and who waits is looked at. */
proctype limiter()
{
	d_step { spare >= 1 && state == WAITING -> spare--; lowered = 1 };
#if VAR != 4
	sweep = 1;
#endif
	open = 1
}
#endif

init
{
	atomic {
		byte i = 0;
		do
		:: i < TAKERS -> run taker(i); i++
		:: else -> break
		od;
		run door();
		run claimant();
#if SCENE == 1
		run limiter();
#endif
		run clock();
		open = 1
	}
}

#if SCENE == 1
ltl live { <> (state >= DONE || (state == GONE)) && <> [] !CLAIM }
#elif SCENE == 2
ltl live { <> (state == GONE) && <> [] !CLAIM }
#else
ltl live { <> (state == DONE) && <> [] !CLAIM }
#endif
