/* SPDX-License-Identifier: MIT */
/*
 * words.c - decisions in words; names of levels and of breakers' states.
 *
 * Holds:     nothing.
 */
#include <stdarg.h>
#include <stdio.h>

#include <weir/policy.h>

#include "private/compiler.h"
#include "private/error.h"
#include "runtime/admission.h"
#include "runtime/limits_say.h"
#include "runtime/text.h"

static const char *const verdict_names[WEIR_VERDICTS] = {"admitted", "queued", "deferred", "rejected"};
static const char *const cause_names[WEIR_CAUSES] = {
	"none",	    "infeasible", "short",    "fragmented",   "class floor", "claimed",	     "contended", "queue full",
	"shutdown", "invalid",	  "deadline", "breaker open", "degraded",    "retry budget", "policy",
};

const char *weir_verdict_name(weir_verdict verdict)
{
	return (unsigned)verdict < WEIR_VERDICTS ? verdict_names[verdict] : "?";
}

const char *weir_cause_name(weir_cause cause)
{
	return (unsigned)cause < WEIR_CAUSES ? cause_names[cause] : "?";
}

void text_say(struct text *text, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t left = text->used < text->size ? text->size - text->used : 0;
	int length = vsnprintf(left ? text->at + text->used : NULL, left, format, args);
	va_end(args);
	if (length > 0)
		text->used += (size_t)length;
}

static void say_resources(struct text *text, const weir_decision *decision)
{
	uint32_t resources = decision->short_resources;
	bool first = true;
	bool named = false;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		if (!(resources >> r & 1))
			continue;
		bool by_name = r >= WEIR_COUNTED && !named && decision->short_name[0];
		text_say(text, "%s%s", first ? "" : " and ",
			 by_name ? decision->short_name : weir_resource_name((weir_resource)r));
		named |= by_name;
		first = false;
	}
	if (first)
		text_say(text, "room");
}

static void say_nodes(struct text *text, const weir_decision *decision)
{
	if (decision->short_total) {
		text_say(text, " in all");
		return;
	}
	bool first = true;
	for (int n = 0; n < 64; n++) {
		if (!(decision->short_nodes >> n & 1))
			continue;
		text_say(text, "%s%d", first ? " on node " : ", ", n);
		first = false;
	}
}

static void say_excess(struct text *text, const weir_decision *decision)
{
	char asked[AMOUNT_TEXT_BYTES], limit[AMOUNT_TEXT_BYTES];
	if (decision->asked > decision->limit)
		text_say(text, ", %s where %s %s the most",
			 limits_amount_text(decision->excess, decision->asked, asked),
			 limits_amount_text(decision->excess, decision->limit, limit),
			 decision->limit == 1 ? "is" : "are");
}

static void say_cause(struct text *text, const weir_decision *decision)
{
	switch (decision->cause) {
	case WEIR_CAUSE_INFEASIBLE:
		text_say(text, "more ");
		say_resources(text, decision);
		text_say(text, " than the limits %s", decision->short_total ? "in all" : "of any permitted node");
		say_excess(text, decision);
		text_say(text, ": it will never fit; ask for less, or raise the limits");
		break;
	case WEIR_CAUSE_FRAGMENTED:
		text_say(text, "the nodes together have the room, no single one has (");
		say_resources(text, decision);
		text_say(text, " is short)");
		break;
	case WEIR_CAUSE_CLASS_FLOOR:
		say_resources(text, decision);
		text_say(text, " that is left is kept for higher classes");
		break;
	case WEIR_CAUSE_CLAIMED:
		text_say(text, "the room that is left is kept for a demand that has waited too long");
		break;
	case WEIR_CAUSE_CONTENDED:
		text_say(text, "others are taking just now");
		break;
	case WEIR_CAUSE_QUEUE_FULL:
		text_say(text, "the waiting room, or the table of grants, is full");
		break;
	case WEIR_CAUSE_SHUTDOWN:
		text_say(text, "shut down");
		break;
	case WEIR_CAUSE_INVALID:
		text_say(text, "the demand is invalid");
		break;
	case WEIR_CAUSE_DEADLINE:
		text_say(text, "it cannot start, or end, in the time that it gives");
		break;
	case WEIR_CAUSE_BREAKER:
		text_say(text, "the breaker is open: demands of its class and shape keep failing, or it was forced");
		break;
	case WEIR_CAUSE_DEGRADED:
		text_say(text, "the machine is under pressure and its class is held back");
		break;
	case WEIR_CAUSE_RETRIES:
		text_say(text, "retries are more than a tenth of first tries");
		break;
	case WEIR_CAUSE_POLICY:
		text_say(text, "the policy refuses it");
		break;
	case WEIR_CAUSE_NONE:
		if (decision->verdict == WEIR_REJECTED) {
			text_say(text, "cancelled");
			break;
		}
		__attribute__((fallthrough));
	case WEIR_CAUSE_SHORT:
	default:
		say_resources(text, decision);
		text_say(text, " is short");
		say_nodes(text, decision);
		break;
	}
}

size_t weir_decision_text(const weir_decision *decision, char *out, size_t size)
{
	struct text text = {.at = out, .size = out ? size : 0};
	if (text.size)
		*out = '\0';
	if (!decision)
		return 0;
	text_say(&text, "%s", weir_verdict_name(decision->verdict));
	if (decision->verdict == WEIR_ADMITTED) {
		text_say(&text, " on node %u", decision->node);
		if (decision->cause != WEIR_CAUSE_NONE) {
			text_say(&text, " without a grant (observed): ");
			say_cause(&text, decision);
		}
		return text.used;
	}
	text_say(&text, ": ");
	say_cause(&text, decision);
	if (decision->verdict == WEIR_DEFERRED)
		text_say(&text, "; try again after %llu ns", (unsigned long long)decision->retry_after_ns);
	return text.used;
}

const char *weir_breaker_mode_name(weir_breaker_mode mode)
{
	static const char *const names[WEIR_BREAKER_MODES] = {"off", "on", "forced open", "disabled", "observe"};
	return (unsigned)mode < WEIR_BREAKER_MODES ? names[mode] : "?";
}

const char *weir_breaker_state_name(weir_breaker_state state)
{
	static const char *const names[] = {"closed", "open", "half-open"};
	return (unsigned)state < ARRAY_LENGTH(names) ? names[state] : "?";
}

const char *weir_level_name(weir_level level)
{
	static const char *const names[WEIR_LEVELS] = {"green", "yellow", "orange", "red", "black"};
	return (unsigned)level < WEIR_LEVELS ? names[level] : "?";
}

weir_status admission_refusal(const weir_decision *decision)
{
	char text[256];
	weir_decision_text(decision, text, sizeof(text));
	switch (decision->cause) {
	case WEIR_CAUSE_INFEASIBLE:
		return error_set(WEIR_EINFEASIBLE, "%s", text);
	case WEIR_CAUSE_QUEUE_FULL:
		return error_set(WEIR_EFULL, "%s", text);
	case WEIR_CAUSE_SHUTDOWN:
		return error_set(WEIR_ESHUTDOWN, "%s", text);
	case WEIR_CAUSE_DEADLINE:
		return error_set(WEIR_ETIME, "%s", text);
	default:
		return error_set(WEIR_EAGAIN, "%s", text);
	}
}
