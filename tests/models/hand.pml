/* SPDX-License-Identifier: MIT */
/*
 * hand.pml - hands: the first in line, lent to those who end grants, as runtime/chain.c, kick.c and leave.c have it.
 *
 * Modelled:  one word (spare, WAIT, CLAIM, what is owed); the token, arrivals, look_all, given, sweep, cancels, one claim. Two
 *            owners, each with a hand, that end grants: they hand on to whom they find in it, or fill it, or give back. They run
 *            what they were handed, or leave it to the other, and may stay at it for long (GATE). Those who arrive, an outside
 *            holder that gives, a canceller (by state, by group), a limit that comes down.
 * Steps:     every access to a shared word is a step of its own, together with what its process does alone after it. One step are:
 *            the note for KICK_ALL and the exchange of the token after it; the exchange of the token before a look, and the notes
 *            that it takes (room.pml has them apart). The holder is one process, the door, as in room.pml.
 * Left open: how many are lent at a time; whether a look is due again as a hand is filled (FULL_LOOK_NS; never in FEWER scenes).
 *            Who keeps time (HANDS_LAST_NS) is left out: all end without. An owner that finds the token taken gives back, or
 *            waits: it has its steps at any time. All are of one class, so a claim binds all. Gates, classes, times that end, several places, full batches: see room.pml.
 * Waiters stand in the order of service by their numbers; those of one kind are of one shape.
 *
 * Properties: no over-commit: what runs is within the limit. A1, H3 each waiter is granted or cancelled once, and is in one place.
 *            H2 nobody of another shape that stood in the room before it is passed by who comes out of a hand; nothing is lent as
 *            the token is let go with a claim. H4, A2 no lost wake-up: all end, although those whom they lie behind in a hand end
 *            only after them (one that waits for ever is an invalid end state). No livelock: no run goes round for ever
 *            (hand.checks looks for cycles, where it says so). At rest all units are back, WAIT and CLAIM are clear.
 * Variants:  VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif

/* LISTED: they are in the room already when it begins, and WAIT is set; the others arrive. */
#define OUT(i) (ended[i] != 0)
#if SCENE == 0 /* behind a long task in the hand of who runs it; room comes from outside, and others run */
#define W 3
#define UNITS(o) (o == 0 -> 1 : 0)
#define GATE(i) (i != 0 || (OUT(1) && OUT(2)))
#define GIVERS 1
#define GIVE_WHEN OUT(0)
#define LIMIT 2
#define LISTED 7
#elif SCENE == 1 /* the same, but room comes only from another owner, who finds nobody in the room, or the token taken */
#define W 2
#define UNITS(o) 1
#define GATE(i) (i != 0 || OUT(1))
#define GATE0(o) (o == 0 || OUT(0))
#define LIMIT 2
#define LISTED 3
#elif SCENE == 2 /* one in a hand is cancelled, by its state or with its group; who runs before it ends only after it */
#define ALONE
#define FEWER
#define W 4
#define UNITS(o) (o == 0 -> 1 : 0)
#define GATE(i) (i != 0 || OUT(CANCEL))
#define CANCEL 2
#define BY_GROUP
#define HAND 3
#define CANCEL_WHEN OUT(0)
#define LIMIT 1
#define LISTED 7
#elif SCENE == 3 /* cancelled by its state, or with its group, while room comes from outside */
#define ALONE
#define FEWER
#define W 2
#define UNITS(o) (o == 0 -> 1 : 0)
#define CANCEL 1
#define CANCEL_WHEN OUT(0)
#define GIVERS 1
#define GIVE_WHEN OUT(0)
#define LIMIT 2
#define LISTED 3
#elif SCENE == 4 /* two shapes: a large one between small ones, and its claim */
#define FEWER
#define W 3
#define KINDS 2 /* bit i: waiter i is large */
#define UNITS(o) 1
#define GATE0(o) (o == 0 || OUT(0))
#define LIMIT 2
#define LISTED 7
#elif SCENE == 5 /* the claimant is handed its grant; what was kept is room for the other, whom all wait for */
#define W 2
#define KINDS 1
#define UNITS(o) 2
#define SPARE 1
#define GATE0(o) (o == 0 || OUT(1))
#define GATE(i) (i != 0 || OUT(1))
#define CLAIMS 0
#define LIMIT 5
#define LISTED 3
#elif SCENE == 6 /* a limit comes down while there is a hand: what ends then pays, and is not handed on */
#define FEWER
#define W 2
#define UNITS(o) 1
#define GATE0(o) (o != 0 || lowered)
#define SHRINKS 1
#define SHRINK_WHEN OUT(0)
#define LIMIT 2
#define LISTED 3
#elif SCENE == 7 /* one of another shape arrives, and there is room for it, while others are handed grants */
#define ALONE
#define FEWER
#define W 2
#define KINDS 1
#define UNITS(o) (o == 0 -> 1 : 0)
#define GIVERS 1
#define GIVE_WHEN OUT(1)
#define LIMIT 2
#define LISTED 2
#elif SCENE == 8 /* two hands, and one who is cancelled in either */
#define FEWER
#define W 1
#define UNITS(o) 1
#define GATE0(o) (o == 0 || filled[0] || OUT(0))
#define CANCEL 0
#define CANCEL_WHEN (filled[0] || OUT(0))
#define BY_STATE
#define LIMIT 2
#define LISTED 1
#elif SCENE == 9 /* room is kept for a large one, and one that is served before it arrives */
#define W 2
#define KINDS 2
#define UNITS(o) 1
#define CLAIMS 1
#define LIMIT 2
#define LISTED 2
#elif SCENE == 10 /* given back as the token is taken: room for one more than stands in the room */
#define FEWER
#define W 3
#define UNITS(o) (o == 0 -> 1 : 2)
#define GATE(i) (i == 1 || OUT(1))
#define GATE0(o) (o == 0 || OUT(0))
#define LIMIT 3
#define LISTED 7
#elif SCENE == 11 /* given back as the token is taken: a large one stands in the room, who is lent is small, and fits */
#define FEWER
#define W 3
#define KINDS 4
#define UNITS(o) 1
#define GATE(i) (i != 0 || OUT(1))
#define GATE0(o) (o == 0 || OUT(0))
#define LIMIT 2
#define LISTED 7
#elif SCENE == 12 /* given back as the token is taken: too little for who stands in the room, who is late */
#define FEWER
#define W 2
#define KINDS 3
#define UNITS(o) (o == 0 -> 2 : 1)
#define GATE0(o) (o == 0 || filled[0] || OUT(0))
#define LATE(i) (i == 1)
#define LIMIT 3
#define LISTED 3
#elif SCENE == 13 /* one for two hands */
#define FEWER
#define W 1
#define UNITS(o) 1
#define LIMIT 2
#define LISTED 1
#endif
#define LARGE 2
#define OWNERS 2
#ifndef KINDS
#define KINDS 0
#endif
#ifndef GIVERS
#define GIVERS 0
#endif
#ifndef CLAIMS
#define CLAIMS NOBODY
#endif
#ifndef SPARE
#define SPARE 0
#endif
#ifndef GATE0
#define GATE0(o) true
#endif
#ifndef GATE
#define GATE(i) true
#endif
#ifndef LATE
#define LATE(i) IN(passed_by, i)
#endif
#ifndef CANCEL_WHEN
#define CANCEL_WHEN true
#endif
#ifndef SHRINK_WHEN
#define SHRINK_WHEN true
#endif
#ifndef GIVE_WHEN
#define GIVE_WHEN true
#endif
#ifndef SHRINKS
#define SHRINKS 0
#endif
#ifndef HAND
#define HAND 2 /* slots */
#endif
#define FILLS_MAX 2

