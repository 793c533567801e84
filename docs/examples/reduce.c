/* SPDX-License-Identifier: MIT */
/*
 * reduce.c - mean and variance of many numbers in one pass, the same to the last bit with any number of workers.
 */
#include <stdio.h>
#include <weir/weir.h>

enum { NUMBERS = 1000000 };

static double number[NUMBERS];

struct moments {
	double count, mean, squares; /* squares: of the distances from the mean */
};

static weir_status fold(int64_t begin, int64_t end, void *accumulator, void *argument)
{
	const double *x = argument;
	struct moments *m = accumulator;
	for (int64_t i = begin; i < end; i++) {
		double distance = x[i] - m->mean;
		m->count++;
		m->mean += distance / m->count;
		m->squares += distance * (x[i] - m->mean);
	}
	return WEIR_OK;
}

static void combine(void *accumulator, const void *right, void *argument)
{
	(void)argument;
	struct moments *a = accumulator;
	const struct moments *b = right;
	double distance = b->mean - a->mean, count = a->count + b->count;
	if (count == 0)
		return;
	a->squares += b->squares + distance * distance * a->count * b->count / count;
	a->mean += distance * b->count / count;
	a->count = count;
}

static weir_status measure(uint32_t workers, struct moments *out)
{
	static const struct moments nothing;
	weir_pool *pool;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = workers)))
		return puts(weir_error_text()), WEIR_EUSER;
	weir_status status =
		weir_parallel_reduce(pool, 0, NUMBERS,
				     WEIR_REDUCTION(.identity = &nothing, .bytes = sizeof(nothing), .fold = fold,
						    .combine = combine, .argument = number, .deterministic = true),
				     out);
	weir_status gone = weir_pool_destroy(pool);
	return status ? status : gone;
}

int main(void)
{
	for (int i = 0; i < NUMBERS; i++)
		number[i] = 1.0 / (i + 1);
	struct moments one, four;
	if (measure(1, &one) || measure(4, &four))
		return 1;
	printf("mean %.17g, variance %.17g\n", four.mean, four.squares / four.count);
	return one.mean != four.mean || one.squares != four.squares;
}
