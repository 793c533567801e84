/* SPDX-License-Identifier: MIT */
/* fixture.h - for tests: a directory that stands for a host's root, filled with recorded or invented files; seeds. */
#ifndef TESTS_FIXTURE_H
#define TESTS_FIXTURE_H

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fixture {
	char root[64];
};

static inline void fixture_create(struct fixture *f)
{
	const char *folder = getenv("TMPDIR");
	if (!folder || strlen(folder) > 32)
		folder = "/tmp";
	snprintf(f->root, sizeof(f->root), "%s/weir-fixture-XXXXXX", folder);
	if (!mkdtemp(f->root))
		abort();
}

/* Write bytes to root + path, with the directories above it. */
static inline void fixture_bytes(const struct fixture *f, const char *path, const void *bytes, size_t length)
{
	char full[4096];
	snprintf(full, sizeof(full), "%s%s", f->root, path);
	for (char *c = full + strlen(f->root) + 1; *c; c++) {
		if (*c != '/')
			continue;
		*c = '\0';
		(void)mkdir(full, 0755);
		*c = '/';
	}
	FILE *file = fopen(full, "w");
	if (!file || fwrite(bytes, 1, length, file) != length || fclose(file))
		abort();
}

static inline void fixture_text(const struct fixture *f, const char *path, const char *text)
{
	fixture_bytes(f, path, text, strlen(text));
}

static inline int fixture_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

static inline void fixture_destroy(struct fixture *f)
{
	(void)nftw(f->root, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A seed that is printed, and taken back from WEIR_TEST_SEED. */
static inline uint64_t fixture_seed(const char *test)
{
	const char *given = getenv("WEIR_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
	printf("%s: WEIR_TEST_SEED=%llu\n", test, (unsigned long long)seed);
	return seed;
}

/* Under a sanitizer resident memory says nothing: its shadow is more than what is looked at. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FIXTURE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FIXTURE_SANITIZED 1
#endif
#endif
#ifndef FIXTURE_SANITIZED
#define FIXTURE_SANITIZED 0
#endif

/* What this process has in memory. */
static inline long fixture_resident_bytes(void)
{
	long mapped, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	if (!file || fscanf(file, "%ld %ld", &mapped, &resident) != 2)
		abort();
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

/* splitmix64 */
static inline uint64_t fixture_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

#endif