#define IDLE 0
#define BUSY 1
#define AGAIN 2

#define NEW 0
#define WAITING 1
#define GRANTED 2
#define CANCELLED 3

#define LOOK 1 /* jobs of the door; above it: to fill an owner's hand */
#define NOBODY 15
#define BIT(i) (1 << (i))
#define IN(set, i) (((set) >> (i)) & 1)
#define IS_LARGE(i) IN(KINDS, i)
#define NEED(i) (IS_LARGE(i) -> LARGE : 1)
#define SAME(i, j) (IS_LARGE(i) == IS_LARGE(j))

byte spare = SPARE;
byte owed;
bool lowered;
bool WAIT = (LISTED != 0);
bool CLAIM = (CLAIMS != NOBODY);
byte token = IDLE;
byte job;
bool look_all, given;
byte arrivals, cancels; /* sets of waiters */
bool sweep;
byte waiting; /* all that wait, those who are lent among them */

/* Waiters. */
byte wst[W];
bool ended[W];
bool flag; /* of CANCEL's group */
bool cancel_said_yes;

/* Hands: slot k of owner o is o * HAND + k. What the slot says of its waiter's turn is whether that is the same still. */
byte next[OWNERS], end[OWNERS], hand_units[OWNERS];
bool passed_over[OWNERS];
byte slot[OWNERS * HAND];
bool same_turn[OWNERS * HAND];

