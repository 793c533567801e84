/* SPDX-License-Identifier: MIT */
/*
 * intake.pml - calls in segments that a producer writes and takers take, and segments that come back, as runtime/intake.h has it.
 *
 * Modelled:  one intake of ENTRIES entries, each a call or (RUNS) a run of two, in segments of K; a directory of KEPT
 *            numbers; a store of STORE segments, from which another intake (OTHERS) takes one and
 *            writes to it what it likes.
 *            Takers look, exchange head, and read after it if all that is there are single calls, before it else. In scenes with
 *            STOPS one of them may stop for ever between its exchange and the end of its reading.
 * Steps:     every access to shared memory is a step of its own; all of them are sequentially consistent. Places do not come round.
 *
 * Properties: I4 what a taker has is what was written to the places that it took (assert in check()); each entry is taken once, in
 *             order, and head counts the calls (asserts at the end of the producer).
 *             A segment is given back once (assert in put()), and not before what was taken from it was read. When all was read, all
 *             come back. Who stops keeps one, so that the producer comes to its end with a small store (no invalid end state).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#define K 2
#define P (K + 1) /* places of a segment: the first is its header */
#if SCENE == 0 /* single calls, two takers; the directory comes round */
#define ENTRIES 6
#define KEPT 2
#define STORE 2
#define TAKERS 2
#define RUNS 0
#define OTHERS 0
#define STOPS 0
#elif SCENE == 1 /* runs among single calls */
#define ENTRIES 4
#define KEPT 2
#define STORE 2
#define TAKERS 2
#define RUNS 1
#define OTHERS 0
#define STOPS 0
#elif SCENE == 2 /* one stops half way */
#define ENTRIES 6
#define KEPT 4
#define STORE 2
#define TAKERS 2
#define RUNS 0
#define OTHERS 0
#define STOPS 1
#elif SCENE == 4 /* somebody else gives back as well */
#define ENTRIES 6
#define KEPT 2
#define STORE 2
#define TAKERS 1
#define RUNS 0
#define OTHERS 1
#define STOPS 0
#define COLLECTS 2
#else /* a directory that is full */
#define ENTRIES 6
#define KEPT 2
#define STORE 3
#define TAKERS 2
#define RUNS 0
#define OTHERS 0
#define STOPS 0
#endif

#if STORE == 2
#define FREE whose[0] == NOBODY || whose[1] == NOBODY
#else
#define FREE whose[0] == NOBODY || whose[1] == NOBODY || whose[2] == NOBODY
#endif
#ifndef COLLECTS
#define COLLECTS 0
#endif

#define NOBODY 0
#define INTAKE 1
#define OTHER 2
#define JUNK 99
#define GIVEN 64

/* The intake. */
byte tail, tail_calls; /* one word */
byte head, head_calls; /* one word */
byte directory[KEPT]; /* with number[]: one word */
byte number[KEPT];
byte oldest;
/* The store. */
byte whose[STORE];
byte seen[STORE];	/* calls read, in the header */
byte call[STORE * K];	/* JUNK, or which one */
bool run_of[STORE * K];
/* What nobody looks at but the properties. */
byte written[ENTRIES + ENTRIES / K + 2]; /* by place */
byte taken;
byte calls;
byte noted;
bool stopped;
byte collects = COLLECTS;

#define PLACES_LEFT(p) (P - (p) % P)
#define AT(slot, p) ((slot) * K + (p) % P - 1)

inline put(slot)
{
	assert(whose[slot] == INTAKE);
	whose[slot] = NOBODY
}

#if VAR == 1 /* all of it was taken */
#define IS_READ(number, slot) (head / P > number || head == (number) * P + P)
#else
#define IS_READ(number, slot) (seen[slot] == K)
#endif

