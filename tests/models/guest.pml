/* SPDX-License-Identifier: MIT */
/*
 * guest.pml - a worker that sleeps lends its seat to a thread outside, as runtime/seat.h has it.
 *
 * Modelled:  WORKERS workers that take work and sleep; GUESTS threads that each borrow a seat, LOANS times, and may take a piece of
 *            work meanwhile, or leave one; PUSHES pushes, each of one piece and a look at the idle. Work is one number: where it lies
 *            does not matter here. Wakes are tickets, as in runtime/park.h; at any time a thread may be woken for nothing.
 * Steps:     every access to shared memory is a step of its own; all of them are sequentially consistent.
 *
 * Properties: W9 no two threads are the same worker (assert in sit()).
 *             W10 by what it is for: when nothing moves any more, no work lies (assert in last()).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* one worker, two guests: a seat goes from hand to hand */
#define WORKERS 1
#define GUESTS 2
#define LOANS 1
#define PUSHES 1
#define STRAY 1
#elif SCENE == 1 /* one guest that comes again */
#define WORKERS 1
#define GUESTS 1
#define LOANS 2
#define PUSHES 2
#define STRAY 1
#else /* two workers: who borrows the one that was called hands the call on */
#define WORKERS 2
#define GUESTS 1
#define LOANS 1
#define PUSHES 1
#define STRAY 0
#endif

#define ASLEEP 0
#define AWAKE 1
#define LENT 2
#define MISSED 3

byte seat[WORKERS] = AWAKE;
bool idle[WORKERS];  /* announced */
byte count[WORKERS]; /* wakes */
bool lends[WORKERS]; /* changes as it is lent */
byte inside[WORKERS];
byte work;
byte stray = STRAY;
bool held; /* a guest is at something that does not end before others have run all work */

inline sit(w)
{
	inside[w]++;
	assert(inside[w] == 1)
}

inline stand(w)
{
	inside[w]--
}

/* C of the argument in park.h: pick one that sleeps, and wake it. Picking and waking are two steps. */
inline wake_one(picked)
{
	picked = WORKERS;
	if
	:: d_step { idle[0] -> idle[0] = 0; picked = 0 }
#if WORKERS > 1
	:: d_step { !idle[0] && idle[1] -> idle[1] = 0; picked = 1 }
	:: d_step { !idle[0] && !idle[1] -> skip }
#else
	:: d_step { !idle[0] -> skip }
#endif
	fi;
	if
	:: d_step { picked < WORKERS -> count[picked]++; picked = 0 }
	:: else -> picked = 0
	fi
}

proctype worker(byte w)
{
	byte ticket, s, picked;
	bool mine, has;
	sit(w);
	do
	:: work > 0 ->
		/* take one, and wake the next if there is more */
		if
		:: d_step { work > 0 -> work-- }
			if
			:: work > 0 -> wake_one(picked)
			:: else
			fi
		:: else
		fi
	:: work == 0 ->
		/* seat_sleep() */
		ticket = count[w];
		mine = lends[w];
#if VAR == 1
		d_step { seat[w] = ASLEEP; stand(w) };
		idle[w] = 1;
#else
		idle[w] = 1;
		d_step { seat[w] = ASLEEP; stand(w) };
#endif
		if
		:: work > 0
		:: else ->
end_sleep:		count[w] != ticket
		fi;
		/* seat_wake() */
		do
		:: ticket = count[w];
			s = seat[w];
#if VAR == 2
			has = (lends[w] != mine);
#else
			if
			:: lends[w] != mine -> has = idle[w]
			:: else -> has = 0
			fi;
#endif
			if
			:: s == ASLEEP && !has ->
				if
				:: d_step { seat[w] == ASLEEP -> seat[w] = AWAKE; sit(w) }
					break
				:: seat[w] != ASLEEP
				fi
			:: s == LENT ->
#if VAR == 3
				d_step { mine = lends[w]; has = 0; s = 0 };
end_lent:			count[w] != ticket
#else
				if
				:: d_step { seat[w] == LENT -> seat[w] = MISSED }
					d_step { mine = lends[w]; has = 0; s = 0 };
end_lent:				count[w] != ticket
				:: seat[w] != LENT
				fi
#endif
			:: s == MISSED || (s == ASLEEP && has) ->
				d_step { mine = lends[w]; has = 0; s = 0 };
end_on:				count[w] != ticket
			fi
		od;
		atomic { idle[w] = 0; s = 0; has = 0; ticket = 0; mine = 0 }
	od
}

proctype guest()
{
	byte w, loans, picked;
	bool called;
	do
	:: loans < LOANS ->
		loans++;
		if
		:: w = 0
#if WORKERS > 1
		:: w = 1
#endif
		fi;
		/* seat_borrow() */
		if
#if VAR == 4
		:: d_step { seat[w] == ASLEEP || seat[w] == LENT -> seat[w] = LENT; sit(w) }
#else
		:: d_step { seat[w] == ASLEEP -> seat[w] = LENT; sit(w) }
#endif
			lends[w] = !lends[w];
#if VAR == 5
			called = !idle[w];
#else
			d_step { called = !idle[w]; idle[w] = 0 };
#endif
			/* begin() */
			if
#if VAR == 6
			:: 0
#else
			:: called && work > 0 -> wake_one(picked)
#endif
			:: else
			fi;
			/* It works: at a piece of what is there, at one that it leaves behind, or at its own; where there are other workers,
			 * its own may not end before theirs. */
			if
			:: d_step { work > 0 -> work-- }
			:: work < 3 -> work++; wake_one(picked)
			:: skip
#if WORKERS > 1
			:: held = 1; work == 0; held = 0
#endif
			fi;
			/* seat_give_back() */
			if
#if VAR == 7
			:: called -> d_step { seat[w] = ASLEEP; stand(w) }
			:: !called ->
#elif VAR == 8
			:: d_step { seat[w] == LENT -> seat[w] = ASLEEP; stand(w) }
			:: d_step { seat[w] == MISSED -> skip }
#else
			:: d_step { called && seat[w] == LENT -> seat[w] = ASLEEP; stand(w) }
			:: d_step { !(called && seat[w] == LENT) -> skip }
#endif
				idle[w] = 1;
				d_step { seat[w] = ASLEEP; stand(w) };
				if
#if VAR == 9
				:: 0
#elif VAR == 10
				:: work > 0 -> idle[w] = 0; count[w]++
#else
				:: !idle[w] -> count[w]++ /* picked too early: its thread may have come round */
				:: idle[w] ->
					if
					:: work > 0 -> idle[w] = 0; count[w]++
					:: else
					fi
#endif
				:: else
				fi
			fi
		:: seat[w] != ASLEEP
		fi;
		atomic { called = 0; w = 0 }
	:: loans == LOANS -> break
	od
}

proctype pusher()
{
	byte picked;
	work++;
	wake_one(picked)
}

/* A join that is done, or a child that is public: a wake for who sat there before. */
active proctype strays()
{
	do
	:: d_step { stray > 0 -> stray--; count[0]++ }
	:: stray == 0 -> break
	od
}

active proctype last()
{
	timeout -> assert(work == 0 && !held)
}

init {
	atomic {
		byte i = 0;
		do
		:: i < WORKERS -> run worker(i); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < GUESTS -> run guest(); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < PUSHES -> run pusher(); i++
		:: else -> break
		od
	}
}