/* The holder's. */
byte listed = LISTED, aside, forgone; /* sets */
byte count;			      /* of the room */
byte filled[OWNERS];
byte claimant = CLAIMS;
byte passed_by; /* set */

/* From door to owner. */
byte answer[OWNERS];
#define ANSWER_ON 1
#define ANSWER_KICK 2 /* there is somebody in the hand, and the owner is to kick */
#define ANSWER_GIVEN 3

byte ready; /* granted, and in a queue: anybody's to run */
byte used;  /* by what runs, or will */
byte done;
byte seen; /* listed as the token was let go the last time */

/* Inside a step. */
inline kick_it()
{
	if
	:: token == IDLE -> job = LOOK
	:: else
	fi;
	token = AGAIN
}

inline kick_all()
{
	d_step { look_all = 1; kick_it() }
}

/* Inside a step. A limit that is owed something is paid first. */
inline give_back(units, saw_)
{
	spare = spare + units;
	saw_ = saw_ || WAIT || owed;
	if
	:: owed > 0 && spare >= owed -> spare = spare - owed; owed = 0
	:: owed > 0 && spare < owed -> owed = owed - spare; spare = 0
	:: else
	fi
}

/* Inside a step: granted out of the ledger or out of a hand. */
inline grant(i)
{
	wst[i] = GRANTED;
	assert(!ended[i]);
	ended[i] = 1;
	used = used + NEED(i);
	assert(used <= LIMIT)
}

/* The holder's part. --------------------------------------------------------------------------------------------- */

/* All inside a step. */
inline drop_claim()
{
	if
	:: claimant != NOBODY -> CLAIM = 0; claimant = NOBODY
	:: else
	fi
}

inline unlist(i)
{
	listed = listed & ~BIT(i);
	passed_by = passed_by & ~BIT(i);
	seen = seen & ~BIT(i);
	count--;
	if
	:: claimant == i -> drop_claim()
	:: else
	fi
}

inline leaves(i)
{
	assert(!ended[i]);
	ended[i] = 1;
	waiting--;
	aside = aside & ~BIT(i)
}

#ifdef CANCEL
#define FLAGGED(i) (i == CANCEL && flag)
#else
#define FLAGGED(i) false
#endif

/* To the next that leads a shape that was not found short. */
inline next_leader(from)
{
	i = from;
	turn = 0;
	do
	:: i < W && (!IN(listed, i) || (IS_LARGE(i) -> short_large : short_small)) -> i++
	:: else -> break
	od
}

inline find_head()
{
	head = 0;
	do
	:: head < W && !IN(listed, head) -> head++
	:: else -> break
	od;
	if
	:: head == W -> head = NOBODY
	:: else
	fi
}

/* What was found short, and where we were, is over. */
inline forget()
{
	i = 0;
	t = 0;
	head = 0;
	short_large = 0;
	short_small = 0
}

