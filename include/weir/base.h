/* SPDX-License-Identifier: MIT */
/*
 * base.h - what every public header needs: linkage, attributes, versions.
 */
#ifndef WEIR_BASE_H
#define WEIR_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_VERSION_MAJOR 0
#define WEIR_VERSION_MINOR 1
#define WEIR_VERSION_PATCH 0

/* Bumped whenever a structure that inlined code reads changes its layout; weir_pool_create() compares it. */
#define WEIR_LAYOUT 2u

#if defined(__GNUC__)
#define WEIR_API __attribute__((visibility("default")))
#define WEIR_MUST_USE __attribute__((warn_unused_result))
#define WEIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#error "weir needs gcc or clang"
#endif

#ifdef __cplusplus
#define WEIR_BEGIN_DECLS extern "C" {
#define WEIR_END_DECLS }
#else
#define WEIR_BEGIN_DECLS
#define WEIR_END_DECLS
#endif

/* The address of a structure written in place, good until the end of the full expression in C++ (20 or later, for
 * designated initialisers), of the block in C. What takes one copies it. */
#ifdef __cplusplus
#if !defined(__clang__) && __INCLUDE_LEVEL__
#pragma GCC system_header /* g++ 12 -Wextra would name each field that such an initialiser leaves out */
#endif
template <class T> static inline const T *weir_literal_(const T &value)
{
	return &value;
}
#define WEIR_LITERAL_(type, ...) weir_literal_(type{__VA_ARGS__})
#else
#define WEIR_LITERAL_(type, ...) (&(const type){__VA_ARGS__})
#endif

#define WEIR_NS_PER_US UINT64_C(1000)
#define WEIR_NS_PER_MS UINT64_C(1000000)
#define WEIR_NS_PER_S UINT64_C(1000000000)

WEIR_BEGIN_DECLS

/* The version of the library that is linked, "major.minor.patch". Thread: any. */
WEIR_API const char *weir_version(void);

WEIR_END_DECLS

#endif
