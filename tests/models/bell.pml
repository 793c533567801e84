/* SPDX-License-Identifier: MIT */
/*
 * bell.pml - who has the habit of waiting rings instead of waking a worker, as runtime/bell.h has it.
 *
 * Modelled:  CALLERS callers that each submit SUBMITS times, wake or ring for each, and wait or go on, and may have rounds begun;
 *            who goes the rounds, and may end them at any time; one worker that takes work and sleeps. Of what a caller has
 *            submitted the number counts. Wakes are tickets, as in runtime/park.h. How many rounds something lies before it is
 *            answered for is left open: any number, but for the last round.
 * Steps:     every access to shared memory is a step of its own; all of them are sequentially consistent.
 *
 * Property:  W12 by what it is for: when nothing moves any more, no work lies (assert in last()).
 * Variants:  VAR=0 is the code. Each other one leaves out something that the code claims is needed: see bell.checks.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* one that does everything, again and again */
#define CALLERS 1
#define SUBMITS 4
#else /* two that ring, one of them twice */
#define CALLERS 2
#define SUBMITS (2 - c)
#endif

byte work[CALLERS]; /* shown, and not taken */
bool rung[CALLERS];
bool idle; /* the worker is announced */
byte wakes; /* of the worker */
bool watching;
byte calls; /* wakes of who goes the rounds */

#if CALLERS == 1
#define ANY (work[0] > 0)
#else
#define ANY (work[0] > 0 || work[1] > 0)
#endif

/* C of the argument in park.h. Picking and waking are two steps. */
inline wake_one(picked)
{
	d_step { picked = idle; idle = 0 };
	if
	:: picked -> d_step { wakes++; picked = 0 }
	:: else
	fi
}

inline take(from)
{
	d_step {
		if
		:: work[from] > 0 -> work[from]--
		:: else
		fi
	}
}

inline ring(c, picked)
{
	rung[c] = 1;
#if VAR != 6
	if
	:: watching
	:: !watching ->
		rung[c] = 0;
		wake_one(picked)
	fi
#endif
}

proctype caller(byte c)
{
	byte submits;
	bool picked, covered;
	do
	:: submits < SUBMITS ->
		submits++;
#if VAR == 1
		covered = rung[c];
#endif
#if VAR == 2
		if
		:: ring(c, picked); work[c]++; goto next
		:: skip
		fi;
#endif
		work[c]++;
		if
		:: wake_one(picked)
		:: skip -> /* one alone, or more while nobody sleeps elsewhere */
#if VAR != 1
			covered = rung[c];
#endif
			if
			:: covered
			:: else -> ring(c, picked)
			fi
		:: rung[c] = 0; /* more than one: another is woken for all */
#if VAR != 3
			wake_one(picked)
#endif
		fi;
next:		covered = 0;
		if
		:: skip /* it computes */
		:: /* it waits: it may find a seat, and something of its own */
			if
			:: take(c)
			:: skip
			fi;
			rung[c] = 0;
#if VAR != 4
			if
			:: work[c] > 0 -> wake_one(picked)
			:: else
			fi;
#endif
			if
			:: !watching -> /* it has the habit: let there be rounds */
#if VAR == 8
				watching = 1;
				if
				:: skip
				:: break /* who keeps its processor keeps it for ever */
				fi;
#endif
				calls++
			:: skip
			fi
		fi
	:: submits == SUBMITS -> break
	od
}

inline answer_for(c, picked)
{
#if VAR != 5
	rung[c] = 0;
#endif
	if
	:: work[c] > 0 -> wake_one(picked)
	:: else
	fi;
#if VAR == 5
	rung[c] = 0
#endif
}

inline go_last_round(picked)
{
	if
	:: rung[0] -> answer_for(0, picked)
	:: else
	fi;
#if CALLERS > 1
	if
	:: rung[1] -> answer_for(1, picked)
	:: else
	fi
#endif
}

active proctype watch()
{
	byte ticket;
	bool picked;
	goto end_sleep; /* it is made, or woken: the same */
again:	ticket = calls;
#if VAR != 8
	watching = 1;
#endif
	do
	:: rung[0] -> answer_for(0, picked)
#if CALLERS > 1
	:: rung[1] -> answer_for(1, picked)
#endif
	:: skip -> break
	od;
#if VAR == 7
	go_last_round(picked);
	watching = 0;
#else
	watching = 0;
	go_last_round(picked);
#endif
end_sleep:
	calls != ticket;
	goto again
}

active proctype worker()
{
	byte ticket;
	do
	:: ANY ->
		take(0);
#if CALLERS > 1
		take(1)
#endif
	:: !ANY ->
		ticket = wakes;
		idle = 1;
		if
		:: ANY
		:: else ->
end_sleep:		wakes != ticket
		fi;
		idle = 0
	od
}

active proctype last()
{
	timeout -> assert(!ANY)
}

init {
	atomic {
		run caller(0);
#if CALLERS > 1
		run caller(1)
#endif
	}
}