#define FILLED ((filled[0] != 0) | (filled[1] != 0) << 1)
#define LENT(o, i) (filled[o] && SAME(i, slot[(o) * HAND]))
#if VAR == 22
#define BEHIND true
#elif VAR == 24
#define BEHIND ((head != NOBODY && (!filled[0] || LENT(0, head)) && (!filled[1] || LENT(1, head))) || !FILLED)
#elif VAR == 26
#define BEHIND (claimant == NOBODY && (head != NOBODY || !FILLED))
#else
#define BEHIND                                                                                                         \
	(claimant == NOBODY &&                                                                                         \
	 (!FILLED || (head != NOBODY && (!filled[0] || LENT(0, head)) && (!filled[1] || LENT(1, head)))))
#endif

/* Where the door is: each is a step. */
mtype = { AWAY, NOTES, HELD, SWEEP, FETCH, SWEEP_GROUP, FETCHED, LEADER, TRY, MOVE, GIVE, TRIED, FIRST, LEND, LET_GO,
	  PULL, PASSED, TAKE_BACK, PLAINLY };

/* From one to where the next shared word is touched. Inside a step. */
inline pull_then(hands, then)
{
	pulls = hands & FILLED;
	to = then;
	at = (pulls -> PULL : then)
}

inline scan_again()
{
	find_head();
	scans = 1;
#if VAR != 3
	if
	:: all || !BEHIND -> pull_then(3, SWEEP)
	:: else -> at = SWEEP
	fi;
#else
	at = SWEEP;
#endif
	head = 0
}

#if defined(CANCEL)
#define MAY_CANCEL true
#else
#define MAY_CANCEL false
#endif

inline go_to_leader(from)
{
	next_leader(from);
	at = (i >= W -> TRIED : (MAY_CANCEL -> LEADER : TRY))
}

/* After a look: let go, or the rest of door_fill_hand(). */
inline looked()
{
	all = 0;
	given_too = 0;
	scans = 0;
	forget();
	if
	:: filling -> pull_then(BIT(filling - 1), FIRST)
	:: else -> at = LET_GO
	fi
}

inline set_wait()
{
	WAIT = (count != 0)
}

/* hand_fill(), or give back, and see who waits. Inside a step. */
inline lend(most)
{
	find_head();
	o = filling - 1;
	filling = 0;
	at = LET_GO;
	if
#if VAR == 5
	:: head != NOBODY && NEED(head) == hand_units[o] && !owed ->
#else
	:: head != NOBODY && NEED(head) == hand_units[o] && !owed && (claimant == NOBODY || claimant == head) ->
#endif
		answer[o] = (VAR != 11 && claimant == head -> ANSWER_KICK : ANSWER_ON);
		if
		:: claimant == head -> drop_claim()
		:: else
		fi;
		i = head;
		do
		:: i < W && t < most && IN(listed, i) && SAME(i, head) ->
			slot[o * HAND + t] = i;
			same_turn[o * HAND + t] = 1;
			listed = listed & ~BIT(i);
			seen = seen & ~BIT(i);
			passed_by = passed_by & ~BIT(i);
			t++;
			i++
		:: i < W && t < most && !IN(listed, i) -> i++
#if VAR == 6
		:: i < W && t < most && IN(listed, i) && !SAME(i, head) -> i++
#endif
		:: else -> break
		od;
		next[o] = 0;
		passed_over[o] = 0;
		end[o] = t;
		filled[o] = t;
#if VAR == 4
		WAIT = (listed != 0);
#endif
	:: else ->
		give_back(hand_units[o], ok);
		answer[o] = ANSWER_GIVEN;
#if VAR != 19
		if
		:: ok -> at = HELD; look_all = 1
		:: else
		fi;
#endif
		ok = 0
	fi;
	hand_units[o] = 0;
	o = 0;
	forget()
}

