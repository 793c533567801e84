/* SPDX-License-Identifier: MIT */
/*
 * handful.pml - calls in a worker's hand, which the owner takes by plain stores and thieves steal, as runtime/handful.h has it.
 *
 * Modelled:  one hand that its owner fills FILLS times with K calls and takes from; thieves that steal half. The owner's stores
 *            of next go through a store buffer; its loads of next come from there first. A locked instruction of the owner, and
 *            a barrier that a thief has the kernel put into it, wait until the buffer is empty.
 * Steps:     every access to shared memory is a step of its own.
 *
 * Properties: D3 each call comes out at most once (assert in got()), and once when all is done.
 *             Thieves copy calls of the fill that they belong to (assert in thief()).
 * Variants:   VAR=0 is the code. Each other one leaves out something that the code claims is needed: see run.sh.
 */
#ifndef VAR
#define VAR 0
#endif
#ifndef SCENE
#define SCENE 0
#endif
#if SCENE == 0 /* one long fill, one thief that comes again */
#define K 4
#define FILLS 1
#define THIEVES 1
#define TRIES 2
#elif SCENE == 1 /* filled again while thieves are late */
#define K 2
#define FILLS 2
#define THIEVES 2
#define TRIES 1
#else /* more fills, one thief */
#define K 2
#define FILLS 3
#define THIEVES 1
#define TRIES 2
#endif
#define PLACES 12

byte next, end, top, first;
bool at_it;
byte out[PLACES]; /* how often each came out */
byte put;	  /* places that were filled */
byte done;

chan buffer = [6] of { byte };
byte pending, last;
#define STORE_NEXT(v) d_step { buffer!v; pending++; last = v }
#define OWN_NEXT (pending -> last : next)
#define DRAINED empty(buffer)

active proctype memory()
{
	byte value;
end_memory:
	do
	:: d_step { buffer?value -> next = value; pending--; value = 0 }
	od
}

inline got(place)
{
	assert(out[place] == 0);
	out[place]++
}

proctype owner()
{
	byte n, fills;
	bool ok;
	do
	:: OWN_NEXT < end ->
		/* take */
		n = OWN_NEXT;
		STORE_NEXT(n + 1);
#if VAR == 5
		ok = 1;
#else
		ok = (n < end);
#endif
		if
		:: ok -> d_step { got(n) }
#if VAR == 7
		:: else
#else
		:: else -> STORE_NEXT(n)
#endif
		fi;
		d_step { ok = 0; n = 0 }
	:: OWN_NEXT >= end && fills < FILLS ->
		/* open */
		d_step {
			DRAINED ->
#if VAR == 4
			ok = (OWN_NEXT >= end);
#else
			ok = (OWN_NEXT >= end && !at_it);
#endif
			if
			:: ok -> at_it = 1
			:: else
			fi
		};
		if
		:: ok ->
			fills++;
#if VAR == 6
			d_step { first = end; put = put + K };
#else
			d_step { first = top; put = put + K };
#endif
			STORE_NEXT(first);
			top = first + K;
			/* close */
			d_step { DRAINED -> end = top; at_it = 0 }
		:: else
		fi;
		ok = 0
	:: OWN_NEXT >= end && fills == FILLS && !at_it -> break
	od;
	done++
}

proctype thief()
{
	byte e, n, middle, tries;
	bool ok;
	do
	:: tries < TRIES ->
		tries++;
		d_step { e = end; ok = !at_it };
		n = next;
		if
		:: ok && n < e ->
			middle = e - (e - n + 1) / 2;
			d_step {
#if VAR == 8
				ok = (end == e);
#else
				ok = (end == e && !at_it);
#endif
				if
				:: ok -> end = middle; at_it = 1
				:: else
				fi
			};
			if
			:: ok ->
#if VAR != 1
				DRAINED;
#endif
				n = next;
				d_step {
					if
#if VAR == 2
					:: true -> n = middle
#elif VAR == 3
					:: n > middle -> n = n - 1
#else
					:: n > e -> n = e
#endif
					:: n < middle -> n = middle
					:: else
					fi
				};
				d_step {
					middle = n;
					do
					:: n < e -> assert(n >= first); got(n); n++
					:: else -> break
					od
				};
				d_step { end = middle; at_it = 0 }
			:: else
			fi
		:: else
		fi;
		d_step { e = 0; n = 0; middle = 0; ok = 0 }
	:: else -> break
	od;
	done++
}

init
{
	byte i;
	atomic {
		do
		:: i < THIEVES -> run thief(); i++
		:: else -> break
		od;
		run owner();
		i = 0
	};
	done == THIEVES + 1;
	d_step {
		do
		:: i < PLACES ->
			assert(out[i] <= 1);
			put = put - out[i];
			i++
		:: else -> break
		od;
		assert(put == 0)
	}
}
