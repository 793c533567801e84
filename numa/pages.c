/* SPDX-License-Identifier: MIT */
/*
 * pages.c - whole pages from the kernel, bound before anybody touches them.
 *
 * Holds:     whether a refused binding was warned of.
 * Not here:  blocks (arena.c, arena_mmap.c), the policy's system call (pin.c).
 */
#include "numa/pages.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "numa/host.h"
#include "numa/pin.h"
#include "private/atomics.h"
#include "private/compiler.h"
#include "private/log.h"

static _Atomic(bool) warned_of_binding;

static void *map(size_t bytes)
{
	void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return start == MAP_FAILED ? NULL : start;
}

/* Map more and cut off what is before and behind the aligned part. */
static void *map_aligned(size_t bytes, size_t alignment)
{
	size_t more;
	if (__builtin_add_overflow(bytes, alignment, &more))
		return NULL;
	char *start = map(more);
	if (!start)
		return NULL;
	size_t before = -(uintptr_t)start & (alignment - 1), behind = more - before - bytes;
	/* Cut out of what the kernel has joined with its neighbours it needs one mapping more, and may have none left. */
	if (behind && !pages_try_unmap(start + before + bytes, behind)) {
		(void)pages_try_unmap(start, more);
		return NULL;
	}
	if (before && !pages_try_unmap(start, before)) {
		(void)pages_try_unmap(start, before + bytes);
		return NULL;
	}
	return start + before;
}

void *pages_map(const struct weir_machine *machine, uint32_t node, size_t bytes, size_t alignment, bool bind)
{
	void *start = map(bytes);
	if (start && ((uintptr_t)start & (alignment - 1)) != 0) {
		start = pages_try_unmap(start, bytes) ? map_aligned(bytes, alignment) : NULL;
	}
	/* What was allowed when we tried may be refused later: then it is first touch, as it would be without. */
	if (start && bind)
		(void)pin_memory(machine, node, start, bytes);
	return start;
}

void pages_unmap(void *start, size_t bytes)
{
	if (likely(pages_try_unmap(start, bytes)) || pages_give_back(start, bytes))
		return;
	LOG(WEIR_LOG_WARN, "%zu bytes stay mapped: the kernel neither unmaps them nor takes their pages", bytes);
}

bool pages_try_unmap(void *start, size_t bytes)
{
	return munmap(start, bytes) == 0;
}

/* What an application has locked (mlockall()) the kernel refuses to drop, unless it is told that this is meant: since 5.18. */
bool pages_give_back(void *start, size_t bytes)
{
	enum { DONTNEED_LOCKED = 24 }; /* MADV_DONTNEED_LOCKED of newer headers */
	return madvise(start, bytes, MADV_DONTNEED) == 0 || madvise(start, bytes, DONTNEED_LOCKED) == 0;
}

void pages_set_huge(void *start, size_t bytes, bool huge)
{
	(void)madvise(start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

uint32_t pages_mappings_max(const char *root)
{
	char text[32];
	long length = host_file_read(root, "/proc/sys/vm/max_map_count", text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = '\0';
	char *end;
	unsigned long most = strtoul(text, &end, 10);
	if (end == text || *text == '-')
		return PAGES_MAPPINGS;
	return most < INT32_MAX ? (uint32_t)most : INT32_MAX;
}

enum pages_huge pages_huge_when(const char *root)
{
	char text[128];
	long length = host_file_read(root, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text) - 1);
	text[length > 0 ? length : 0] = '\0';
	if (strstr(text, "[always]"))
		return PAGES_HUGE_ALWAYS;
	return strstr(text, "[madvise]") ? PAGES_HUGE_ASKED : PAGES_HUGE_NEVER;
}

bool pages_can_bind(const struct weir_machine *machine)
{
	if (!machine->is_this)
		return false;
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = map(bytes);
	if (!page)
		return false;
	weir_status status = pin_memory(machine, 0, page, bytes);
	pages_unmap(page, bytes);
	if (status && !at_swap(&warned_of_binding, true, relaxed, none))
		LOG(WEIR_LOG_WARN, "%s: tasks' memory comes from where it is touched first", weir_error_text());
	return status == WEIR_OK;
}
