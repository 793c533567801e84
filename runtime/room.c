/* SPDX-License-Identifier: MIT */
/*
 * room.c - the waiting room: demands that wait, by class, priority and age.
 *
 * Holds:     lists; takes nothing from the ledger and decides nothing.
 * Invariant: R1  the leaders of a class stand in the order of priority (higher first), then of age.
 *            R2  count == everywhere + sum(at_node) == waiters in all shapes.
 *            R3  no leader of a class wants less of any resource than the class's `least`.
 * Together:  nothing: the holder of admission's token is alone here.
 * Not here:  arrivals (admission.c), the token and claims (kick.c).
 *
 * Demands of the same class, priority, units and home fail and fit alike, so they form a shape: a queue whose oldest
 * leads. A scan looks at leaders only, which makes 100,000 equal waiters cost as much as one.
 */
#include "runtime/room.h"

#include <stdlib.h>
#include <string.h>

enum { LENDING_LOOKS = 16 /* leaders that may start elsewhere only, to look behind for one that may start here */ };

bool room_init(struct room *room, uint32_t nodes)
{
	memset(room, 0, sizeof(*room));
	room->nodes = nodes;
	room->at_node = calloc(nodes, sizeof(*room->at_node));
	/* Pages that were never written to are none. */
	room->latest = calloc(ROOM_LATEST_MAX, sizeof(struct waiter *));
	room->latest_mask = ROOM_LATEST_FIRST - 1;
	return room->at_node && room->latest;
}

void room_fini(struct room *room)
{
	free(room->at_node);
	free(room->latest);
}

uint32_t room_service(weir_class task_class)
{
	static const uint8_t service[WEIR_CLASSES] = {[WEIR_CRITICAL] = SERVICE_CRITICAL,
						      [WEIR_HIGH] = SERVICE_HIGH,
						      [WEIR_NORMAL] = SERVICE_NORMAL,
						      [WEIR_BEST_EFFORT] = SERVICE_BEST_EFFORT};
	return service[task_class];
}

bool waiter_is_cancelled(const struct waiter *waiter)
{
	return waiter_state(waiter) == WAITER_CANCELLED ||
	       (waiter->cancelled && at_load(waiter->cancelled, relaxed, none));
}

static struct room_class *class_of(struct room *room, const struct waiter *waiter)
{
	return &room->service[room_service(waiter->demand.task_class)];
}

/* Whether room that is kept for another may be lent to it depends on how long it runs: about as long is the same. */
static int run_scale(const struct waiter *waiter)
{
	return waiter->demand.run_ns ? 64 - __builtin_clzll(waiter->demand.run_ns) : 0;
}

static bool same_shape(const struct waiter *a, const struct waiter *b)
{
	return elastic_same(&a->wish.elastic, &b->wish.elastic) && a->wish.units.main == b->wish.units.main &&
	       a->wish.units.counted == b->wish.units.counted && a->wish.home == b->wish.home &&
	       a->wish.home_only == b->wish.home_only && run_scale(a) == run_scale(b) &&
	       a->demand.task_class == b->demand.task_class && a->demand.priority == b->demand.priority;
}

static struct waiter **chain_of(struct room *room, const struct waiter *waiter)
{
	uint64_t mixed = waiter->wish.units.main * UINT64_C(0x9e3779b97f4a7c15);
	mixed ^= (waiter->wish.units.counted + waiter->wish.home) * UINT64_C(0xc2b2ae3d27d4eb4f);
	mixed ^= (uint64_t)(uint32_t)waiter->demand.priority * UINT64_C(0x165667b19e3779f9);
	return &room->shape[mixed >> 32 & (ROOM_CHAINS - 1)];
}

static struct waiter **find_shape(struct room *room, const struct waiter *waiter)
{
	struct waiter **link = chain_of(room, waiter);
	while (*link && *link != waiter && !same_shape(*link, waiter))
		link = &(*link)->chain;
	return link;
}

