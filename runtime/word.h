/* SPDX-License-Identifier: MIT */
/*
 * word.h - how amounts of several resources lie in one 64-bit word, so that one compare-and-swap decides about all.
 *
 *   main      0-27 memory  28 guard  29-38 bandwidth  39 guard  40-54 CPU  55 guard
 *   counted   0-12 c0  13 guard  14-26 c1  27 guard  28-40 c2  41 guard  42-54 c3  55 guard
 *   both      56-59 TENT  60-61 SEQ  62 CLAIM  63 WAIT
 *
 * Fit:       (spare | guards) - amount keeps a guard bit exactly where the field of spare is not below that of the
 *            amount, as long as no field of the amount is above its maximum (2^k - 1): a borrow then stops at the
 *            guard. Limits are at most 2^k - 2, so that an amount clamped to 2^k - 1 never fits.
 * Invariant: L3  guard bits of a spare word are clear.
 * Not here:  units (limits.c), atomics (ledger.c).
 */
#ifndef WEIR_RUNTIME_WORD_H
#define WEIR_RUNTIME_WORD_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/resource.h>

enum word_kind { WORD_MAIN, WORD_COUNTED };

#define WORD_TENT_ONE (UINT64_C(1) << 56) /* a take of several words is under way */
#define WORD_TENT (UINT64_C(15) << 56)
#define WORD_SEQ_ONE (UINT64_C(1) << 60) /* counted on with every change of what is kept (kept.h) */
#define WORD_SEQ (UINT64_C(3) << 60)
#define WORD_CLAIM (UINT64_C(1) << 62)	   /* some of it is kept: claim and debt beside the word say what (kept.h) */
#define WORD_WAIT (UINT64_C(1) << 63)	   /* somebody waits for a release here */
#define WORD_TELL (WORD_WAIT | WORD_CLAIM) /* who gives here has to tell: who waits, or who is owed */
#define WORD_AMOUNTS ((UINT64_C(1) << 56) - 1)

#define WORD_GUARD_MEMORY (UINT64_C(1) << 28)
#define WORD_GUARDS_MAIN (WORD_GUARD_MEMORY | UINT64_C(1) << 39 | UINT64_C(1) << 55)
#define WORD_GUARDS_COUNTED (UINT64_C(1) << 13 | UINT64_C(1) << 27 | UINT64_C(1) << 41 | UINT64_C(1) << 55)

struct word_field {
	uint8_t shift;
	uint8_t bits;
};

static inline struct word_field word_field(weir_resource resource)
{
	static const struct word_field fields[WEIR_RESOURCES] = {
		[WEIR_CPU] = {40, 15},	       [WEIR_MEMORY] = {0, 28},	      [WEIR_BANDWIDTH] = {29, 10},
		[WEIR_COUNTED] = {0, 13},      [WEIR_COUNTED + 1] = {14, 13}, [WEIR_COUNTED + 2] = {28, 13},
		[WEIR_COUNTED + 3] = {42, 13},
	};
	return fields[resource];
}

static inline enum word_kind word_kind(weir_resource resource)
{
	return resource < WEIR_COUNTED ? WORD_MAIN : WORD_COUNTED;
}

/* The most a demand's field can say; a limit is at most one less. */
static inline uint32_t word_field_max(weir_resource resource)
{
	return (UINT32_C(1) << word_field(resource).bits) - 1;
}

static inline uint64_t word_mask(weir_resource resource)
{
	return (uint64_t)word_field_max(resource) << word_field(resource).shift;
}

static inline uint32_t word_get(uint64_t word, weir_resource resource)
{
	return (uint32_t)(word >> word_field(resource).shift) & word_field_max(resource);
}

/* units above the field's maximum are clamped to it. */
static inline uint64_t word_put(weir_resource resource, uint64_t units)
{
	uint32_t most = word_field_max(resource);
	return (units < most ? units : most) << word_field(resource).shift;
}

static inline uint64_t word_guards(enum word_kind kind)
{
	return kind == WORD_MAIN ? WORD_GUARDS_MAIN : WORD_GUARDS_COUNTED;
}

/* The guards that `amount` would break: 0 if it fits. Flags of spare may be set, amount has none.
 * A test build leaves memory's guard out of the answer (and the check of it below): the over-commit that follows must
 * be seen by counters that know nothing of the ledger. */
static inline uint64_t word_broken(uint64_t spare, uint64_t amount, uint64_t guards)
{
	uint64_t broken = ~((spare | guards) - amount) & guards;
#ifdef WEIR_SEED_BUG_GUARD
	broken &= ~WORD_GUARD_MEMORY;
#endif
	return broken;
}

/* Does `amount` fit, and are all of these flags of spare clear? In one test: no borrow passes the highest guard. */
static inline bool word_fits(uint64_t spare, uint64_t amount, uint64_t guards, uint64_t flags)
{
#ifdef WEIR_SEED_BUG_GUARD
	guards &= ~WORD_GUARD_MEMORY;
#endif
	return (((spare | guards) - amount) & (guards | flags)) == guards;
}

/* L3: no field has run over or under. */
static inline bool word_is_sound(uint64_t spare, uint64_t guards)
{
#ifdef WEIR_SEED_BUG_GUARD
	return true;
#endif
	return !(spare & guards);
}

/* Broken guards as bits of weir_resource. */
static inline uint32_t word_broken_resources(uint64_t broken, enum word_kind kind)
{
	uint32_t resources = 0;
	int first = kind == WORD_MAIN ? WEIR_CPU : WEIR_COUNTED;
	int end = kind == WORD_MAIN ? WEIR_COUNTED : WEIR_RESOURCES;
	for (int r = first; r < end; r++) {
		struct word_field field = word_field((weir_resource)r);
		if (broken >> (field.shift + field.bits) & 1)
			resources |= UINT32_C(1) << r;
	}
	return resources;
}

/* amount + more, each field clamped to its maximum; fields that `amount` leaves at zero stay zero. */
static inline uint64_t word_add_clamped(uint64_t amount, uint64_t more, enum word_kind kind)
{
	uint64_t sum = 0;
	int first = kind == WORD_MAIN ? WEIR_CPU : WEIR_COUNTED;
	int end = kind == WORD_MAIN ? WEIR_COUNTED : WEIR_RESOURCES;
	for (int r = first; r < end; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t units = word_get(amount, resource);
		if (units)
			sum |= word_put(resource, (uint64_t)units + word_get(more, resource));
	}
	return sum;
}

/* The lesser of two amounts, field by field. */
static inline uint64_t word_least(uint64_t a, uint64_t b, enum word_kind kind)
{
	uint64_t least = 0;
	int first = kind == WORD_MAIN ? WEIR_CPU : WEIR_COUNTED;
	int end = kind == WORD_MAIN ? WEIR_COUNTED : WEIR_RESOURCES;
	for (int r = first; r < end; r++) {
		uint64_t mask = word_mask((weir_resource)r);
		least |= (a & mask) < (b & mask) ? a & mask : b & mask;
	}
	return least;
}

/* a - b, zero where b is more. */
static inline uint64_t word_less(uint64_t a, uint64_t b, enum word_kind kind)
{
	return (a & WORD_AMOUNTS) - word_least(a, b, kind);
}

#endif