proctype door()
{
	mtype at = AWAY, to = AWAY;
	byte i, t, o, taken, back, pulls, gone, head, filling;
	bool ok, turn, all, scans, swept, news, had, given_too, short_large, short_small;
end_closed:
	do
	:: d_step { at == AWAY && job -> filling = job - 1; job = 0; at = NOTES }
#ifndef FEWER
	:: d_step { at == NOTES && filling -> all = 1; scan_again() } /* a full look is due */
#endif
	:: d_step {
		   (at == NOTES || at == HELD) ->
		   /* look(), must_scan() */
		   if
		   :: !filling ->
			   token = (at == HELD -> token : BUSY);
			   given_too = given;
			   given = 0
		   :: else
		   fi;
		   all = (look_all || sweep || cancels);
		   look_all = 0;
		   had = (claimant != NOBODY);
		   if
		   :: all -> scan_again()
		   :: else -> at = SWEEP
		   fi
	   }
	   /* leave_and_fetch() */
	:: d_step {
		   at == SWEEP ->
		   gone = cancels;
		   cancels = 0;
		   swept = sweep;
		   sweep = 0;
		   if
#if VAR == 13
		   :: swept ->
#elif VAR == 14
		   :: gone ->
#else
		   :: gone || swept ->
#endif
			   pull_then(3, FETCH)
		   :: else -> at = FETCH
		   fi
	   }
	:: d_step {
		   at == FETCH ->
		   do
		   :: i < W ->
			   if
			   :: IN(arrivals & forgone, i) -> forgone = forgone & ~BIT(i); leaves(i)
			   :: IN(arrivals & ~forgone, i) ->
				   news = news ||
					  !((listed & (IS_LARGE(i) -> KINDS : ~KINDS)) || LENT(0, i) || LENT(1, i));
				   listed = listed | BIT(i);
				   count++
			   :: else
			   fi;
			   i++
		   :: else -> break
		   od;
		   arrivals = 0;
		   i = 0;
#ifdef CANCEL
		   if
		   :: gone && IN(listed, CANCEL) -> unlist(CANCEL); leaves(CANCEL)
		   :: gone && IN(aside, CANCEL) -> leaves(CANCEL)
		   :: gone && !IN(listed | aside, CANCEL) -> assert(!ended[CANCEL]); forgone = forgone | BIT(CANCEL)
		   :: else
		   fi;
#endif
		   gone = 0;
		   at = (MAY_CANCEL && swept -> SWEEP_GROUP : FETCHED);
		   swept = 0
	   }
#ifdef CANCEL
	:: d_step {
		   at == SWEEP_GROUP ->
		   if
		   :: flag && IN(listed, CANCEL) && wst[CANCEL] == WAITING ->
			   wst[CANCEL] = CANCELLED;
			   unlist(CANCEL);
			   leaves(CANCEL)
		   :: else
		   fi;
		   at = FETCHED
	   }
#endif
	:: d_step {
		   at == FETCHED ->
		   if
		   :: scans ->
			   had = (claimant != NOBODY);
			   set_wait();
			   i = claimant; /* it has its turn first */
			   turn = (claimant != NOBODY);
			   if
			   :: turn -> at = (MAY_CANCEL -> LEADER : TRY)
			   :: else -> go_to_leader(0)
			   fi
#if VAR != 12
		   :: !scans && (news || (had && claimant == NOBODY)) -> all = 1; scan_again(); had = 0
#endif
		   :: else ->
			   had = 0;
			   if
			   :: given_too -> scan_again()
			   :: else -> looked()
			   fi
		   fi;
		   news = 0
	   }
	   /* grant_leader(); leave_if_cancelled() */
	:: d_step {
		   at == LEADER ->
		   if
		   :: wst[i] == CANCELLED -> unlist(i); aside = aside | BIT(i); go_to_leader((turn -> 0 : i + 1))
		   :: wst[i] == WAITING && FLAGGED(i) ->
			   wst[i] = CANCELLED;
			   unlist(i);
			   leaves(i);
			   go_to_leader((turn -> 0 : i + 1))
		   :: else -> at = TRY
		   fi
	   }
	:: d_step {
		   at == TRY ->
		   if
		   :: spare >= NEED(i) && (!CLAIM || claimant == i) -> spare = spare - NEED(i); at = MOVE
		   :: else ->
			   short_large = short_large || (IS_LARGE(i) && !turn);
			   short_small = short_small || (!IS_LARGE(i) && !turn);
			   go_to_leader((turn -> 0 : i + 1))
		   fi
	   }
	:: d_step {
		   at == MOVE ->
		   if
		   :: wst[i] == WAITING ->
			   grant(i);
			   waiting--;
			   unlist(i);
			   ready = ready | BIT(i);
			   passed_by = passed_by | (listed & (BIT(i) - 1));
			   go_to_leader((turn -> 0 : i + 1))
		   :: else -> at = GIVE
		   fi
	   }
	:: d_step {
		   at == GIVE ->
		   spare = spare + NEED(i);
		   unlist(i);
		   aside = aside | BIT(i);
		   go_to_leader((turn -> 0 : i + 1))
	   }
	:: d_step {
		   at == TRIED ->
		   forget();
		   find_head();
		   if
		   :: had && claimant == NOBODY -> scan_again() /* the claim was fulfilled: what it kept is open to the others */
		   :: else ->
			   if
			   :: head != NOBODY && claimant == NOBODY && LATE(head) -> claimant = head; CLAIM = 1
			   :: else
			   fi;
			   if
#if VAR != 23 && VAR != 3
			   :: FILLED && !BEHIND -> scan_again() /* all others of the shape found room: so may those who are lent */
#endif
			   :: else -> set_wait(); looked()
			   fi
		   fi;
		   had = 0;
		   head = 0
	   }
	   /* The rest of door_fill_hand(): hand_fill(), with first_in_line(). */
	:: d_step {
		   at == FIRST ->
		   find_head();
		   o = 2 - filling;
		   if
		   :: filled[o] && (head == NOBODY || !LENT(o, head)) -> pull_then(3, LEND)
		   :: else -> at = LEND
		   fi;
		   o = 0;
		   head = 0
	   }
	:: d_step { at == LEND -> lend(1) } /* its pace */
	:: d_step { at == LEND -> lend(HAND) }
	:: d_step {
		   at == LET_GO ->
		   seen = listed;
		   assert(claimant == NOBODY || !FILLED);
		   if
		   :: token == BUSY -> token = IDLE; at = AWAY
		   :: else -> at = NOTES
		   fi
	   }
	   /* pull_back(), of those in `pulls` */
	:: d_step {
		   at == PULL ->
		   o = (pulls & 1 -> 0 : 1);
		   pulls = pulls & ~BIT(o);
		   t = next[o];
		   taken = t;
		   at = PASSED
	   }
	:: d_step {
		   at == PASSED ->
#if VAR != 8
		   if
		   :: passed_over[o] -> t = 0; taken = 0
		   :: else
		   fi;
#endif
		   at = TAKE_BACK
	   }
	:: d_step {
		   at == TAKE_BACK && t < filled[o] ->
		   i = slot[o * HAND + t];
		   ok = same_turn[o * HAND + t];
		   if
		   :: ok && wst[i] == WAITING ->
			   back = back | BIT(i);
#if VAR == 1
			   at = PLAINLY
#elif VAR != 2
			   same_turn[o * HAND + t] = 0
#endif
#if VAR != 7
		   :: ok && wst[i] == CANCELLED -> back = back | BIT(i)
#endif
		   :: else -> taken++
		   fi;
		   t++;
		   i = 0;
		   ok = 0
	   }
#if VAR == 1
	:: d_step {
		   at == PLAINLY ->
		   wst[slot[o * HAND + t - 1]] = WAITING;
		   same_turn[o * HAND + t - 1] = 0;
		   at = TAKE_BACK
	   }
#endif
	:: d_step {
		   at == TAKE_BACK && t >= filled[o] ->
		   end[o] = (back -> 0 : end[o]);
#if VAR != 15
		   count = count - taken;
		   waiting = waiting - taken;
#endif
		   assert((listed & back) == 0);
		   listed = listed | back;
		   filled[o] = 0;
		   do
		   :: t && VAR != 2 -> t--; slot[o * HAND + t] = 0; same_turn[o * HAND + t] = 0 /* they mean nothing now */
		   :: else -> t = 0; break
		   od;
		   o = 0;
		   taken = 0;
		   back = 0;
		   at = (pulls -> PULL : to);
		   to = (pulls -> to : AWAY)
	   }
	od
}