static bool served_before(const struct waiter *a, const struct waiter *b)
{
	if (a->demand.priority != b->demand.priority)
		return a->demand.priority > b->demand.priority;
	return waiter_order(a) < waiter_order(b);
}

/* Put a leader after `place` (NULL: first). */
static void link_after(struct room_class *class, struct waiter *leader, struct waiter *place)
{
	class->stale &= class->first != NULL;
	class->least = class->first ? room_less_of_each(class->least, leader->wish.units) : leader->wish.units;
	leader->before = place;
	leader->after = place ? place->after : class->first;
	*(leader->before ? &leader->before->after : &class->first) = leader;
	*(leader->after ? &leader->after->before : &class->last) = leader;
}

/* Does it want the least of something that anybody wants? */
static bool is_least(const struct packed *least, const struct packed *units)
{
	uint64_t main = least->main ^ units->main;
	return !(main & word_mask(WEIR_CPU)) || !(main & word_mask(WEIR_MEMORY)) ||
	       !(main & word_mask(WEIR_BANDWIDTH)) || units->counted;
}

static void unlink_leader(struct room_class *class, struct waiter *leader)
{
	class->stale |= is_least(&class->least, &leader->wish.units);
	*(leader->before ? &leader->before->after : &class->first) = leader->after;
	*(leader->after ? &leader->after->before : &class->last) = leader->before;
}

/* Who is how old, as far as anybody may ask: twice as many whenever more wait. */
static void remember_more(struct room *room)
{
	uint64_t size = room->latest_mask + 1;
	for (uint64_t i = 0; i < size; i++)
		room->latest[size + i] = room->latest[i];
	room->latest_mask = 2 * size - 1;
}

static inline struct waiter *latest_at(const struct room *room, uint64_t order)
{
	return room->latest[order & room->latest_mask];
}

static void count(struct room *room, const struct waiter *waiter, uint32_t change)
{
	room->count += change;
	*(waiter->wish.home_only ? &room->at_node[waiter->wish.home] : &room->everywhere) += change;
}

void waiter_show(struct waiter *waiter)
{
	struct waiter_shown *shown = &waiter->shown;
	const struct wish *wish = &waiter->wish;
	uint64_t home = wish->home == NO_NODE ? 0 : wish->home + 1;
	uint64_t where = (uint64_t)(uint32_t)waiter->demand.priority << 32 | home << 8 |
			 (uint64_t)wish->home_only << 7 | (uint64_t)waiter->demand.task_class;
	/* ORDER(shown): release, pairs with the acquires in look() (why.c): who sees one of them sees that the use before is
	 * over. */
	at_store(&shown->main, wish->units.main, release, shown);
	at_store(&shown->counted, wish->units.counted, release, shown);
	at_store(&shown->where, where, release, shown);
	at_store(&waiter->order, 0, release, shown);
}

bool room_add(struct room *room, struct waiter *waiter)
{
	at_store(&waiter->order, ++room->order, relaxed, none);
	waiter->next = NULL;
	waiter->overtaken = 0;
	waiter->outranked = 0;
	waiter->head_since_ns = 0;
	waiter->place = PLACE_LISTED;
	if (unlikely(room->count > room->latest_mask) && room->latest_mask < ROOM_LATEST_MAX - 1)
		remember_more(room);
	room->latest[room->order & room->latest_mask] = waiter;
	count(room, waiter, 1);
	struct waiter **link = find_shape(room, waiter);
	if (*link) {
		waiter->before = (*link)->last;
		(*link)->last->next = waiter;
		(*link)->last = waiter;
		return false;
	}
	*link = waiter;
	waiter->chain = NULL;
	waiter->last = waiter;
	struct room_class *class = class_of(room, waiter);
	struct waiter *place = class->last;
	while (place && served_before(waiter, place))
		place = place->before;
	link_after(class, waiter, place);
	return true;
}

