/* SPDX-License-Identifier: MIT */
/*
 * bias.pml - releasing a grant whose slot has an owner, as runtime/book.c ("Bias") has it.
 *
 * Modelled:  one slot, which the owner publishes twice (so that a stale handle of the first use meets the second), and its
 *            own release by plain stores through a store buffer; others that release the same handles; the owner putting its
 *            bias back on between. The owner's loads come from its buffer first, as on x86. A locked instruction, and a
 *            barrier that others have the kernel put into the owner, wait until the buffer is empty.
 * Steps:     every access to shared memory is a step of its own.
 *
 * Properties: B1 each handle is released exactly once: at most one winner (assert in won()), and one at rest.
 *             Nobody is told "stale" of a handle that is live and that nobody is about to release (assert at stale).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* the owner and two others release the first grant; then the owner publishes again */
#define OTHERS 2
#define ROUNDS 2
#else /* three others, one grant */
#define OTHERS 3
#define ROUNDS 1
#endif

#define STATE 0
#define BUSY 1

byte state = 1;	     /* 2 g: the g-th grant is live, 2 g + 1: free */
byte busy;	     /* 1: the owner is at this slot */
byte bias;	     /* how many others are at it */
bool OFF;	     /* a barrier has passed */
byte won[ROUNDS + 1]; /* releases of the g-th grant */
byte deciding[ROUNDS + 1]; /* who is between having seen it live and having decided */
byte handle;	     /* the newest that others know of */
byte done;

/* The owner's store buffer, and what it reads out of it. */
chan buffer = [6] of { bit, byte };
byte pending_state, last_state, pending_busy, last_busy;

active proctype memory()
{
	bit where;
	byte value;
end:
	do
	:: d_step {
		   buffer?where, value ->
		   if
		   :: where == STATE -> state = value; pending_state--
		   :: else -> busy = value; pending_busy--
		   fi;
		   where = 0;
		   value = 0
	   }
	od
}

#define STORE_STATE(v) d_step { buffer!STATE, v; pending_state++; last_state = v }
#define STORE_BUSY(v) d_step { buffer!BUSY, v; pending_busy++; last_busy = v }
#define OWN_STATE (pending_state -> last_state : state)
#define DRAINED empty(buffer)

inline release_own(g)
{
	/* Is it live? (It is ours: others do not publish here.) */
	d_step { live = (OWN_STATE == 2 * g); deciding[g] = deciding[g] + live };
	if
	:: live ->
#if VAR != 2
		STORE_BUSY(1);
#endif
		if
#if VAR == 5
		:: d_step { true -> saw = 0 }
#else
		:: d_step { true -> saw = (bias != 0 || OFF) }
#endif
		fi;
		if
		:: !saw ->
#if VAR == 4
			STORE_BUSY(0);
#endif
			d_step { assert(won[g] == 0); won[g]++; deciding[g] = deciding[g] - 1 };
			STORE_STATE(2 * g + 1)
		:: else ->
#if VAR == 6
			STORE_BUSY(0);
			d_step { deciding[g] = deciding[g] - 1 };
#endif
			/* locked: the buffer is empty before it */
			d_step {
				DRAINED ->
				if
				:: state == 2 * g -> state = 2 * g + 1; assert(won[g] == 0); won[g]++
				:: else
				fi;
#if VAR != 6
				deciding[g] = deciding[g] - 1
#endif
			}
		fi;
#if VAR == 4
		if
		:: saw -> STORE_BUSY(0)
		:: else
		fi;
#elif VAR != 2
		STORE_BUSY(0);
#endif
		saw = 0
	:: else
	fi;
	live = 0
}

proctype owner()
{
	byte g = 1;
	bool live, saw;
	do
	:: g <= ROUNDS ->
		/* Publish. */
		STORE_STATE(2 * g);
		handle = g;
		/* Release it, or leave it to the others. */
		if
		:: release_own(g)
		:: true
		fi;
		/* Get the slot back, from the own cache or by way of the others, if they heard of it in time. */
	end_left:
		OWN_STATE == 2 * g + 1;
		/* Put the bias back on. */
		if
#if VAR == 3
		:: d_step { DRAINED && OFF -> OFF = 0; bias = 0 }
#else
		:: d_step { DRAINED && OFF && bias == 0 -> OFF = 0 }
#endif
		:: true
		fi;
		g++
	:: else -> break
	od;
	done++
}

/* One of the others: releases some handle that it heard of, once. */
proctype other()
{
	byte g;
	bool live, was, at_it;
	/* It may be an old one by the time that it is used. */
	d_step { handle > 0 -> g = handle };
	if
	:: true
	:: g > 1 -> g = g - 1
	fi;
	/* seen live only once the store has come out of the buffer */
	d_step { live = (state == 2 * g); };
	if
	:: live ->
		d_step { bias++; was = OFF };
		if
		:: !was ->
#if VAR != 1
			DRAINED;
#endif
			OFF = 1
		:: else
		fi;
		at_it = (busy == 1);
		if
#if VAR == 7
		:: true ->
#else
		:: !at_it ->
#endif
			d_step {
				if
				:: state == 2 * g -> state = 2 * g + 1; assert(won[g] == 0); won[g]++
				:: else
				fi
			}
		:: else ->
			/* Told "stale": then it is out, or somebody is about to put it out. */
			assert(won[g] > 0 || deciding[g] > 0)
		fi;
#if VAR == 3
		d_step { bias = (bias > 0 -> bias - 1 : 0); at_it = 0; was = 0 }
#else
		d_step { bias--; at_it = 0; was = 0 }
#endif
	:: else
	fi;
	d_step { live = 0; g = 0; done++ }
}

init
{
	byte one;
	atomic {
		run owner();
		do
		:: one < OTHERS -> run other(); one++
		:: else -> break
		od
	};
end_init:
	d_step { done == OTHERS + 1 && DRAINED -> assert(won[ROUNDS] == 1 && bias == 0 && busy == 0) }
}
