/* SPDX-License-Identifier: MIT */
/*
 * blocks.pml - free blocks of whole pages, taken, given and purged without a lock, as numa/blocks.c and numa/large.c have it.
 *
 * Modelled:  slots with a word each, which says how much of a block holds memory, how much of that is in use, and whether a purge is
 *            at it; two sets of bits, hints at free ones with memory and without; the sum of what is kept; workers that take a block
 *            of 1 or 2 pages, or make one in an empty slot, and give it back; purges, which go one after another over all words, down
 *            to `most`, and may unmap what holds nothing any more.
 * Steps:     every access to shared memory is a step of its own. All of them that matter here are seq_cst, or exchanges.
 *
 * Properties: E4 what is kept is at least what is resident and not in use (assert in counted()).
 *             E5 after a purge it is no more than `most` and what was freed since it began (assert in purger()).
 *             E7 a block is in one hand; a purge leaves alone what is in use (asserts in take() and purge_one()).
 *             No block is lost: in the end each free one has its bit, and the sum is even.
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see blocks.checks.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* two that take and give, a purge */
#define WORKERS 2
#define ROUNDS 1
#define PURGERS 1
#define SLOTS 2
#define UNMAPS 0
#elif SCENE == 1 /* one, again and again, and two purges */
#define WORKERS 1
#define ROUNDS 2
#define PURGERS 2
#define SLOTS 2
#define UNMAPS 0
#else /* blocks that are unmapped, slots that are used again */
#define WORKERS 2
#define ROUNDS 2
#define PURGERS 1
#define SLOTS 1
#define UNMAPS 1
#endif
#define NONE 9

/* A word: present, busy, pages held, pages used: in one byte, as it is compared and exchanged whole. */
#define PRESENT 128
#define BUSY 64
#define HELD(w) ((w >> 3) & 7)
#define USED(w) (w & 7)
#define WORD(h, u) (PRESENT | ((h) << 3) | (u))
#define IS_FREE(w) ((w & (PRESENT | BUSY)) == PRESENT && USED(w) == 0)
#define MORE(a, b) ((a) > (b) -> (a) : (b))
#define LESS(a, b) ((a) < (b) -> (a) : (b))

byte word[SLOTS];
bool hint[4]; /* with memory: 0 and 1; without: 2 and 3 */
#define HINT(s, h) hint[((h) > 0 -> 0 : 2) + (s)]
#define KEPT(s) hint[s]
#define BARE(s) hint[2 + (s)]
short kept;
byte purged;
bool purging;
bool emptied[SLOTS]; /* the list of empty slots, under its lock */

/* What is really so. */
byte resident[SLOTS];
byte in_use[SLOTS];
bool in_hand[SLOTS];
byte freed; /* by owners, ever */
byte done;

#define UNUSED(s) (resident[s] - LESS(in_use[s], resident[s]))
#if SLOTS == 2
#define ALL_UNUSED (UNUSED(0) + UNUSED(1))
#else
#define ALL_UNUSED UNUSED(0)
#endif
#define counted() assert(kept >= ALL_UNUSED)

/* blocks_show(): each time that a block became free and nobody is at it. */
inline show_bit(s, h)
{
	if
	:: HINT(s, h) -> skip
	:: else -> HINT(s, h) = 1
	fi
}

/* drop_hint(): a hint that was wrong when we looked. */
inline drop(s, which)
{
#if VAR == 5
	w = word[s];
	hint[which + s] = 0;
#else
	hint[which + s] = 0;
	w = word[s];
#endif
	if
#if VAR == 4
	:: skip
#else
	:: IS_FREE(w) -> show_bit(s, HELD(w))
	:: else
#endif
	fi
}

/* blocks_put() */
inline put(s)
{
#if VAR == 13
	show_bit(s, HELD(word[s]));
#endif
	do
	:: w = word[s];
	   d_step {
		   ok = (word[s] == w);
		   if
		   :: ok ->
			   assert(USED(w) > 0 && in_hand[s]);
			   word[s] = w - USED(w);
			   freed = freed + LESS(in_use[s], resident[s]);
			   in_use[s] = 0;
			   in_hand[s] = 0;
			   counted()
		   :: else
		   fi
	   };
	   if
	   :: ok -> break
	   :: else
	   fi
	od;
	if
	:: !(w & BUSY) ->
#if VAR != 13
		show_bit(s, HELD(w))
#endif
	:: else
	fi
}