/* The others' part. ---------------------------------------------------------------------------------------------- */

/* Where an owner is. Before it kicks, where it goes on then is in `then`. */
mtype = { STARTS, ENDS, OWED, EMPTY, TOKEN, FILLS, TAKES, PASSES, NOTES_NEXT, TAKEN, SAYS, BUSY_GIVE, GIVES, SAYS_GIVEN, KICKS, KICKS_GIVEN, HANDED, RUNS, RESTS };

#define HAS(o) (next[o] < end[o] && NEED(slot[(o) * HAND]) == units)

/* Kick, if it saw that somebody waits. Inside a step. */
inline go_on(where)
{
	then = where;
	at = (saw -> KICKS : where)
}

inline gave()
{
	units = 0;
	fills = 0;
	owes = 0;
	go_on(RESTS)
}

proctype owner(byte me)
{
	mtype at = STARTS, then = RESTS;
	byte units = UNITS(me), task, n, fills;
	bool ours, saw, owes;
end_rests:
	do
	:: d_step { at == STARTS && !units -> at = RESTS }
	:: d_step { at == STARTS && units && (GATE0(me)) -> at = ENDS }
	/* It runs what it was handed, for as long as that takes. */
	:: d_step { (at == RUNS || at == HANDED) && ((GATE(task)) || FLAGGED(task)) -> task = 0; at = ENDS }
#ifndef FEWER
	:: d_step { at == HANDED -> ready = ready | BIT(task); units = 0; task = 0; at = RESTS } /* it has run several in a row */
#endif
	:: d_step {
		   at == RESTS && ready ->
		   do
		   :: !IN(ready, task) -> task++
		   :: else -> break
		   od;
		   ready = ready & ~BIT(task);
		   units = NEED(task);
		   at = RUNS
	   }
	/* admission_hand_on(): what is owed; what is in the hand; is there anybody? What was empty stays so. */
	:: d_step {
		   at == ENDS ->
		   used = used - units;
		   owes = (owed != 0);
		   at = OWED
	   }
	:: d_step {
		   at == OWED ->
		   if
		   :: owed && VAR != 18 -> at = GIVES
		   :: else -> at = EMPTY
		   fi
	   }
	:: d_step {
		   at == EMPTY ->
		   if
		   :: HAS(me) -> n = next[me]; at = (VAR == 17 -> TAKES : TAKEN)
		   :: !HAS(me) && (!waiting || (fills == FILLS_MAX && VAR != 10)) -> at = GIVES
		   :: else -> fills = (VAR == 10 -> 1 : fills + 1); at = TOKEN
		   fi
	   }
	:: d_step {
		   at == TOKEN ->
		   if
		   :: token == IDLE -> token = BUSY; job = LOOK + 1 + me; hand_units[me] = units; at = FILLS
		   :: else -> at = BUSY_GIVE
		   fi
	   }
	:: d_step {
		   at == FILLS && answer[me] ->
		   if
		   :: answer[me] == ANSWER_GIVEN -> gave()
		   :: else -> saw = saw || answer[me] == ANSWER_KICK; at = OWED
		   fi;
		   answer[me] = 0
	   }
	/* hand_take() */
	:: d_step {
		   at == TAKES ->
		   if
		   :: n >= end[me] -> n = 0; at = SAYS
		   :: else -> at = TAKEN
#if VAR == 17
			   ; next[me] = n + 1
#endif
		   fi
	   }
	:: d_step {
		   at == TAKEN ->
		   task = slot[me * HAND + n];
		   ours = (same_turn[me * HAND + n] && wst[task] == WAITING);
		   n++;
		   if
		   :: ours ->
			   assert(!IN(listed, task));
			   grant(task);
			   assert(!owes || !owed);
			   /* Those of another shape before it. */
			   assert(!(seen & (BIT(task) - 1) & (IS_LARGE(task) -> ~KINDS : KINDS)));
			   at = NOTES_NEXT
		   :: else -> task = 0; at = PASSES
		   fi
	   }
	:: d_step { at == PASSES -> passed_over[me] = 1; at = NOTES_NEXT }
	:: d_step {
		   at == NOTES_NEXT ->
		   next[me] = n;
		   if
		   :: ours -> n = 0; fills = 0; owes = 0; go_on(HANDED)
		   :: else -> at = TAKES
		   fi;
		   ours = 0
	   }
	/* All were decided: hand_on_at_once() says nothing. */
	:: d_step { at == SAYS && !fills -> at = OWED }
	:: d_step { at == SAYS -> look_all = 1; saw = 1; at = OWED }
	:: d_step {
		   at == GIVES ->
		   give_back(units, saw);
		   gave()
	   }
	/* It found the token taken. */
	:: d_step {
		   at == BUSY_GIVE ->
		   ours = 0;
		   give_back(units, ours);
		   if
		   :: ours -> ours = 0; at = (VAR == 20 || VAR == 21 -> KICKS_GIVEN : SAYS_GIVEN); units = 0
		   :: else -> gave()
		   fi
	   }
	:: d_step {
		   at == SAYS_GIVEN ->
		   given = 1;
		   if
		   :: VAR == 20 -> gave()
		   :: else -> at = KICKS_GIVEN
		   fi
	   }
	:: d_step {
		   at == KICKS_GIVEN ->
		   kick_it();
		   if
		   :: VAR == 20 -> at = SAYS_GIVEN
		   :: else -> gave()
		   fi
	   }
	:: d_step { at == KICKS -> saw = 0; look_all = 1; kick_it(); at = then; then = RESTS }
	od
}