/* give_one(): went says whether it is back. */
inline give_one(n)
{
	d_step {
		slot = directory[(n) % KEPT];
#if VAR == 11
		went = (slot >= GIVEN)
#elif VAR == 2
		slot = slot % GIVEN;
		went = (number[(n) % KEPT] != n)
#else
		went = (slot >= GIVEN || number[(n) % KEPT] != n)
#endif
	};
	if
	:: went
	:: else ->
		went = IS_READ(n, slot);
		if
#if VAR == 12
		:: went ->
			directory[(n) % KEPT] = slot + GIVEN;
			d_step { put(slot) }
#elif VAR == 11
		:: d_step { went && directory[(n) % KEPT] == slot -> directory[(n) % KEPT] = slot + GIVEN; put(slot) }
		:: d_step { went && directory[(n) % KEPT] != slot -> skip }
#elif VAR == 2
		:: went -> d_step { put(slot) }
#else
		:: d_step {
			went && directory[(n) % KEPT] == slot && number[(n) % KEPT] == n ->
			directory[(n) % KEPT] = slot + GIVEN;
			put(slot)
		}
		:: d_step { went && !(directory[(n) % KEPT] == slot && number[(n) % KEPT] == n) -> skip }
#endif
		:: !went
		fi
	fi
}

inline give_back()
{
	went = 1;
	do
	:: went && oldest != place / P ->
		give_one(oldest);
		if
		:: went ->
			if
			:: given == oldest -> given++
			:: else
			fi;
			oldest++
		:: else
		fi
	:: else -> break
	od;
#if VAR != 7
	if
	:: given == oldest && oldest != place / P -> given = oldest + 1
	:: else
	fi;
	went = 1;
	do
	:: went && given != place / P ->
		give_one(given);
		if
		:: went -> given++
		:: else
		fi
	:: else -> break
	od;
#endif
	slot = 0;
	went = 0
}

proctype producer()
{
	byte place, pushed, mine, given, slot;
	byte n, before;
	bool went, is_run;
	do
	:: n < ENTRIES ->
		if
		:: place % P == 0 ->
			/* intake_open(), until it goes */
			before = noted;
			give_back();
#if VAR == 9
			went = 1;
#else
			went = (place / P - oldest < KEPT);
#endif
			if
			:: went ->
				went = 0;
				if
				:: d_step { whose[0] == NOBODY -> whose[0] = INTAKE; mine = 0; went = 1 }
				:: d_step { whose[1] == NOBODY -> whose[1] = INTAKE; mine = 1; went = 1 }
#if STORE > 2
				:: d_step { whose[2] == NOBODY -> whose[2] = INTAKE; mine = 2; went = 1 }
#endif
				:: else
				fi
			:: else
			fi;
			if
			:: went ->
				went = 0;
				d_step { directory[(place / P) % KEPT] = mine; number[(place / P) % KEPT] = place / P };
#if VAR != 3
				seen[mine] = 0;
#endif
				place++
			:: else ->
				/* Not before something has changed. */
				noted != before || (oldest < place / P && directory[oldest % KEPT] >= GIVEN) || (place / P - oldest < KEPT && (FREE))
			fi
		:: else ->
#if RUNS
			if
			:: is_run = 1
			:: is_run = 0
			fi;
#endif
			d_step {
				call[AT(mine, place)] = n;
				run_of[AT(mine, place)] = is_run;
				written[place] = n;
				n++;
				place++;
				pushed = pushed + 1 + is_run;
				calls = pushed
			};
			/* It need not show each one by itself. */
			if
#if RUNS
			:: place % P != 0 && n < ENTRIES
#endif
			:: d_step { tail = place; tail_calls = pushed }
			fi
		fi
	:: else -> break
	od;
	noted == ENTRIES && collects == 0;
	assert(head_calls == calls);
	give_back();
	assert(stopped || oldest == place / P);
	skip;
	d_step {
		n = 0;
		slot = 0;
		do
		:: slot < STORE -> n = n + (whose[slot] == INTAKE); slot++
		:: else -> break
		od;
		assert(n <= stopped)
	}
}

inline check(i)
{
	assert(copy[i] == written[first + i])
}

