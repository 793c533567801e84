/* SPDX-License-Identifier: MIT */
/*
 * policy.c - the public verbs of breakers, levels and the application's policy; rules as text.
 *
 * Holds:     nothing.
 * Not here:  what they do to a demand (gate.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "private/rcu.h"
#include "runtime/admission.h"

/* Rules. --------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t rule;
} rules[] = {
	{"hard", WEIR_ADMIT_HARD},	   {"watermark", WEIR_ADMIT_WATERMARK}, {"adaptive", WEIR_ADMIT_ADAPTIVE},
	{"deadline", WEIR_ADMIT_DEADLINE}, {"observe", WEIR_ADMIT_OBSERVE},
};

weir_status weir_rules_parse(uint32_t *out, const char *text)
{
	if (!out || !text)
		return error_set(WEIR_EINVAL, "%s is NULL", out ? "text" : "out");
	uint32_t sum = 0;
	for (const char *at = text;; at++) {
		size_t length = strcspn(at, "+"), i = 0;
		while (i < ARRAY_LENGTH(rules) &&
		       (strlen(rules[i].name) != length || strncmp(at, rules[i].name, length) != 0))
			i++;
		if (i == ARRAY_LENGTH(rules))
			return error_set(
				WEIR_EINVAL,
				"rule \"%.*s\": give hard, watermark, adaptive, deadline or observe, or several "
				"with + between them",
				(int)(length < 60 ? length : 60), at);
		sum |= rules[i].rule;
		at += length;
		if (!*at)
			break;
	}
	*out = sum;
	return WEIR_OK;
}

size_t weir_rules_text(uint32_t sum, char *text, size_t size)
{
	size_t used = 0;
	size = text ? size : 0;
	if (size)
		*text = '\0';
	for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
		if (sum ? !(sum & rules[i].rule) : rules[i].rule != WEIR_ADMIT_HARD)
			continue;
		int length = snprintf(used < size ? text + used : NULL, used < size ? size - used : 0, "%s%s",
				      used ? "+" : "", rules[i].name);
		used += length > 0 ? (size_t)length : 0;
	}
	return used;
}

weir_status weir_admission_set_rule(weir_admission *admission, uint32_t sum)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	weir_status status = gate_check_rules("rule", sum);
	if (status)
		return status;
	gate_set_rules(admission, sum);
	admission_settle(admission);
	return WEIR_OK;
}

static weir_status check_out(const weir_admission *admission, const void *out, size_t size, size_t wanted)
{
	if (!admission || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", admission ? "out" : "admission");
	if (size != wanted)
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to its sizeof, %zu", size, wanted);
	return WEIR_OK;
}

/* Breakers. ------------------------------------------------------------------------------------------------------ */

static weir_status make_breaker(struct weir_admission *admission, struct breaker **out)
{
	struct breaker *nobody = NULL, *made = aligned_alloc(CACHE_LINE, sizeof(*made));
	if (!made)
		return error_set(WEIR_ENOMEM, "no memory for breakers");
	breaker_init(made, &admission->gate.breaker_options, clock_now_ns(&admission->clock));
	*out = made;
	/* ORDER(breaker): release, pairs with the acquire in breaker_of() (gate.c); acquire on failure: another's is whole. */
	if (at_cas(&admission->gate.breaker, &nobody, made, release, acquire, breaker))
		return WEIR_OK;
	free(made);
	*out = nobody;
	return WEIR_OK;
}

/* What is out while all are off has nothing to tell: off forgets. */
static bool is_breaker_used(struct weir_admission *admission)
{
	/* ORDER(breaker): acquire, as in breaker_of() (gate.c). */
	struct breaker *breaker = at_load(&admission->gate.breaker, acquire, breaker);
	for (int c = 0; breaker && c < WEIR_CLASSES; c++)
		if (at_load(&breaker->mode[c], relaxed, none) != WEIR_BREAKER_OFF)
			return true;
	return false;
}

