/* SPDX-License-Identifier: MIT */
/*
 * ledger.pml - takes beside a claim and a debt, as runtime/kept.c and runtime/ledger.c have it.
 *
 * Modelled:  words (spare, SEQ, TENT, CLAIM) with claim and debt beside them; takers of one word or of two, the first with TENT;
 *            a claimant; who lowers a limit, in one step or two; who raises it; holders that give. Whoever gives where CLAIM
 *            is set collects. The note `owed` of ledger.c, which saves looking at words without debt, is left out: here all
 *            are looked at.
 * Steps:     every access to a shared word is a step of its own, together with what its process does alone after it.
 *
 * Properties: no take goes into what is owed, or claimed by another, once the word says so (assert in fits()).
 *            L5 in a scene in which what is asked for is there in every complete state, nobody is told SHORT (assert at short).
 *            L2, K1 at rest all is back: spare is the limit, nothing is owed or kept, CLAIM and TENT are clear.
 * Variants:  VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif

#define DEBT_FIRST (VAR == 3) /* what is owed is lowered before it is paid */
#define NEVER_SHORT (SCENE == 2 || SCENE == 3 || SCENE == 4)

byte spare[2], seq[2], tent[2], claim[2], debt[2], limit[2];
bit flag[2];
/* What takers must obey: raised when the word says so, lowered at once. */
byte must_claim[2], must_debt[2];
byte done;

#define LEAST(a, b) ((a) < (b) -> (a) : (b))

/* All of a word, as one that is compared and swapped. */
#define WORD(w) (spare[w] + 16 * seq[w] + 64 * tent[w] + 1024 * flag[w])
#define NEXT(w) (VAR == 1 -> seq[w] : (seq[w] + 1) % 4)

/* kept_bump() and tell(): one compare-and-swap loop. */
inline bump(w, more, less_tent, set)
{
	atomic {
		spare[w] = spare[w] + more;
		tent[w] = tent[w] - less_tent;
		seq[w] = NEXT(w);
		flag[w] = (set -> 1 : flag[w]);
		must_claim[w] = claim[w];
		must_debt[w] = debt[w]
	}
}

/* kept_look(): the word, and the vectors that were beside it. */
inline look(w)
{
	do
	:: atomic { word = WORD(w); s = spare[w]; t = tent[w]; f = flag[w]; c = 0; d = 0 };
	   if
	   :: !f -> break
	   :: else ->
		   c = claim[w];
		   d = debt[w];
		   if
		   :: VAR == 2 -> break
		   :: VAR != 2 && word == WORD(w) -> break
		   :: else
		   fi
	   fi
	od
}

/* kept_open() */
inline open(w)
{
	do
	:: look(w);
	   if
	   :: !f || c || d -> break
	   :: else ->
		   if
		   :: VAR == 4 -> flag[w] = 0; break
		   :: else ->
			   atomic {
				   if
				   :: word == WORD(w) -> flag[w] = 0; ok = 1
				   :: else -> ok = 0
				   fi
			   };
			   if
			   :: ok ->
				   if
				   :: claim[w] || debt[w] ->
					   bump(w, 0, 0, true);
					   if
					   :: VAR == 7 -> break
					   :: else
					   fi
				   :: else -> break
				   fi
			   :: else
			   fi
		   fi
	   fi
	od
}

/* So that what is over makes no states. */
inline forget()
{
	atomic { word = 0; s = 0; t = 0; c = 0; d = 0; part = 0; paid = 0; f = 0; ok = 0 }
}

inline forgive(w, most)
{
	atomic {
		paid = LEAST(debt[w], most);
		debt[w] = debt[w] - paid;
		must_debt[w] = (DEBT_FIRST -> must_debt[w] : LEAST(must_debt[w], debt[w]))
	}
}

/* kept_collect() */
inline collect(w)
{
	do
	:: d = debt[w];
	   if
	   :: !d -> open(w); break
	   :: else ->
		   atomic { word = WORD(w); part = LEAST(spare[w], d) };
		   if
		   :: !part -> break
		   :: part && DEBT_FIRST -> forgive(w, part); part = paid
		   :: else
		   fi;
		   atomic {
			   if
			   :: word == WORD(w) ->
				   ok = 1;
				   spare[w] = spare[w] - part;
				   tent[w] = tent[w] + (VAR == 5 -> 0 : 1)
			   :: else -> ok = 0
			   fi
		   };
		   if
		   :: ok && !DEBT_FIRST -> forgive(w, part); bump(w, part - paid, (VAR == 5 -> 0 : 1), false)
		   :: ok && DEBT_FIRST -> bump(w, 0, 1, false)
		   :: !ok && DEBT_FIRST -> atomic { debt[w] = debt[w] + part; must_debt[w] = debt[w] }
		   :: else
		   fi
	   fi
	od;
	forget()
}

/* The exchange of a take. */
inline fits(w, units, more_tent, mine)
{
	atomic {
		if
		:: word == WORD(w) ->
			ok = 1;
			spare[w] = spare[w] - units;
			tent[w] = tent[w] + more_tent;
			assert(spare[w] >= must_debt[w] + (mine -> 0 : must_claim[w]))
		:: else -> ok = 0
		fi
	}
}