proctype taker(bool stops)
{
	byte h, h_calls, t, t_calls, first, count, slot, i, got;
	byte copy[K];
	bool ok, no_runs, is_run;
	do
	:: taken < ENTRIES && head != tail ->
		/* look() */
#if VAR == 10
		d_step { t = tail; t_calls = tail_calls };
		d_step { h = head; h_calls = head_calls };
#else
		d_step { h = head; h_calls = head_calls };
		d_step { t = tail; t_calls = tail_calls };
#endif
		if
		:: h == t
		:: else ->
			d_step {
				first = h + (h % P == 0);
				count = PLACES_LEFT(first);
				if
				:: t >= first && t - first < count -> count = t - first
				:: else
				fi;
				no_runs = (t > first && t_calls - h_calls == t - first - ((t - 1) / P - first / P));
#if VAR == 5
				no_runs = 1;
#endif
				t = 0;
				t_calls = 0
			};
			if
			:: count > 1 -> count = 1
			:: true
			fi;
			slot = directory[(first / P) % KEPT] % GIVEN;
			i = 0;
			got = 0;
			if
			:: no_runs -> got = count
			:: else ->
				/* take_some() */
				do
				:: i < count ->
					is_run = run_of[AT(slot, first + i)];
					if
					:: is_run && i > 0 -> break
					:: else
					fi;
					copy[i] = call[AT(slot, first + i)];
					got = got + 1 + is_run;
					i++;
					if
					:: is_run -> break
					:: else
					fi
				:: else -> break
				od;
				count = i
			fi;
			/* move_head() */
			d_step {
#if VAR == 6
				ok = 1;
#else
				ok = (head == h && head_calls == h_calls);
#endif
				if
				:: ok ->
					head = first + count;
					head_calls = h_calls + got;
					assert(head <= tail);
					taken = taken + count;
					assert(taken <= ENTRIES)
				:: else
				fi;
				is_run = 0;
				got = 0;
				h = 0;
				h_calls = 0
			};
			if
			:: ok && stops ->
				d_step { noted = noted + count; stopped = 1 };
end_stopped:			false
			:: ok ->
#if VAR == 4
				seen[slot] = seen[slot] + count;
#endif
				if
				:: no_runs ->
					i = 0;
					do
					:: i < count -> copy[i] = call[AT(slot, first + i)]; i++
					:: else -> break
					od
				:: else
				fi;
				skip;
				d_step {
					i = 0;
					do
					:: i < count -> check(i); copy[i] = 0; i++
					:: else -> break
					od;
					i = 0
				};
#if VAR != 4
				d_step {
					seen[slot] = seen[slot] + count;
					assert(seen[slot] <= K)
				};
#endif
				noted = noted + count
			:: else
			fi
		fi;
		d_step { ok = 0; no_runs = 0; slot = 0; first = 0; count = 0; i = 0; copy[0] = 0; copy[1] = 0; h = 0; t = 0 }
	:: taken == ENTRIES -> break
	od
}

#if COLLECTS
/* intake_collect(), twice: its looks may be late */
proctype collector()
{
	byte end, n, slot;
	bool went;
	do
	:: collects > 0 ->
		end = tail / P;
		n = oldest;
		do
		:: n < end -> give_one(n); n++
		:: else -> break
		od;
		skip;
		d_step { end = 0; n = 0; slot = 0; went = 0; collects-- }
	:: else -> break
	od
}
#endif

#if OTHERS
proctype other()
{
	byte s;
	if
	:: d_step { whose[0] == NOBODY -> whose[0] = OTHER; s = 0 }
	:: d_step { whose[1] == NOBODY -> whose[1] = OTHER; s = 1 }
#if STORE > 2
	:: d_step { whose[2] == NOBODY -> whose[2] = OTHER; s = 2 }
#endif
	fi;
	d_step { seen[s] = 0; call[s * K] = JUNK; run_of[s * K + 1] = 1 };
	d_step { call[s * K + 1] = JUNK; seen[s] = 1 };
	seen[s] = K;
	whose[s] = NOBODY
}
#endif

init
{
	byte i;
	atomic {
		do
		:: i < TAKERS -> run taker(STOPS && i == 0); i++
		:: else -> break
		od;
#if OTHERS
		run other();
#endif
#if COLLECTS
		run collector();
#endif
		run producer();
		i = 0
	}
}