proctype worker()
{
	byte s, w, wanted, found, round;
	bool ok;
	do
	:: round < ROUNDS ->
		round++;
		if
		:: wanted = 1
		:: wanted = 2
		fi;
		/* large_alloc(): one with memory, or one without, or a new one. */
		do
		:: d_step { s = 0; found = NONE };
		   do
		   :: s < SLOTS ->
			   if
			   :: KEPT(s) ->
				   w = word[s];
				   if
				   :: IS_FREE(w) && HELD(w) > 0 -> found = s
#if VAR == 10
				   :: (w & BUSY) && USED(w) == 0 && HELD(w) > 0 -> found = s
				   :: !(IS_FREE(w) || ((w & BUSY) && USED(w) == 0)) || HELD(w) == 0 -> drop(s, 0)
#else
				   :: else -> drop(s, 0)
#endif
				   fi
			   :: else
			   fi;
			   if
			   :: found != NONE -> break
			   :: else -> s++
			   fi
		   :: else -> break
		   od;
		   if
		   :: found == NONE ->
			   s = 0;
			   do
			   :: s < SLOTS ->
				   if
				   :: BARE(s) ->
					   w = word[s];
					   if
					   :: IS_FREE(w) && HELD(w) == 0 -> found = s
					   :: else -> drop(s, 2)
					   fi
				   :: else
				   fi;
				   if
				   :: found != NONE -> break
				   :: else -> s++
				   fi
			   :: else -> break
			   od
		   :: else
		   fi;
		   if
		   :: found == NONE -> break
		   :: else
		   fi;
#if VAR == 2
		   kept = kept - LESS(HELD(w), wanted);
		   d_step { counted() };
#endif
		   d_step {
			   ok = (word[found] == w);
			   if
			   :: ok ->
				   assert(!in_hand[found]);
				   in_hand[found] = 1;
				   word[found] = WORD(MORE(HELD(w), wanted), wanted) | (w & BUSY);
				   in_use[found] = wanted
			   :: else
			   fi
		   };
		   if
		   :: ok -> break
		   :: else
#if VAR == 2
		      -> kept = kept + LESS(HELD(w), wanted)
#endif
		   fi
		od;
		ok = 0;
		if
		:: found != NONE ->
#if VAR != 2
			d_step { kept = kept - LESS(HELD(w), wanted); assert(kept >= 0); counted() };
#endif
			s = found
		:: else ->
			/* make_block(), where a slot is empty: under the lock. */
			d_step {
				s = 0;
				do
				:: s < SLOTS && emptied[s] -> emptied[s] = 0; found = s; break
				:: s < SLOTS && !emptied[s] -> s++
				:: else -> break
				od
			};
			if
			:: found != NONE ->
				d_step {
					assert(word[s] == 0 && resident[s] == 0 && !in_hand[s]);
					in_hand[s] = 1;
					in_use[s] = wanted;
					word[s] = WORD(wanted, wanted)
				}
			:: else
			fi
		fi;
		if
		:: found != NONE ->
			/* It is touched, then given back: counted, then put. */
			d_step { resident[s] = MORE(resident[s], wanted); counted() };
#if VAR == 1
			put(s);
			kept = kept + wanted
#else
			kept = kept + wanted;
			put(s)
#endif
		:: else
		fi;
		d_step { s = 0; w = 0; wanted = 0; found = NONE; ok = 0 }
	:: else -> break
	od;
	done++
}

/* What a purge does to one slot: all of what is not in use, or a page of it where that is enough. A hint that is wrong goes, as it may come by
 * in a look by hints. */
