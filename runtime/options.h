/* SPDX-License-Identifier: MIT */
/* options.h - a pool's options: checked, filled in from the environment and by defaults. */
#ifndef WEIR_RUNTIME_OPTIONS_H
#define WEIR_RUNTIME_OPTIONS_H

#include <weir/pool.h>

/* Options with nothing left to default but what depends on the machine; strings and limits that the environment gave
 * are kept in here. */
struct resolved {
	weir_options options;
	weir_limits limits;
	char machine[256];
};

/* given: NULL for all defaults. Errors: WEIR_EINVAL, WEIR_EVERSION; the text names the option, its value and what would
 * do. */
weir_status options_resolve(struct resolved *out, const weir_options *given);

#endif