/* Granted at once, or it waits. */
proctype arrival(byte me)
{
	atomic {
		if
		:: spare >= NEED(me) && !CLAIM ->
			spare = spare - NEED(me);
			grant(me);
			ready = ready | BIT(me);
			done++;
			goto over
		:: else
		fi
	};
	waiting++;
	d_step { wst[me] = WAITING; arrivals = arrivals | BIT(me) };
	d_step { kick_it(); done++ };
over:
	skip
}

proctype giver()
{
	bool saw;
	GIVE_WHEN;
	d_step { used--; give_back(1, saw) };
	if
	:: saw -> kick_all()
	:: else
	fi;
	done++
}

#ifdef CANCEL
#define CANCELLERS 1
proctype canceller()
{
	CANCEL_WHEN;
	if
#ifndef BY_GROUP
	:: d_step { wst[CANCEL] == WAITING -> wst[CANCEL] = CANCELLED; cancel_said_yes = 1 };
		cancels = cancels | BIT(CANCEL)
#endif
#ifndef BY_STATE
	:: flag = 1;
		sweep = 1
#endif
	:: d_step { wst[CANCEL] == GRANTED }
	fi;
	kick_all();
	done++
}
#else
#define CANCELLERS 0
#endif

#if SHRINKS
proctype shrinker()
{
	SHRINK_WHEN;
	d_step {
		lowered = 1;
		if
		:: spare > 0 -> spare--
		:: else -> owed++
		fi
	};
	sweep = 1;
	kick_all();
	done++
}
#endif

