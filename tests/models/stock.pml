/* SPDX-License-Identifier: MIT */
/*
 * stock.pml - counting tasks into a group from a stock, as runtime/pending.c has it.
 *
 * Modelled:  two owners, of whom each counts in some tasks of group 0, or of group 1 by the way, and pays from a stock of
 *            two or three counts where it has one, by plain stores through a store buffer; a worker that ends what was counted in;
 *            those who wait for group 0. The owner's loads come from its buffer first, as on x86. A locked instruction, and a
 *            barrier that others have the kernel put into the owner, wait until the buffer is empty.
 * Steps:     every access to shared memory is a step of its own.
 *
 * Properties: G1 pending never comes down to 0 while a task is there (assert in less()).
 *             G5 nor while a stock is out (there too).
 *             Whoever waits sees the group done: no count stays out (invalid end state).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* an owner and two that wait */
#define OWNERS 1
#define WAITERS 2
#define TASKS 4
#define COUNTS 3
#else /* two owners and one that waits */
#define OWNERS 2
#define WAITERS 1
#define TASKS 2
#define COUNTS 2
#endif

#define NONE 9
#define CLAIMED 8

/* The word of a group. */
typedef group_word {
	byte pending;
	byte stocks;
	bool closed;
	byte epoch;
	byte tasks; /* that are really there: the property */
}
group_word g[2];

/* Shown stocks. Group is only changed by locked instructions, or stored by who alone may. */
byte whose[OWNERS];
byte left[OWNERS];
bool busy[OWNERS];
byte done;

/* Each owner's store buffer, and what it reads out of it. */
typedef own {
	chan buffer = [6] of { bit, byte };
	byte pending_left, last_left
}
own o[OWNERS];

#define LEFT 0
#define BUSY 1
#define DRAINED(i) empty(o[i].buffer)
#define STORE_LEFT(i, v) d_step { o[i].buffer!LEFT, v; o[i].pending_left++; o[i].last_left = v }
#define STORE_BUSY(i, v) o[i].buffer!BUSY, v
#define OWN_LEFT(i) (o[i].pending_left -> o[i].last_left : left[i])

proctype memory(byte i)
{
	bit where;
	byte value;
end:
	do
	:: d_step {
		   o[i].buffer?where, value ->
		   if
		   :: where == LEFT -> left[i] = value; o[i].pending_left--
		   :: else -> busy[i] = value
		   fi;
		   where = 0;
		   value = 0
	   }
	od
}

/* count_out(): in one exchange. */
inline less(n, counts, some)
{
	assert(g[n].pending >= counts && g[n].stocks >= some);
	g[n].pending = g[n].pending - counts;
	g[n].stocks = g[n].stocks - some;
	if
	:: g[n].pending == 0 -> assert(g[n].tasks == 0 && g[n].stocks == 0); g[n].closed = 0; g[n].epoch++
	:: else
	fi
}

inline drop(i)
{
	/* Locked: by exchange, so one alone gets what is left. */
	d_step {
		DRAINED(i) ->
		mine = whose[i];
		if
		:: mine < CLAIMED -> whose[i] = NONE
		:: else
		fi
	};
	if
	:: mine < CLAIMED -> d_step { less(mine, left[i], 1) }
	:: else
	fi;
	mine = 0
}

