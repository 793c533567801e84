/* SPDX-License-Identifier: MIT */
/*
 * book.h - who holds what: the record of every live grant, found by its handle.
 *
 * A handle is 24 bits of slot and 40 bits of generation, never 0, and never the same for two grants of one book, so a
 * stale one is known for what it is. Order of use: reserve, take from the ledger, publish; unpublish, give to the
 * ledger.
 */
#ifndef WEIR_BOOK_H
#define WEIR_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/resource.h>

struct book;

/* What a grant took: the ledger's words as they were taken, and where from. The book only keeps it. */
struct book_record {
	uint64_t main;
	uint64_t counted;
	uint32_t cpu_node;    /* below 65,536 */
	uint32_t memory_node; /* below 65,536 */
	uint32_t name;	      /* names_number() of its id, 0: none */
};

#define BOOK_FULL UINT32_MAX

/* grants_max: how many grants can be live at once; other threads' caches can add to it (slots.c, S2 and S3).
 * Errors: WEIR_ENOMEM. */
weir_status book_create(struct book **out, uint32_t grants_max);
void book_destroy(struct book *book);

/* A slot for a grant to come, the caller's until book_publish() or book_cancel(); BOOK_FULL if grants_max are live. */
uint32_t book_reserve(struct book *book);
void book_cancel(struct book *book, uint32_t slot);

/* From here on the grant can be read, walked over and unpublished by anyone. */
weir_grant book_publish(struct book *book, uint32_t slot, const struct book_record *record);

/* Strike a grant out; *out is what it held, for the ledger. Exactly one caller wins. Errors: WEIR_ESTALE for all
 * others. */
weir_status book_unpublish(struct book *book, weir_grant grant, struct book_record *out);

/* The record of a live grant. Errors: WEIR_ESTALE. */
weir_status book_read(struct book *book, weir_grant grant, struct book_record *out);

/* Call fn for each live grant until it returns false; fn may unpublish and publish. A walk, not a snapshot: off by what
 * overlaps it. */
void book_each(struct book *book, bool (*fn)(weir_grant grant, const struct book_record *record, void *context),
	       void *context);

/* Grants that are live or reserved. Exact at rest. */
uint64_t book_count(struct book *book);

#endif
