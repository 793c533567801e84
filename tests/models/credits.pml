/* SPDX-License-Identifier: MIT */
/*
 * credits.pml - room that a thread keeps at hand, and how it is recalled, as runtime/credits.c and runtime/tracker.c have it.
 *
 * Modelled:  one word of LIMIT units, an owner with a credit of at most QUOTA, whose plain stores (kept, busy) go through a
 *            store buffer; it takes 1 and gives 1 a few times, and puts the mode OFF and arms itself when it likes. Somebody
 *            else asks for all LIMIT units: scene 0 is refused if they are not there, scene 1 waits for them, scene 2 is
 *            refused while a third one recalls, too. The owner's loads come from its buffer first, as on x86; a locked
 *            instruction, and a barrier that others have the kernel put into it, wait until the buffer is empty.
 * Steps:     every access to shared memory is a step of its own.
 *
 * Properties: L5 a refusal is true: at the instant of the load that it stands on, fewer than LIMIT units were spare, in the
 *             credit or on their way from it (assert in judge()).
 *             No lost wake-up: who waits starts (scene 1, in the end).
 *             L2 nothing is lost and nothing twice (in the end).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#define LIMIT 2
#define QUOTA 1
#if SCENE == 2
#define ASKERS 2
#define TIMES 1
#else
#define ASKERS 1
#define TIMES 2
#endif

#define OFF 0
#define RECALLING 1
#define PENDING 2
#define ON 3

byte spare = LIMIT;
bool WAIT;
byte mode = ON, epoch;
byte attention = 1; /* a count of recalls, 0: armed */
byte kept, busy;
byte transit; /* on its way from a credit to the word */
byte held, taken; /* by the owner, by the others */
bool waits;
byte done;

/* The owner's store buffer, and what it reads out of it. */
chan buffer = [6] of { bit, byte };
byte pending, last;
#define KEPT 0
#define BUSY 1

active proctype memory()
{
	bit where;
	byte value;
end:
	do
	:: d_step {
		   buffer?where, value ->
		   if
		   :: where == KEPT -> kept = value; pending--
		   :: else -> busy = value
		   fi;
		   where = 0;
		   value = 0
	   }
	od
}

#define STORE_KEPT(v) d_step { buffer!KEPT, v; pending++; last = v }
#define STORE_BUSY(v) buffer!BUSY, v
#define OWN_KEPT (pending -> last : kept)
#define DRAINED empty(buffer)
/* Even where it found itself disarmed and did nothing: it was busy, and may have been seen so. */
#if VAR == 11
#define LEFT armed
#else
#define LEFT (OWN_KEPT > 0)
#endif

/* A release that sees WAIT looks at who waits. (The door is room.pml's; here it is one step.) */
inline kick()
{
	d_step {
		if
		:: waits && spare == LIMIT -> spare = 0; taken = taken + LIMIT; waits = 0; WAIT = 0
		:: else
		fi
	}
}

/* locked: for the owner, the buffer is empty before it */
inline give(me, n)
{
	d_step { !me || DRAINED -> spare = spare + n; saw = WAIT };
	if
	:: saw -> saw = 0; kick()
	:: else
	fi
}

/* What the credit holds, to the word. */
inline empty_out(me)
{
	d_step { !me || DRAINED -> u = kept; kept = 0; transit = transit + u };
	if
	:: u -> d_step { !me || DRAINED -> spare = spare + u; transit = transit - u; saw = WAIT; u = 0 };
		if
		:: saw -> saw = 0; kick()
		:: else
		fi
	:: else
	fi
}

inline recall(me)
{
	d_step {
		!me || DRAINED ->
		was = mode;
		if
		:: was == OFF || was == PENDING -> mode = RECALLING
		:: else
		fi
	};
	if
	:: was == OFF || was == PENDING ->
		if
		:: was == OFF ->
			d_step { attention = (attention == 3 -> 1 : attention + 1) };
#if VAR != 1
			DRAINED
#endif
		:: else
		fi;
		seen = (busy != 0);
		if
#if VAR == 2
		:: true ->
#else
		:: !seen ->
#endif
			empty_out(me);
#if VAR != 6
			seen = (busy != 0)
#endif
		:: else
		fi;
#if VAR == 4
		mode = ON;
#else
		mode = (seen -> PENDING : ON);
#endif
		seen = 0
	:: else
	fi
}

