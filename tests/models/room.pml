/* SPDX-License-Identifier: MIT */
/*
 * room.pml - the waiting room's door, as runtime/kick.c and runtime/admission.c have it.
 *
 * Modelled:  two words (spare, WAIT, CLAIM) and three places: place 0 has word 0; places 1 and 2 share word 1, as a node without
 *            memory shares its neighbour's. Waiters that any place would do for, and such that one place only would do for;
 *            each tries for itself first, is granted once, and gives back what it got. Outside holders that give. A canceller.
 *            The token (IDLE, BUSY, AGAIN), arrivals, sweep, cancels, wait_at, one claim, batches of at most BATCH. One whose time
 *            ends at any moment, and who keeps time.
 * Steps:     every access to a shared word is a step of its own, together with what its process does alone after it. A
 *            compare-and-swap loop is one step.
 * Who holds the token does not matter, so one process, the door, does what the holder does; a kicker that gets the token opens
 * it and need not wait, which allows more orders than the code has.
 *
 * Left out:  hands, and with them KICK_GIVEN, which differs from KICK_ALL only in what becomes of hands: without any both look at
 *            everybody. hand.pml has both, and what fails when the note is not left, or comes after the exchange of the token.
 *
 * Properties: A1 nobody is decided twice; whoever was cancelled is not granted. X2 nobody is granted by a look that began after its
 *            time was over.
 *            No lost wake-up: all waiters end (one that waits for ever is an invalid end state), although in some scenes one
 *            gives back only when another has started, so that no later give makes up for a wake-up that was lost.
 *            A2 at rest the token is IDLE, room and arrivals are empty, WAIT and CLAIM are clear, all room is back.
 * Variants:  VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif

#define ANY 3
#if SCENE == 0 /* places 1 and 2 share a word; the first holds what it has until the second is granted */
#define W 3
#define GIVERS 2
#define BATCH 2
#define HOLD(i) (i != 0 || wst[1] == GRANTED)
#define SETUP only[0] = 2; only[1] = 1; only[2] = ANY; need[0] = 1; need[1] = 1; need[2] = 1; gives[0] = 1; gives[1] = 1
#elif SCENE == 1 /* a large one at word 0 that small ones pass by, and the claim that ends it */
#define W 3
#define GIVERS 2
#define SETUP only[0] = 0; only[1] = 0; only[2] = ANY; need[0] = 2; need[1] = 1; need[2] = 1; gives[0] = 0; gives[1] = 0
#elif SCENE == 2 /* one is cancelled, and no room ever comes for it at word 0 */
#define W 2
#define GIVERS 1
#define CANCEL 0
#define SETUP only[0] = 0; only[1] = ANY; need[0] = 1; need[1] = 1; gives[0] = 1
#elif SCENE == 3 /* one is cancelled while room comes for it */
#define W 2
#define GIVERS 2
#define CANCEL 0
#define SETUP only[0] = 0; only[1] = ANY; need[0] = 1; need[1] = 1; gives[0] = 0; gives[1] = 1
#elif SCENE == 4 /* three give at once; each holds what it has until both are granted */
#define W 2
#define GIVERS 3
#define HOLD(i) (wst[1 - i] == GRANTED)
#define SETUP only[0] = ANY; only[1] = 2; need[0] = 1; need[1] = 1; gives[0] = 0; gives[1] = 1; gives[2] = 1
#elif SCENE == 5 /* the claim goes to one that is served before; what it kept is room for a third, which givers wait for */
#define W 3
#define GIVERS 2
#define SPARE 1 /* on word 1 */
#define LATE(i) true
#define GATE(g) (g == 0 -> wst[2] == GRANTED : wst[1] == GRANTED)
#define SETUP only[0] = 0; only[1] = 1; only[2] = 1; need[0] = 1; need[1] = 2; need[2] = 1; gives[0] = 1; gives[1] = 0; spare[1] = SPARE
#elif SCENE == 6 /* one gives up, and no room ever comes for it at word 0 */
#define W 2
#define GIVERS 1
#define LIMITED 0
#define SETUP only[0] = 0; only[1] = ANY; need[0] = 1; need[1] = 1; gives[0] = 1
#elif SCENE == 7 /* its time is over, it is cancelled, and room comes, all at once */
#define W 2
#define GIVERS 1
#define LIMITED 0
#define CANCEL 0
#define SETUP only[0] = 0; only[1] = ANY; need[0] = 1; need[1] = 1; gives[0] = 0
#endif
#ifndef LATE
#define LATE(i) passed[i]
#endif
#ifndef SPARE
#define SPARE 0
#endif
#ifndef GATE
#define GATE(g) true
#endif
#ifndef HOLD
#define HOLD(i) true
#endif
#ifndef BATCH
#define BATCH 1
#endif

