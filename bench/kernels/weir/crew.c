/* SPDX-License-Identifier: MIT */
/*
 * crew.c - the pool that the kernels run in, and what to do with an answer of weir.
 */
#include <stdio.h>

#include "form.h"

weir_pool *crew;

int answered(weir_status status)
{
	if (status)
		fprintf(stderr, "kernels: weir: %s: %s\n", weir_status_text(status), weir_error_text());
	return status != WEIR_OK;
}