init
{
	byte i;
	atomic {
		do
		:: i < W ->
			if
			:: IN(LISTED, i) -> wst[i] = WAITING; count++; waiting++
			:: else -> run arrival(i)
			fi;
			i++
		:: else -> break
		od;
		used = GIVERS + UNITS(0) + UNITS(1);
		seen = listed;
		run door();
		run owner(0);
#ifndef ALONE
		run owner(1);
#endif
#if GIVERS
		run giver();
#endif
#ifdef CANCEL
		run canceller();
#endif
#if SHRINKS
		run shrinker();
#endif
		i = 0
	};
	/* All have ended, and nobody has anything to do. */
	d_step {
		done == GIVERS + CANCELLERS + SHRINKS + W - (LISTED & 1) - (LISTED >> 1 & 1) - (LISTED >> 2 & 1) &&
			used == 0 && spare + SHRINKS == LIMIT && !owed && token == IDLE && !job && !ready && !listed &&
			!aside && !forgone && !arrivals && !cancels && !count && !waiting && claimant == NOBODY && !WAIT &&
			!CLAIM && !filled[0] && !filled[1];
		do
		:: i < W -> assert(ended[i]); i++
		:: else -> break
		od
#ifdef CANCEL
		;
		assert(!cancel_said_yes || wst[CANCEL] == CANCELLED)
#endif
	}
}