static void remove_follower(struct waiter *leader, struct waiter *follower)
{
	follower->before->next = follower->next;
	*(follower->next ? &follower->next->before : &leader->last) = follower->before;
}

static void remove_leader(struct room *room, struct waiter *leader, struct waiter **link)
{
	struct room_class *class = class_of(room, leader);
	struct waiter *heir = leader->next;
	struct waiter *place = leader->before;
	unlink_leader(class, leader);
	if (!heir) {
		*link = leader->chain;
		return;
	}
	heir->last = leader->last;
	heir->chain = leader->chain;
	*link = heir;
	struct waiter *next = place ? place->after : class->first;
	while (next && served_before(next, heir)) {
		place = next;
		next = next->after;
	}
	link_after(class, heir, place);
}

void room_remove(struct room *room, struct waiter *waiter)
{
	struct waiter **link = find_shape(room, waiter);
	waiter->place = PLACE_ASIDE;
	count(room, waiter, UINT32_MAX);
	if (*link == waiter)
		remove_leader(room, waiter, link);
	else
		remove_follower(*link, waiter);
}

struct waiter *room_sweep(struct room *room, bool (*leaves)(struct waiter *waiter, void *context), void *context)
{
	struct waiter *out = NULL;
	for (uint32_t s = 0; s < WEIR_CLASSES; s++) {
		/* The followers first: who comes after a leader that leaves was asked already. */
		for (struct waiter *leader = room->service[s].first, *after; leader; leader = after) {
			after = leader->after;
			for (struct waiter *one = leader->next, *next; one; one = next) {
				next = one->next;
				if (!leaves(one, context))
					continue;
				remove_follower(leader, one);
				count(room, one, UINT32_MAX);
				one->place = PLACE_ASIDE;
				one->next = out;
				out = one;
			}
			if (leaves(leader, context)) {
				room_remove(room, leader);
				leader->next = out;
				out = leader;
			}
		}
	}
	return out;
}

/* Lending: chain.c. ---------------------------------------------------------------------------------------------- */

/* May it start on this place, as far as it says itself? */
static bool may_start_at(const struct waiter *waiter, uint32_t place)
{
	return !waiter->wish.home_only || waiter->wish.home == place;
}

struct waiter *room_first_at(const struct room *room, uint32_t place)
{
	int looked = 0;
	for (uint32_t s = 0; s < WEIR_CLASSES; s++)
		for (struct waiter *leader = room->service[s].first; leader; leader = leader->after) {
			if (may_start_at(leader, place))
				return leader;
			if (++looked == LENDING_LOOKS)
				return NULL;
		}
	return NULL;
}

/* A leader that stands nowhere goes to the place of its age, which is behind `place` (NULL: the front). */
static void link_behind(struct room_class *class, struct waiter *leader, struct waiter *place)
{
	struct waiter *next = place ? place->after : class->first;
	while (next && served_before(next, leader)) {
		place = next;
		next = next->after;
	}
	link_after(class, leader, place);
}

/* What lending looks at in who leads a shape. */
static inline void fetch_leader(const struct waiter *leader)
{
	if (!leader)
		return;
	__builtin_prefetch(&leader->last, 1);
	__builtin_prefetch(&leader->wish.home);
	__builtin_prefetch(&leader->demand.task_class);
}

void room_fetch(struct room *room)
{
	for (const char *line = (const char *)room->service; line < (const char *)room->shape; line += CACHE_LINE)
		__builtin_prefetch(line, 1);
	__builtin_prefetch(&room->heir, 1);
	__builtin_prefetch(&room->count, 1);
	fetch_leader(at_load(&room->heir, relaxed, none));
}

uint32_t room_coming(const struct room *room, uint64_t order, struct waiter **out, uint32_t most)
{
	uint64_t there = room->order < order ? 0 : room->order - order + 1;
	uint32_t count = there < most ? (uint32_t)there : most;
	uint64_t from = order & room->latest_mask, straight = room->latest_mask + 1 - from;
	uint32_t first = count < straight ? count : (uint32_t)straight;
	memcpy(out, room->latest + from, first * sizeof(struct waiter *));
	memcpy(out + first, room->latest, (count - first) * sizeof(struct waiter *));
	return count;
}