#define TAKEN 1
#define REFUSED 2

/* take_step(): answer is TAKEN, or REFUSED, which may be for the moment only (CONTENDED), for a claim or for good. */
inline take(w, units, more_tent, mine)
{
	answer = 0;
	do
	:: answer -> break
	:: else ->
		look(w);
		d = (VAR == 6 && mine -> 0 : d);
		if
		:: s < units + d ->
			assert(!NEVER_SHORT || t || !checked);
			answer = REFUSED
		:: s >= units + d && !mine && s < units + d + c -> answer = REFUSED
		:: else ->
			fits(w, units, more_tent, mine);
			answer = (ok -> TAKEN : 0)
		fi
	od;
	forget()
}

inline give(w, units)
{
	atomic { spare[w] = spare[w] + units; f = flag[w] };
	if
	:: f -> collect(w)
	:: else
	fi
}

#define LOCALS                                   \
	short word;                              \
	byte s, t, c, d, part, paid, answer;     \
	bit f, ok, checked

/* One word, one unit; gives it back. */
proctype taker(byte w; bit is_checked)
{
	LOCALS;
	checked = is_checked;
	take(w, 1, 0, false);
	if
	:: answer == TAKEN -> give(w, 1)
	:: else
	fi;
	done++
}

/* Of word 0 with TENT, then of word 1; undone if that has none. */
proctype taker_of_two()
{
	LOCALS;
	take(0, 1, 1, false);
	if
	:: answer == TAKEN ->
		take(1, 1, 0, false);
		if
		:: answer == TAKEN ->
			tent[0] = tent[0] - 1;
			give(0, 1);
			give(1, 1)
		:: else ->
			atomic { spare[0] = spare[0] + 1; tent[0] = tent[0] - 1; f = flag[0] };
			if
			:: f -> collect(0)
			:: else
			fi
		fi
	:: else
	fi;
	done++
}

proctype holder(byte w; byte units)
{
	LOCALS;
	give(w, units);
	done++
}

/* The holder of the room's token, for one that needs `units`. It tries again when something was given. */
proctype claimant(byte w; byte units)
{
	LOCALS;
	claim[w] = units;
	bump(w, 0, 0, true);
	do
	:: take(w, units, 0, true);
	   if
	   :: answer == TAKEN -> break
	   :: else -> (spare[w] >= units + debt[w])
	   fi
	od;
	atomic { claim[w] = 0; must_claim[w] = 0 };
	bump(w, 0, 0, false);
	open(w);
	give(w, units);
	done++
}

inline lower(w, units)
{
	atomic { limit[w] = limit[w] - units; debt[w] = debt[w] + units };
	bump(w, 0, 0, true);
	collect(w)
}

proctype lowerer(byte w; byte units; byte gives)
{
	LOCALS;
	lower(w, units);
	if
	:: gives -> give(w, gives)
	:: else
	fi;
	done++
}

proctype raiser(byte w; byte units)
{
	LOCALS;
	limit[w] = limit[w] + units;
	forgive(w, units);
	bump(w, units - paid, 0, false);
	open(w);
	done++
}

/* Gives two, and then they are owed: one is left for a taker at every instant. */
proctype giver_and_lowerer()
{
	LOCALS;
	give(0, 2);
	lower(0, 2);
	done++
}

init
{
	byte all;
	atomic {
#if SCENE == 0 /* a claim, and takers that may have what it leaves */
		limit[0] = 3; spare[0] = 2; all = 3;
		run claimant(0, 2); run taker(0, false); run holder(0, 1)
#elif SCENE == 1 /* lowered with a claim, while one takes: all obey what is owed */
		limit[0] = 3; spare[0] = 2; all = 3;
		run lowerer(0, 1, 1); run claimant(0, 1); run taker(0, false)
#elif SCENE == 2 /* lowered, while another takes: one of three is always there */
		limit[0] = 3; spare[0] = 3; all = 3;
		run lowerer(0, 1, 0); run taker(0, true); run taker(0, false)
#elif SCENE == 3 /* a look at the word from before a give, at the debt from after it */
		limit[0] = 3; spare[0] = 1; flag[0] = 1; all = 2;
		run giver_and_lowerer(); run taker(0, true)
#elif SCENE == 4 /* word 1 has nothing, so that what was taken of word 0 for both comes back: it was never short */
		limit[0] = 2; spare[0] = 2; all = 3;
		run lowerer(0, 1, 0); run taker_of_two(); run taker(0, true)
#elif SCENE == 5 /* lowered below use, then raised again while it is paid */
		limit[0] = 3; spare[0] = 0; all = 3;
		run lowerer(0, 2, 0); run raiser(0, 1); run holder(0, 3)
#endif
	};
	done == all;
	assert(spare[0] == limit[0] && spare[1] == limit[1]);
	assert(!debt[0] && !debt[1] && !claim[0] && !tent[0] && !tent[1] && !flag[0] && !flag[1])
}