inline purge_one()
{
	do
	:: w = word[s];
	   if
	   :: HELD(w) == 0 && KEPT(s) -> drop(s, 0)
	   :: else
	   fi;
#if VAR == 3
	   if
	   :: USED(w) > 0 -> w = 0
	   :: else
	   fi;
#endif
	   if
	   :: !(w & PRESENT) || HELD(w) <= USED(w) -> ok = 0; break
	   :: else
	   fi;
	   d_step {
		   ok = (word[s] == w);
		   if
		   :: ok -> word[s] = w | BUSY
		   :: else
		   fi
	   };
	   if
	   :: ok -> break
	   :: else
	   fi
	od;
	if
	:: ok ->
		d_step {
			to = HELD(w) - LESS(HELD(w) - USED(w), until - purged);
			given = HELD(w) - to
		};
#if VAR == 9
		d_step { purged = purged + given; kept = kept - given; counted() };
#endif
		/* The kernel takes it: nobody is at that part. */
		d_step {
			assert(in_use[s] <= to);
			resident[s] = LESS(resident[s], to)
		};
		if
		:: UNMAPS && to == 0 ->
			d_step { assert(!in_hand[s] && word[s] == w | BUSY) };
#if VAR == 14
			emptied[s] = 1;
			word[s] = 0
#else
			word[s] = 0;
			emptied[s] = 1
#endif
		:: !UNMAPS || to > 0 ->
#if VAR == 6
			word[s] = WORD(to, USED(w));
#else
			do
			:: now = word[s];
			   d_step {
				   ok = (word[s] == now);
				   if
				   :: ok -> word[s] = WORD(to, USED(now))
				   :: else
				   fi
			   };
			   if
			   :: ok -> break
			   :: else
			   fi
			od;
#endif
#if VAR == 7
			if
			:: USED(w) == 0 -> show_bit(s, to)
			:: else
			fi
#else
			if
			:: USED(now) == 0 -> show_bit(s, to)
			:: else
			fi
#endif
		fi;
#if VAR == 8
		kept = kept - given;
		purged = purged + given;
#elif VAR != 9
		purged = purged + given;
		d_step { kept = kept - given; assert(kept >= 0); counted() };
#endif
	:: else
	fi;
	d_step { to = 0; given = 0; w = 0; now = 0 }
}

proctype purger(byte most)
{
	byte s, w, now, to, given, until, since;
	bool ok;
	since = freed;
#if VAR == 12
	now = purged;
	until = (kept > most -> now + kept - most : 0);
#else
	now = kept;
	until = (now > most -> purged + now - most : 0);
#endif
	now = 0;
	if
	:: until > 0 ->
		/* One at a time. */
		d_step { !purging -> purging = 1 };
		do
		:: s < SLOTS ->
			if
			:: purged >= until || kept <= most -> break
			:: else
			fi;
#if VAR == 11
			if
			:: KEPT(s) || USED(word[s]) > 0 -> purge_one()
			:: else
			fi;
#else
			purge_one();
#endif
			s++
		:: else -> break
		od;
		purging = 0
	:: else
	fi;
	d_step { assert(ALL_UNUSED <= most + (freed - since)) };
	done++
}

init
{
	byte i;
	d_step {
		/* Free, with memory; and what else is there, without. */
		word[0] = WORD(2, 0);
		KEPT(0) = 1;
		resident[0] = 2;
		kept = 2;
#if SLOTS == 2 && SCENE == 0
		word[1] = WORD(1, 0);
		KEPT(1) = 1;
		resident[1] = 1;
		kept = 3;
#elif SLOTS == 2
		word[1] = WORD(0, 0);
		BARE(1) = 1;
#endif
	};
	atomic {
		do
		:: i < WORKERS -> run worker(); i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < PURGERS -> run purger(i); i++
		:: else -> break
		od;
		i = 0
	};
	done == WORKERS + PURGERS;
	d_step {
		do
		:: i < SLOTS ->
			assert(!(word[i] & BUSY) && USED(word[i]) == 0);
			assert(!(word[i] & PRESENT) || HINT(i, HELD(word[i])));
			assert(resident[i] <= HELD(word[i]));
			kept = kept - HELD(word[i]);
			i++
		:: else -> break
		od;
		assert(kept == 0)
	}
}