#define IDLE 0
#define BUSY 1
#define AGAIN 2

#define NEW 0
#define WAITING 1
#define GRANTED 2
#define CANCELLED 3
#define REFUSED 4

#define NOBODY 7
#define WORD(place) (place == 0 -> 0 : 1)
#define FIRST_WORD(i) (only[i] == ANY -> 0 : WORD(only[i]))
#define BIT(i) (1 << (i))
#define IN(set, i) (((set) >> (i)) & 1)
#define IS_CANCELLED(i) (wst[i] == CANCELLED || flag[i])

byte spare[2]; /* at first the givers hold everything, but in scene 5 */
bool WAIT[2];
bool CLAIM[2];
hidden byte only[W];
hidden byte need[W];
hidden byte gives[GIVERS];

byte arrivals; /* sets of waiters */
byte room;
byte token = IDLE;
bool open; /* the token was taken: the door looks */
bool sweep;
byte cancels; /* sets: cancelled by their state; put aside by the holder; cancelled before they were fetched */
byte aside;
byte forgone;
bool late; /* the time of LIMITED is over */
bool due;  /* the holder says that somebody's time ends */
bool wait_at[3];
byte claimant = NOBODY;
byte claimed_place;
bool passed[W];
byte again_calls; /* batches that were full, whose caller has not called again yet */

byte wst[W];   /* NEW .. CANCELLED */
bool flag[W];  /* its group's */
byte ended[W]; /* how often it was decided */
byte at[W];    /* the word it was granted on */
bool cancel_said_yes;
byte done;

#define NEEDED_BY(i, place) (IN(room, i) && (only[i] == ANY || only[i] == place))
#define NEEDED(place) (NEEDED_BY(0, place) || NEEDED_BY(1, place) || NEEDED_BY(W - 1, place))

/* Inside a step: one compare-and-swap, as a stranger or as the claimant. */
inline take(i, w)
{
	if
	:: spare[w] >= need[i] && (!CLAIM[w] || claimant == i) ->
		spare[w] = spare[w] - need[i];
		at[i] = w;
		ok = 1
	:: else -> ok = 0
	fi
}

/* Inside a step: admission_kick() up to the token. */
inline kick()
{
	if
	:: token == IDLE -> open = 1
	:: else
	fi;
	token = AGAIN
}

/* The holder's part: admission_kick() from there on. ------------------------------------------------------------- */

inline drop_claim()
{
	if
	:: claimant != NOBODY ->
		CLAIM[WORD(claimed_place)] = 0;
		claimant = NOBODY;
		claimed_place = 0
	:: else
	fi
}

inline leave(i)
{
	room = room & ~BIT(i);
	aside = aside & ~BIT(i);
	batch = batch | BIT(i);
	count++;
	if
	:: claimant == i -> drop_claim()
	:: else
	fi
}

inline take_sweep()
{
	d_step { gone = cancels; cancels = 0 };
	d_step { swept = sweep; sweep = 0 }
}

inline fetch_arrivals()
{
	d_step {
		i = arrivals & forgone;
		room = room | (arrivals & ~i);
		arrivals = 0;
		aside = aside | i; /* who cancelled them has said so: they leave */
		gone = gone | i;
		forgone = forgone & ~i;
		i = 0
	}
}

/* Inside a step: out of the lists. */
inline unlist(i)
{
	room = room & ~BIT(i);
	aside = aside | BIT(i);
	if
	:: claimant == i -> drop_claim()
	:: else
	fi
}

/* Those who were cancelled, by themselves or with their group, and who gave up. */
inline sweep_room()
{
	d_step {
		do
		:: i < W ->
			if
			:: IN(gone, i) && IN(room | aside, i) -> unlist(i); leave(i)
			:: IN(gone, i) && !IN(room | aside, i) -> 
				assert(!ended[i] && !IN(batch, i));
				forgone = forgone | BIT(i)
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		gone = 0
	};
	do
	:: d_step {
		   i < W ->
		   if
		   :: swept && IN(room, i) && flag[i] && wst[i] == WAITING -> wst[i] = CANCELLED; unlist(i); leave(i)
		   :: else
		   fi;
		   i++
	   }
	:: i >= W -> break
	od;
	i = 0;
	d_step {
		swept = 0;
#ifdef LIMITED
		if
		:: now && IN(room, LIMITED) ->
			unlist(LIMITED);
			if
			:: wst[LIMITED] == WAITING -> wst[LIMITED] = REFUSED; leave(LIMITED)
			:: else
			fi
		:: else
		fi
#endif
	}
}

