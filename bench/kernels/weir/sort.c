/* SPDX-License-Identifier: MIT */
/*
 * sort.c - fork-join twice: halves are sorted side by side, and a long merge is halved too.
 */
#include "../sort.h"
#include "form.h"

WEIR_FORK_VOID_1(merge, struct merge, all)
{
	if (all.a_count + all.b_count <= SORT_SERIAL) {
		merge_serial(all);
		return;
	}
	struct merge first, second;
	merge_halve(all, &first, &second);
	WEIR_SPAWN(merge, first);
	WEIR_CALL(merge, second);
	WEIR_JOIN(merge);
}

WEIR_FORK_VOID_4(sort, int64_t *, numbers, int64_t *, spare, int64_t, n, bool, into_spare)
{
	if (n <= SORT_SERIAL) {
		sort_serial(numbers, spare, n, into_spare);
		return;
	}
	WEIR_SPAWN(sort, numbers, spare, n / 2, !into_spare);
	WEIR_CALL(sort, numbers + n / 2, spare + n / 2, n - n / 2, !into_spare);
	WEIR_JOIN(sort);
	WEIR_CALL(merge, into_spare ? merge_halves(numbers, n, spare) : merge_halves(spare, n, numbers));
}

int weir_sort(struct sort *s)
{
	return answered(WEIR_RUN(crew, sort, s->numbers, s->spare, s->n, false));
}