weir_status weir_admission_breaker_set(weir_admission *admission, weir_class task_class, weir_breaker_mode mode)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	if ((unsigned)task_class >= WEIR_CLASSES)
		return error_set(WEIR_EINVAL,
				 "class is %d: give WEIR_NORMAL, WEIR_HIGH, WEIR_CRITICAL or WEIR_BEST_EFFORT",
				 (int)task_class);
	if ((unsigned)mode >= WEIR_BREAKER_MODES)
		return error_set(WEIR_EINVAL,
				 "mode is %d: give one of WEIR_BREAKER_OFF (0) to WEIR_BREAKER_OBSERVE (%d)", (int)mode,
				 WEIR_BREAKER_OBSERVE);
	/* ORDER(breaker): acquire, as in breaker_of() (gate.c). */
	struct breaker *breaker = at_load(&admission->gate.breaker, acquire, breaker);
	if (!breaker && mode == WEIR_BREAKER_OFF)
		return WEIR_OK;
	weir_status status = breaker ? WEIR_OK : make_breaker(admission, &breaker);
	if (status)
		return status;
	breaker_set(breaker, task_class, mode, clock_now_ns(&admission->clock));
	gate_mark_used(admission, GATE_BREAKER, is_breaker_used);
	/* Who lies in a hand comes back: what is handed on no breaker counts. */
	admission_settle(admission);
	return WEIR_OK;
}

weir_status weir_admission_breaker_get(weir_admission *admission, const weir_demand *demand, weir_breaker_view *out)
{
	weir_status status = check_out(admission, out, out ? out->size : 0, sizeof(*out));
	if (status)
		return status;
	struct packed units;
	status = limits_pack(&admission->tracker->ledger.limits, demand, &units);
	if (status)
		return status;
	/* ORDER(breaker): acquire, as in breaker_of() (gate.c). */
	struct breaker *breaker = at_load(&admission->gate.breaker, acquire, breaker);
	if (breaker)
		breaker_look(breaker, breaker_key(demand->task_class, units), clock_now_ns(&admission->clock), out);
	else
		*out = (weir_breaker_view){.size = sizeof(*out)};
	return WEIR_OK;
}

/* Levels. -------------------------------------------------------------------------------------------------------- */

weir_status weir_admission_level_get(weir_admission *admission, weir_level_change *out)
{
	weir_status status = check_out(admission, out, out ? out->size : 0, sizeof(*out));
	if (status)
		return status;
	levels_look(&admission->gate.levels, out);
	return WEIR_OK;
}

weir_status weir_admission_feed(weir_admission *admission, const weir_reading *reading)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	if (reading && reading->size != sizeof(*reading))
		return error_set(WEIR_EINVAL, "reading->size is %zu: set it to %zu", reading->size, sizeof(*reading));
	gate_feed(admission, reading);
	return WEIR_OK;
}

weir_status weir_admission_note_delay(weir_admission *admission, uint64_t delay_ns)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	law_note(&admission->gate.law, delay_ns < UINT64_MAX ? delay_ns : UINT64_MAX - 1);
	return WEIR_OK;
}

/* The application's policy. -------------------------------------------------------------------------------------- */

static bool is_policy_used(struct weir_admission *admission)
{
	return at_load(&admission->gate.policy, relaxed, none) != NULL;
}

weir_status weir_admission_set_policy(weir_admission *admission, const weir_policy *policy)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	if (policy && !policy->fn)
		return error_set(WEIR_EINVAL,
				 "policy.fn is NULL: set it, or give NULL in place of the policy for none");
	struct policy_box *box = NULL;
	if (policy) {
		box = malloc(sizeof(*box));
		if (!box)
			return error_set(WEIR_ENOMEM, "no memory for a policy");
		*box = (struct policy_box){.policy = *policy};
	}
	/* ORDER(policy): release, pairs with the acquire in ask_policy() (gate.c); acquire, because the old one is freed. */
	struct policy_box *old = at_swap(&admission->gate.policy, box, acq_rel, policy);
	gate_mark_used(admission, GATE_POLICY, is_policy_used);
	rcu_synchronize_all();
	free(old);
	admission_settle(admission);
	return WEIR_OK;
}