/* What to clear and what to set is the holder's own affair; each word is then written in a step. */
inline update_wait()
{
	d_step {
		do
		:: i < 3 ->
			if
			:: wait_at[i] && !NEEDED(i) -> clears = clears | BIT(WORD(i)); wait_at[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < 3 ->
			if
			:: NEEDED(i) && (clears || !wait_at[i]) -> sets = sets | BIT(WORD(i)); wait_at[i] = 1
			:: else
			fi;
			i++
		:: else -> break
		od;
		i = 0;
		cleared = (clears != 0)
	};
	do
	:: d_step { IN(clears, 0) -> WAIT[0] = 0; clears = clears & 2 }
	:: d_step { clears == 2 -> WAIT[1] = 0; clears = 0 }
	:: d_step { !clears && IN(sets, 0) -> WAIT[0] = 1; sets = sets & 2 }
	:: d_step { !clears && sets == 2 -> WAIT[1] = 1; sets = 0 }
	:: !clears && !sets -> break
	od
}

/* Inside a step: to the next that waits. */
inline next_waiter(from)
{
	i = from;
	do
	:: i < W && !IN(room, i) -> i++
	:: else -> break
	od;
	if
	:: i < W -> w = FIRST_WORD(i)
	:: else -> w = 0
	fi
}

/* Everybody in their order; those who are passed by note it. */
inline admit()
{
	d_step { had = (claimant != NOBODY); next_waiter(0) };
	do
	:: d_step {
		   i < W && count < BATCH && !ok ->
		   take(i, w);
		   if
		   :: !ok && only[i] == ANY && w == 0 -> w = 1
		   :: !ok && !(only[i] == ANY && w == 0) -> next_waiter(i + 1)
		   :: else
		   fi
	   }
	:: d_step {
		   ok ->
		   /* waiter_is_cancelled() and waiter_move() */
		   if
#if VAR == 8
		   :: true ->
#else
		   :: wst[i] == WAITING && !flag[i] ->
#endif
			   wst[i] = GRANTED;
#ifdef LIMITED
			   assert(!(now && i == LIMITED));
#endif
			   n = 0;
			   do
			   :: n < i -> passed[n] = passed[n] || IN(room, n); n++
			   :: else -> break
			   od;
			   n = 0
#if VAR == 12
		   :: else -> spare[w] = spare[w] + need[i]; wst[i] = CANCELLED
#else
		   :: wst[i] == WAITING && flag[i] -> spare[w] = spare[w] + need[i]; wst[i] = CANCELLED
		   :: else -> spare[w] = spare[w] + need[i]; unlist(i)
#endif
		   fi;
		   ok = 0;
		   if
#if VAR == 8
		   :: true -> leave(i)
#else
		   :: IN(room, i) -> leave(i)
		   :: else
#endif
		   fi;
		   passed[i] = 0;
		   next_waiter(i + 1)
	   }
	:: (i >= W || count >= BATCH) && !ok -> break
	od
}

/* Inside a step: the claim of the first that waits, if it is late. */
inline claim_for_head()
{
	next_waiter(0);
	if
	:: i < W && claimant != i && LATE(i) ->
		changed = (claimant != NOBODY);
		drop_claim();
		claimant = i;
		claimed_place = (only[i] == ANY -> 0 : only[i]);
		CLAIM[WORD(claimed_place)] = 1
	:: else
	fi
}

proctype door()
{
	byte i, n, w, batch, count, clears, sets;
	bool ok, cleared, changed, had, swept, now;
	byte gone;
end_closed:
	do
	:: d_step { open -> open = 0 };
	look:
#if VAR != 7
		token = BUSY;
#endif
	again:
		now = late;
#if VAR != 11
		take_sweep();
#endif
		fetch_arrivals();
#if VAR == 11
		take_sweep();
#endif
		sweep_room();
#if VAR != 4
		update_wait();
#endif
		admit();
#if VAR == 4
		update_wait();
#endif
		atomic {
			i = 0;
			w = 0;
			if
			:: count >= BATCH -> goto leave_door
			:: count < BATCH && had && claimant == NOBODY -> goto again
			:: else
			fi;
			claim_for_head();
			i = 0;
			w = 0;
			if
#if VAR != 10
			:: changed -> changed = 0; goto again
#endif
			:: else -> changed = 0
			fi
		};
		update_wait();
#if VAR == 1
		if
		:: cleared && arrivals != 0 -> goto again
#else
		if
		:: cleared && room != 0 -> goto again
#endif
		:: else
		fi;
	leave_door:
#if VAR == 7
		token = BUSY;
#endif
		/* Deliver, and leave unless somebody left a note. */
		atomic {
			do
			:: i < W ->
				ended[i] = ended[i] + IN(batch, i);
				assert(ended[i] <= 1);
				i++
			:: else -> break
			od;
			i = 0;
			batch = 0;
			had = 0;
			cleared = 0;
			now = 0;
#if defined(LIMITED) && VAR != 13
			due = IN(room, LIMITED);
#endif
			if
			:: count >= BATCH ->
				count = 0;
				token = IDLE;
#if VAR != 3
				again_calls++
#endif
#if VAR == 2
			:: else -> token = IDLE
#else
			:: count < BATCH && token == BUSY -> count = 0; token = IDLE
			:: else -> count = 0; goto look
#endif
			fi
		}
	od
}

/* Whoever was told that there is more calls again. */
proctype recaller()
{
end_idle:
	do
	:: d_step { again_calls > 0 -> again_calls--; kick() }
	od
}

/* The others' part. ---------------------------------------------------------------------------------------------- */

/* Inside a step: the amount and the look at WAIT are one operation. */
#if VAR == 6
#define GIVE(word, units)                                                                                              \
	saw = WAIT[word];                                                                                              \
	}                                                                                                              \
	;                                                                                                              \
	d_step                                                                                                         \
	{                                                                                                              \
		spare[word] = spare[word] + units
#else
#define GIVE(word, units)                                                                                              \
	spare[word] = spare[word] + units;                                                                             \
	saw = WAIT[word]
#endif

inline kick_if_seen()
{
	d_step {
		if
		:: saw -> kick(); saw = 0
		:: else
		fi;
		done++
	}
}

proctype giver(byte g)
{
	bool saw;
	d_step { GATE(g); GIVE(gives[g], 1) };
	kick_if_seen()
}

proctype waiter(byte me)
{
	bool ok, saw;
	byte w = FIRST_WORD(me);
	do
	:: d_step {
		   wst[me] == NEW && w < 2 ->
		   take(me, w);
		   w = (!ok && only[me] == ANY -> w + 1 : 2);
		   if
		   :: ok -> ok = 0; w = 0; wst[me] = GRANTED
		   :: else
		   fi
	   }
	:: wst[me] == GRANTED -> break
	:: d_step { wst[me] == NEW && w == 2 -> w = 0; wst[me] = WAITING; arrivals = arrivals | BIT(me) };
#if VAR != 9
		sweep = sweep || flag[me]; /* submit.c: after the push */
#endif
#if VAR != 5
		d_step { kick() };
#endif
		ended[me] == 1;
		break
	od;
	if
	:: d_step { wst[me] == GRANTED && HOLD(me) -> GIVE(at[me], need[me]) };
		kick_if_seen()
	:: d_step { wst[me] == CANCELLED || wst[me] == REFUSED -> done++ }
	fi
}

#ifdef CANCEL
#define CANCELLERS 1
/* By the waiter's state, or by the flag of its group. */
proctype canceller()
{
	if
	:: d_step { wst[CANCEL] == WAITING -> wst[CANCEL] = CANCELLED; cancel_said_yes = 1 };
		cancels = cancels | BIT(CANCEL)
	:: flag[CANCEL] = 1;
		sweep = 1
	fi;
	d_step { kick(); done++ }
}
#else
#define CANCELLERS 0
#endif

#ifdef LIMITED
/* Time passes, and whoever keeps it settles when it is due. */
proctype keeper()
{
	late = 1;
end_nothing_due:
	do
	:: d_step { due -> due = 0; kick() }
	od
}
#endif

init
{
	atomic {
		SETUP;
		run door();
		run recaller();
		byte one = 0;
		do
		:: one < GIVERS -> run giver(one); one++
		:: else -> break
		od;
		one = 0;
		do
		:: one < W -> run waiter(one); one++
		:: else -> break
		od;
#ifdef CANCEL
		run canceller()
#endif
#ifdef LIMITED
		run keeper()
#endif
	};
	d_step {
		done == GIVERS + W + CANCELLERS && token == IDLE && !again_calls;
		assert(room == 0 && aside == 0 && arrivals == 0 && cancels == 0 && claimant == NOBODY);
		assert(!WAIT[0] && !WAIT[1] && !CLAIM[0] && !CLAIM[1]);
		assert(spare[0] + spare[1] == GIVERS + SPARE);
#ifdef CANCEL
		assert(!cancel_said_yes || wst[CANCEL] == CANCELLED)
#endif
	}
}
