/* SPDX-License-Identifier: MIT */
/*
 * names.h - what a grant is called: the ids that callers give, each in use once.
 *
 * The way of an id: claim, (take and publish with record.name = names_number()), bind; then remove by id or by number.
 * All functions: any thread, lock-free but where names.c says otherwise.
 */
#ifndef WEIR_NAMES_H
#define WEIR_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/tracker.h>

struct names;
struct name;

/* Errors: WEIR_ENOMEM. names_destroy() forgets what is still named; nobody else may use it meanwhile. */
weir_status names_create(struct names **out, uint32_t names_max);
void names_destroy(struct names *names);

/* Make an id the caller's, to be bound or dropped. *out stays valid until then.
 * Errors: WEIR_EEXIST (in use, or its removal is under way), WEIR_EINVAL (NULL, empty, or longer than WEIR_ID_MAX),
 * WEIR_EFULL, WEIR_ENOMEM. */
weir_status names_claim(struct names *names, const char *id, struct name **out);

/* Give it its grant: from here on it can be found and removed by anyone. */
void names_bind(struct name *name, weir_grant grant);

/* Give up a claim that was not bound. */
void names_drop(struct names *names, struct name *name);

/* Take an id out of use; *out is its grant. Exactly one caller wins.
 * Errors: WEIR_ENOENT (unknown, not bound yet, or removed before). */
weir_status names_remove(struct names *names, const char *id, weir_grant *out);

/* The grant of an id. Errors: WEIR_ENOENT. */
weir_status names_find(struct names *names, const char *id, weir_grant *out);

/* For book_record.name: never 0. */
uint32_t names_number(const struct name *name);

/* The id of a grant whose record has this number. False: it is removed, or not bound yet; out is then "". */
bool names_text(struct names *names, uint32_t number, weir_grant grant, char out[WEIR_ID_MAX + 1]);

/* Remove the id of a grant that was given back by its handle. False: number is 0, or somebody else removed it. */
bool names_forget(struct names *names, uint32_t number, weir_grant grant);

/* Removed ids whose memory waits for a grace period. */
uint64_t names_backlog(struct names *names);

#endif
