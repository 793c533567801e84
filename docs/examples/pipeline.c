/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - a memory-hungry pipeline: read a chunk, expand it to many times its size, reduce it to a number.
 *
 * Each stage submits the next one and states what memory that needs. A plain pool starts as many expansions as it has
 * workers; a resource-aware one only as many as fit, and the same code then stays within its limit.
 *
 * Usage: pipeline plain|aware FILE CHUNKS EXPANDED_MIB WORKERS [LIMIT_MIB]
 * Prints one line: seconds, peak resident MiB, the sum (the same for all ways to run it).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <weir/weir.h>

enum { CHUNK_WORDS = 4096 };

struct chunk {
	const char *file;
	weir_group *group;
	uint32_t number;
	uint64_t expanded_words;
	uint64_t words[CHUNK_WORDS];
	uint64_t middle; /* what expand leaves for reduce */
	uint64_t result;
};

static uint64_t scramble(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static weir_status reduce(weir_task *task, void *argument)
{
	(void)task;
	struct chunk *chunk = argument;
	chunk->result = chunk->middle;
	for (uint32_t i = 0; i < CHUNK_WORDS; i++)
		chunk->result = scramble(chunk->result ^ chunk->words[i]);
	return WEIR_OK;
}

static weir_status expand(weir_task *task, void *argument)
{
	struct chunk *chunk = argument;
	uint64_t *wide = weir_task_alloc(task, chunk->expanded_words * sizeof(*wide));
	if (!wide)
		return WEIR_ENOMEM;
	for (uint64_t i = 0; i < chunk->expanded_words; i++)
		wide[i] = scramble(chunk->words[i % CHUNK_WORDS] + i);
	/* Walks that no cache predicts, so that all of it must stay in memory. */
	uint64_t at = chunk->number;
	for (uint64_t i = 0; i < chunk->expanded_words / 64; i++)
		at = wide[at % chunk->expanded_words] ^ i;
	chunk->middle = at;
	return weir_submit(chunk->group, reduce, chunk, NULL);
}

static weir_status read_chunk(weir_task *task, void *argument)
{
	(void)task;
	struct chunk *chunk = argument;
	FILE *file = fopen(chunk->file, "rb");
	bool read = file && fseek(file, (long)(chunk->number * sizeof(chunk->words)), SEEK_SET) == 0 &&
		    fread(chunk->words, sizeof(chunk->words), 1, file) == 1;
	if (file)
		fclose(file);
	if (!read)
		return WEIR_EUSER;
	return weir_submit(chunk->group, expand, chunk,
			   WEIR_DEMAND(.memory_bytes = chunk->expanded_words * sizeof(uint64_t)));
}

static uint64_t mib(const char *text)
{
	return strtoull(text, NULL, 10) << 20;
}

static int run(weir_group *group, const char *file, struct chunk *chunk, uint32_t chunks, uint64_t expanded_bytes)
{
	for (uint32_t i = 0; i < chunks; i++) {
		chunk[i].group = group;
		chunk[i].file = file;
		chunk[i].number = i;
		chunk[i].expanded_words = expanded_bytes / sizeof(uint64_t);
		if (weir_submit(group, read_chunk, &chunk[i], NULL) != WEIR_OK) {
			fprintf(stderr, "pipeline: chunk %u: %s\n", i, weir_error_text());
			weir_group_cancel(group);
			break;
		}
	}
	weir_status status = weir_group_wait(group);
	if (status != WEIR_OK)
		fprintf(stderr, "pipeline: %s\n", weir_status_text(status));
	return status != WEIR_OK;
}

int main(int argc, char **argv)
{
	bool aware = argc > 1 && strcmp(argv[1], "aware") == 0;
	if (argc != (aware ? 7 : 6) || (!aware && strcmp(argv[1], "plain") != 0)) {
		fputs("usage: pipeline plain FILE CHUNKS EXPANDED_MIB WORKERS\n"
		      "       pipeline aware FILE CHUNKS EXPANDED_MIB WORKERS LIMIT_MIB\n",
		      stderr);
		return 2;
	}
	uint32_t chunks = (uint32_t)strtoul(argv[3], NULL, 10);
	uint32_t workers = (uint32_t)strtoul(argv[5], NULL, 10);
	struct chunk *chunk = calloc(chunks, sizeof(*chunk));
	const weir_limits *limits = aware ? WEIR_LIMITS(.memory_bytes = mib(argv[6])) : NULL;
	weir_pool *pool;
	weir_group *group;
	if (!chunk)
		return 1;
	uint64_t began = weir_clock_monotonic_ns();
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = workers, .resource_aware = aware, .limits = limits)) !=
		    WEIR_OK ||
	    weir_group_create(&group, pool) != WEIR_OK) {
		fprintf(stderr, "pipeline: %s\n", weir_error_text());
		return 1;
	}
	int failed = run(group, argv[2], chunk, chunks, mib(argv[4]));
	double seconds = (double)(weir_clock_monotonic_ns() - began) / 1e9;
	weir_group_destroy(group);
	weir_pool_destroy(pool);

	uint64_t sum = 0;
	for (uint32_t i = 0; i < chunks; i++)
		sum ^= chunk[i].result;
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	if (!failed)
		printf("%.2f %ld %016" PRIx64 "\n", seconds, usage.ru_maxrss / 1024, sum);
	free(chunk);
	return failed;
}
