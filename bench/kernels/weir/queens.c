/* SPDX-License-Identifier: MIT */
/*
 * queens.c - fork-join: a child for each queen that can stand in the next row.
 */
#include "../queens.h"
#include "form.h"

WEIR_FORK_1(uint64_t, solutions, struct board, board)
{
	if (board.rows <= QUEENS_SERIAL_ROWS)
		return queens_serial(board);
	int forked = 0;
	for (uint32_t left = board_free(board); left; left &= left - 1, forked++)
		WEIR_SPAWN(solutions, board_place(board, left & -left));
	uint64_t found = 0;
	while (forked-- > 0)
		found += WEIR_JOIN(solutions);
	return found;
}

int weir_queens(struct queens *queens)
{
	return answered(WEIR_RUN(crew, solutions, &queens->solutions, queens->empty));
}