void room_fetch_coming(const struct room *room, uint64_t order, uint32_t most)
{
	enum { IN_A_LINE = CACHE_LINE / sizeof(struct waiter *) };
	for (uint64_t i = 0; i < most && order + i <= room->order; i += IN_A_LINE)
		__builtin_prefetch(&room->latest[(order + i) & room->latest_mask]);
}

void room_fetch_first(const struct room *room, const struct waiter *leader, uint32_t most)
{
	uint64_t order = waiter_order(leader);
	for (uint64_t i = 1; i < ROOM_AHEAD && i < most && order + i <= room->order; i++)
		__builtin_prefetch(latest_at(room, order + i), 1);
	if (order + most <= room->order)
		__builtin_prefetch(&latest_at(room, order + most)->last, 1);
}

/* In a long queue who comes next is cold, and is found only by who comes before; so those who came a while after are fetched
 * meanwhile, of whatever shape they are. No more than are lent: who comes after them is another's, who has fetched it. */
uint32_t room_lend(struct room *room, struct waiter *leader, uint32_t place, struct waiter **out, uint32_t most)
{
	struct room_class *class = class_of(room, leader);
	struct waiter **link = find_shape(room, leader);
	struct waiter *rival = leader->after;
	for (int i = 0; rival && i < LENDING_LOOKS && !may_start_at(rival, place); i++)
		rival = rival->after;
	uint64_t order = waiter_order(leader) + ROOM_AHEAD;
	struct waiter *heir = leader;
	uint32_t lent = 0;
	while (heir && lent < most && heir->may_be_lent && (!rival || served_before(heir, rival))) {
		heir->place = PLACE_COMING;
		bool ahead = lent + ROOM_AHEAD < most && order + lent <= room->order;
		__builtin_prefetch(ahead ? latest_at(room, order + lent) : heir, 1);
		out[lent++] = heir;
		heir = heir->next;
	}
	struct waiter *before = leader->before;
	unlink_leader(class, leader);
	*link = heir ? heir : leader->chain;
	if (heir) {
		heir->last = leader->last;
		heir->chain = leader->chain;
		link_behind(class, heir, before);
		at_store(&room->heir, heir, relaxed, none);
	}
	return lent;
}

void room_take_back(struct room *room, struct waiter **lent, uint32_t count)
{
	struct room_class *class = class_of(room, lent[0]);
	struct waiter **link = find_shape(room, lent[0]);
	struct waiter *old = *link;
	struct waiter *last = old ? old->last : NULL;
	bool leads = !old || waiter_order(lent[0]) < waiter_order(old);
	if (leads) {
		lent[0]->chain = old ? old->chain : NULL;
		*link = lent[0];
		if (old)
			unlink_leader(class, old);
	}
	/* Others of the shape may have been lent to other places, and come back before: all by age. */
	struct waiter *before = leads ? NULL : old;
	struct waiter *next = leads ? old : old->next;
	for (uint32_t i = 0; i < count; i++) {
		for (; next && waiter_order(next) < waiter_order(lent[i]); next = next->next)
			before = next;
		lent[i]->place = PLACE_LISTED;
		lent[i]->before = before;
		lent[i]->next = next;
		if (before)
			before->next = lent[i];
		if (next)
			next->before = lent[i];
		else
			last = lent[i];
		before = lent[i];
	}
	(*link)->last = last;
	if (leads)
		link_behind(class, lent[0], NULL);
}

void room_lent_gone(struct room *room, uint32_t home, bool home_only, uint32_t number)
{
	room->count -= number;
	*(home_only ? &room->at_node[home] : &room->everywhere) -= number;
}
