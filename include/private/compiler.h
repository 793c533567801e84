/* SPDX-License-Identifier: MIT */
/* compiler.h - names for what the compiler offers. */
#ifndef WEIR_PRIVATE_COMPILER_H
#define WEIR_PRIVATE_COMPILER_H

#include <stddef.h>

#define CACHE_LINE 64
#define CACHE_ALIGNED _Alignas(CACHE_LINE)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((noinline, cold))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#if defined(__SANITIZE_THREAD__)
#define WEIR_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN 1
#endif
#endif

#endif