inline flush()
{
#if VAR != 5
	STORE_BUSY(1);
#endif
	empty_out(true);
#if VAR != 5
	STORE_BUSY(0)
#endif
}

proctype owner()
{
	byte i, a, u, was;
	bool ok, saw, seen, armed;
	do
	:: i < TIMES ->
		i++;
		/* Take. */
#if VAR != 2
		STORE_BUSY(1);
#endif
		armed = (attention == 0);
		if
		:: armed && OWN_KEPT >= 1 ->
			STORE_KEPT(OWN_KEPT - 1);
			d_step { ok = 1; held++ }
		:: else
		fi;
#if VAR != 2
		STORE_BUSY(0);
#endif
#if VAR != 3
		if
		:: attention != 0 && LEFT -> flush()
		:: else
		fi;
#endif
		if
		:: !ok ->
			d_step {
				DRAINED ->
				if
				:: spare >= 1 -> spare--; held++; ok = 1
				:: else
				fi
			}
		:: else
		fi;
		/* Give. */
		if
		:: ok ->
			ok = 0;
			/* try_off() and arm(): perhaps */
			if
			:: mode == ON && !WAIT ->
				d_step {
					DRAINED ->
					if
					:: mode == ON -> mode = OFF; epoch++
					:: else
					fi
				};
#if VAR != 8
				if
				:: WAIT -> recall(true)
				:: else
				fi;
#endif
				a = attention;
				if
				:: mode == OFF ->
					d_step {
						DRAINED ->
						if
#if VAR == 7
						:: true -> attention = 0
#else
						:: attention == a -> attention = 0
#endif
						:: else
						fi
					}
				:: else
				fi;
				a = 0;
				was = 0
			:: true
			fi;
#if VAR != 2
			STORE_BUSY(1);
#endif
			armed = (attention == 0);
			if
			:: armed && OWN_KEPT < QUOTA ->
				d_step { buffer!KEPT, OWN_KEPT + 1; last = OWN_KEPT + 1; pending++; held--; ok = 1 }
			:: else
			fi;
#if VAR != 2
			STORE_BUSY(0);
#endif
#if VAR != 3
			if
			:: attention != 0 && LEFT -> flush()
			:: else
			fi;
#endif
			if
			:: !ok -> d_step { DRAINED -> spare = spare + 1; held--; saw = WAIT };
				if
				:: saw -> saw = 0; kick()
				:: else
				fi
			:: else
			fi;
			ok = 0
		:: else
		fi;
		armed = 0
	:: else -> break
	od;
	done++
}

proctype asker()
{
	byte tries, before, epoch_before, u, was;
	bool saw, seen, got, truth;
#if SCENE == 1
	waits = 1;
	WAIT = 1;
#endif
	do
	:: tries < 3 ->
		tries++;
		recall(false);
		d_step { was = 0; before = mode; epoch_before = epoch };
		d_step {
			/* the look, or the exchange */
			truth = (spare + OWN_KEPT + transit < LIMIT);
			if
#if SCENE == 1
			:: spare == LIMIT && waits -> waits = 0; WAIT = 0; spare = 0; taken = taken + LIMIT; got = 1
			:: !waits -> got = 1
#else
			:: spare == LIMIT -> spare = 0; taken = taken + LIMIT; got = 1
#endif
			:: else
			fi
		};
		if
		:: got -> break
		:: else
		fi;
		/* Refused? */
		if
#if VAR == 9
		:: before == ON -> assert(truth); break
#elif VAR == 10
		:: before != RECALLING -> assert(truth); break
#else
		:: before == ON && mode == ON && epoch == epoch_before -> assert(truth); break
#endif
		:: else /* contended: once more */
		fi
	:: else -> break
	od;
	skip;
#if SCENE != 1
	if
	:: got -> d_step { spare = spare + LIMIT; taken = taken - LIMIT }
	:: else
	fi;
#endif
	d_step { got = 0; before = 0; epoch_before = 0; tries = 0; truth = 0; done++ }
}

init
{
	byte one;
	atomic {
		run owner();
		do
		:: one < ASKERS -> run asker(); one++
		:: else -> break
		od
	};
	d_step {
		done == ASKERS + 1 && DRAINED ->
		assert(transit == 0 && held == 0 && busy == 0);
		assert(spare + kept + taken == LIMIT);
#if SCENE == 1
		assert(taken == LIMIT && !WAIT)
#endif
	}
}
