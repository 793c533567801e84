/* SPDX-License-Identifier: MIT */
/*
 * names.h - what a grant is called: the ids that callers give, each in use once.
 *
 * The way of an id: claim; take; bind to the book_handle(); publish with record.name = names_number(). Then: find;
 * unpublish; and whoever won that forgets the number in the record, whether he came by id or by handle. So the book
 * decides who releases, and an id is gone when its grant is. Bind comes before publish, because from then on anyone may
 * unpublish. All functions: any thread, lock-free.
 */
#ifndef WEIR_NAMES_H
#define WEIR_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/tracker.h>

#include "runtime/slots.h"

enum { NAME_ID_WORDS = (WEIR_ID_MAX + 1) / 8 };

struct names;

/* An entry; names.c's, but for what is inlined here. */
struct name {
	struct slot_link link; /* the slots' */
	_Atomic(uint64_t) generation;
	_Atomic(uint64_t) next;	 /* a link */
	_Atomic(uint64_t) grant; /* or CLAIMED, or ABANDONED */
	_Atomic(uint64_t)
		id[NAME_ID_WORDS]; /* with its terminating zero; ids of up to 31 bytes stay in one cache line */
	uint64_t hash;
	uint32_t number; /* for life */
};

/* Errors: WEIR_ENOMEM. names_destroy() forgets what is still named; nobody else may use it meanwhile. */
weir_status names_create(struct names **out, uint32_t names_max);
void names_destroy(struct names *names);

/* Make an id the caller's, to be bound or dropped. *out stays valid until then.
 * Errors: WEIR_EEXIST (in use, or its release is under way), WEIR_EINVAL (NULL, empty, or longer than WEIR_ID_MAX),
 * WEIR_EFULL (names_max, and a thousand to spare, are in use or wait to be taken out). */
weir_status names_claim(struct names *names, const char *id, struct name **out);

/* Give it its grant: from here on it can be found by anyone. Before book_publish(). */
static ALWAYS_INLINE void names_bind(struct name *name, weir_grant grant)
{
	/* ORDER(name_grant): release, pairs with the acquires in look_up(), names_forget() and names_text(). */
	at_store(&name->grant, grant.handle, release, name_grant);
}

/* Give up a claim that was not bound. */
void names_drop(struct names *names, struct name *name);

/* The grant of an id; it may be unpublished by the time the caller looks. Errors: WEIR_ENOENT (unknown, not bound yet,
 * or forgotten), WEIR_EINVAL. */
weir_status names_find(struct names *names, const char *id, weir_grant *out);

/* For book_record.name: never 0. */
static ALWAYS_INLINE uint32_t names_number(const struct name *name)
{
	return name->number + 1;
}

/* Take the id of an unpublished grant out of use: called once, by whoever won book_unpublish(). number 0: no id,
 * nothing happens. Names must have been bound to that grant, or nothing happens. */
void names_forget(struct names *names, uint32_t number, weir_grant grant);

/* The id of a grant whose record has this number. False: forgotten, or not bound yet; out is then "". */
bool names_text(struct names *names, uint32_t number, weir_grant grant, char out[WEIR_ID_MAX + 1]);

/* Names in use, and those that wait to be taken out of their chains. Exact at rest, when none waits. */
uint64_t names_count(struct names *names);

#endif