proctype owner(byte i)
{
	byte n, mine, count;
	bool paid;
	do
	:: count < TASKS ->
		/* Which group? */
		if
		:: n = 0
		:: count == 1 -> n = 1
		fi;
		/* stock_pay() */
#if VAR != 2
		STORE_BUSY(i, 1);
#endif
		d_step { paid = (whose[i] == n) };
		if
		:: paid ->
			d_step {
				paid = (OWN_LEFT(i) > 1);
				if
				:: paid -> g[n].tasks++
				:: else
				fi
			};
			if
			:: paid ->
#if VAR == 3
				STORE_BUSY(i, 0);
#endif
				STORE_LEFT(i, OWN_LEFT(i) - 1)
			:: else
			fi
		:: else
		fi;
		STORE_BUSY(i, 0);
		if
		:: !paid && whose[i] == n ->
			/* refill() */
#if VAR != 5
			STORE_BUSY(i, 1);
#endif
			if
			:: whose[i] == n ->
				d_step {
					DRAINED(i) ->
					if
					:: !g[n].closed -> g[n].pending = g[n].pending + COUNTS; g[n].tasks++; paid = 1
					:: else
					fi
				};
				if
				:: paid -> STORE_LEFT(i, COUNTS)
				:: else
				fi
			:: else
			fi;
			STORE_BUSY(i, 0);
			if
			:: !paid -> drop(i)
			:: else
			fi
		:: !paid && whose[i] != n && whose[i] < CLAIMED -> drop(i)
		:: else
		fi;
		if
		:: !paid ->
			/* take(), or without */
			if
#if VAR == 4
			:: whose[i] != 0 && whose[i] != 1 ->
#else
			:: whose[i] == NONE ->
#endif
				d_step {
					DRAINED(i) ->
					if
					:: !g[n].closed ->
						g[n].pending = g[n].pending + COUNTS + 1;
						g[n].stocks++;
						g[n].tasks++;
						paid = 1
					:: else
					fi
				};
				if
				:: paid ->
					STORE_LEFT(i, COUNTS);
					/* seq_cst */
					d_step { DRAINED(i) -> whose[i] = n };
#if VAR != 6
					if
					:: g[n].closed -> drop(i)
					:: else
					fi
#endif
				:: else
				fi
			:: true
			fi
		:: else
		fi;
		if
		:: !paid -> d_step { DRAINED(i) -> g[n].pending++; g[n].tasks++ }
		:: else
		fi;
		d_step { paid = 0; n = 0; count++ }
	:: else -> break
	od;
	/* Its own end gives nothing back: who waits must get it. But group 1, for which nobody waits here. */
	if
	:: whose[i] == 1 -> drop(i)
	:: else
	fi;
	done++
}

/* Ends what is there. */
active proctype worker()
{
end:
	do
	:: d_step { g[0].tasks > 0 -> g[0].tasks--; less(0, 1, 0) }
	:: d_step { g[1].tasks > 0 -> g[1].tasks--; less(1, 1, 0) }
	od
}

proctype waiter()
{
	byte i, epoch, counts, some;
	bool got[OWNERS], none;
	epoch = g[0].epoch;
	/* group_close() */
	d_step {
		if
		:: g[0].pending > 0 -> g[0].closed = 1; some = g[0].stocks
#if VAR == 10
		:: else
#else
		:: else -> none = 1
#endif
		fi
	};
	if
	:: some > 0 ->
		i = 0;
		do
		:: i < OWNERS ->
			/* by exchange */
#if VAR == 7
			d_step { got[i] = (whose[i] == 0); whose[i] = (got[i] -> NONE : whose[i]) };
#elif VAR == 8
			got[i] = (whose[i] == 0);
			d_step { whose[i] = (got[i] -> CLAIMED : whose[i]) };
#else
			d_step { got[i] = (whose[i] == 0); whose[i] = (got[i] -> CLAIMED : whose[i]) };
#endif
			i++
		:: else -> break
		od;
#if VAR != 1
		/* The barrier: one after the other, and never taken back. */
		DRAINED(0);
#if OWNERS > 1
		DRAINED(1);
#endif
#endif
		i = 0;
		some = 0;
		do
		:: i < OWNERS && got[i] ->
#if VAR != 9
			!busy[i];
#endif
			d_step { counts = counts + left[i]; some++ };
			d_step { whose[i] = NONE; got[i] = 0; i++ }
		:: i < OWNERS && !got[i] -> i++
		:: else -> break
		od;
		if
		:: some > 0 -> d_step { less(0, counts, some) }
		:: else
		fi
	:: else
	fi;
	d_step { i = 0; counts = 0; some = 0 };
	/* Sleeps until it is told. */
	(none || g[0].pending == 0 || g[0].epoch != epoch);
	done++
}

init
{
	byte one;
	atomic {
		do
		:: one < OWNERS -> whose[one] = NONE; run memory(one); one++
		:: else -> break
		od;
		one = 0;
		do
		:: one < OWNERS -> run owner(one); one++
		:: else -> break
		od;
		one = 0;
		do
		:: one < WAITERS -> run waiter(); one++
		:: else -> break
		od
	};
	/* One more that comes when all the others are through, so that nothing stays out. */
	done == OWNERS + WAITERS;
	run waiter();
	done == OWNERS + WAITERS + 1;
	assert(g[0].stocks == 0)
}
