/* SPDX-License-Identifier: MIT */
/*
 * hooks.c - what -fsanitize=thread makes of each access, and the calls that block or ask for the time, for the model.
 *
 * The compiler puts a call before each access to memory and in place of each atomic operation. ThreadSanitizer's library would
 * answer them; here the model does. Calls into libc come by the linker's --wrap.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "model.h"

#define HERE __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void)
{
}

/* Plain accesses. ------------------------------------------------------------------------------------------------- */

#define PLAIN(name, bytes, access)                                    \
	void __tsan_##name(void *address);                            \
	void __tsan_##name(void *address)                             \
	{                                                             \
		model_touch(HERE, (uintptr_t)address, bytes, access); \
	}
#define PLAIN_SIZE(n)                           \
	PLAIN(read##n, n, MODEL_READ)           \
	PLAIN(write##n, n, MODEL_WRITE)         \
	PLAIN(unaligned_read##n, n, MODEL_READ) \
	PLAIN(unaligned_write##n, n, MODEL_WRITE)
PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

void __tsan_read_range(void *address, size_t bytes);
void __tsan_read_range(void *address, size_t bytes)
{
	model_touch(HERE, (uintptr_t)address, bytes, MODEL_READ);
}

void __tsan_write_range(void *address, size_t bytes);
void __tsan_write_range(void *address, size_t bytes)
{
	model_touch(HERE, (uintptr_t)address, bytes, MODEL_WRITE);
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

/* What weir tells ThreadSanitizer of RCU. */
void __tsan_acquire(void *address);
void __tsan_acquire(void *address)
{
	(void)address;
}

void __tsan_release(void *address);
void __tsan_release(void *address)
{
	(void)address;
}

/* Atomic ones. The order is the strongest; what is counted is what x86-64 makes of the one that was asked for. ------------- */

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	/* A full fence costs as much as a locked instruction: counted as one on the thread's own stack. */
	if (order == __ATOMIC_SEQ_CST)
		model_touch(HERE, (uintptr_t)__builtin_frame_address(0), 1, MODEL_LOCKED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#define CHANGE(bits, name)                                                                                        \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t value, int order); \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t value, int order)  \
	{                                                                                                         \
		(void)order;                                                                                      \
		model_touch(HERE, (uintptr_t)p, bits / 8, MODEL_LOCKED);                                          \
		return __atomic_##name##_AS(p, value);                                                            \
	}
#define __atomic_exchange_AS(p, value) __atomic_exchange_n(p, value, __ATOMIC_SEQ_CST)
#define __atomic_fetch_add_AS(p, value) __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST)
#define __atomic_fetch_sub_AS(p, value) __atomic_fetch_sub(p, value, __ATOMIC_SEQ_CST)
#define __atomic_fetch_and_AS(p, value) __atomic_fetch_and(p, value, __ATOMIC_SEQ_CST)
#define __atomic_fetch_or_AS(p, value) __atomic_fetch_or(p, value, __ATOMIC_SEQ_CST)

#define COMPARE(bits, name)                                                                                          \
	int __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t value, \
					 int order, int failure);                                                    \
	int __tsan_atomic##bits##_##name(volatile uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t value, \
					 int order, int failure)                                                     \
	{                                                                                                            \
		(void)order;                                                                                         \
		(void)failure;                                                                                       \
		model_touch(HERE, (uintptr_t)p, bits / 8, MODEL_LOCKED);                                             \
		bool done =                                                                                          \
			__atomic_compare_exchange_n(p, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);  \
		if (!done)                                                                                           \
			model_exchange_failed(HERE);                                                                 \
		return done;                                                                                         \
	}

#define ATOMIC_SIZE(bits)                                                                                          \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order);                    \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *p, int order)                     \
	{                                                                                                          \
		(void)order;                                                                                       \
		model_touch(HERE, (uintptr_t)p, bits / 8, MODEL_READ);                                             \
		return __atomic_load_n(p, __ATOMIC_SEQ_CST);                                                       \
	}                                                                                                          \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t value, int order);             \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *p, uint##bits##_t value, int order)              \
	{                                                                                                          \
		model_touch(HERE, (uintptr_t)p, bits / 8, order == __ATOMIC_SEQ_CST ? MODEL_LOCKED : MODEL_WRITE); \
		__atomic_store_n(p, value, __ATOMIC_SEQ_CST);                                                      \
	}                                                                                                          \
	CHANGE(bits, exchange)                                                                                     \
	CHANGE(bits, fetch_add)                                                                                    \
	CHANGE(bits, fetch_sub)                                                                                    \
	CHANGE(bits, fetch_and)                                                                                    \
	CHANGE(bits, fetch_or)                                                                                     \
	COMPARE(bits, compare_exchange_strong)                                                                     \
	COMPARE(bits, compare_exchange_weak)
ATOMIC_SIZE(8)
ATOMIC_SIZE(16)
ATOMIC_SIZE(32)
ATOMIC_SIZE(64)

/* Copies. --------------------------------------------------------------------------------------------------------- */

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memset(void *to, int byte, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memset(void *to, int byte, size_t bytes);

void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
	model_touch(HERE, (uintptr_t)from, bytes, MODEL_READ);
	model_touch(HERE, (uintptr_t)to, bytes, MODEL_WRITE);
	return __real_memcpy(to, from, bytes);
}

void *__wrap_memset(void *to, int byte, size_t bytes)
{
	model_touch(HERE, (uintptr_t)to, bytes, MODEL_WRITE);
	return __real_memset(to, byte, bytes);
}

/* Threads. -------------------------------------------------------------------------------------------------------- */

int __real_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *argument);
int __real_pthread_join(pthread_t thread, void **result);
int __real_pthread_once(pthread_once_t *once, void (*fn)(void));
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *argument);
int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);

struct start {
	void *(*fn)(void *);
	void *argument;
	uint32_t number;
};

static pthread_t made[MODEL_THREADS_MAX]; /* by number */

static void *begin(void *argument)
{
	struct start start = *(struct start *)argument;
	free(argument);
	model_thread_begin(start.number);
	void *result = start.fn(start.argument);
	model_thread_end();
	return result;
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr, void *(*fn)(void *), void *argument)
{
	struct start *start = malloc(sizeof(*start));
	if (!start)
		return ENOMEM;
	*start = (struct start){fn, argument, model_thread_made()};
	uint32_t number = start->number;
	int error = __real_pthread_create(out, attr, begin, start);
	if (error)
		abort(); /* the model would wait for it */
	made[number] = *out;
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
	for (uint32_t i = 1; model_in() && i < MODEL_THREADS_MAX; i++)
		if (made[i] && pthread_equal(made[i], thread)) {
			model_thread_await(i);
			made[i] = 0;
			break;
		}
	return __real_pthread_join(thread, result);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int error;
	while ((error = pthread_mutex_trylock(mutex)) == EBUSY)
		model_pause();
	return error;
}

/* Calls that wait for other threads in a way that the model does not know. */
#define AWAY(type, name, parameters, arguments)        \
	type __real_##name parameters;                 \
	type __wrap_##name parameters;                 \
	type __wrap_##name parameters                  \
	{                                              \
		model_away(false);                     \
		type result = __real_##name arguments; \
		model_back();                          \
		return result;                         \
	}
AWAY(int, ppoll, (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
     (fds, count, timeout, mask))

#define AWAY_VOID(name)           \
	void __real_##name(void); \
	void __wrap_##name(void); \
	void __wrap_##name(void)  \
	{                         \
		model_away(true); \
		__real_##name();  \
		model_back();     \
	}
AWAY_VOID(urcu_memb_synchronize_rcu)
AWAY_VOID(urcu_memb_register_thread)

/* Time and the kernel. -------------------------------------------------------------------------------------------- */

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_sched_yield(void);
long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	(void)clock;
	uint64_t ns = model_now_ns();
	*out = (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	return 0;
}

int __wrap_sched_yield(void)
{
	model_pause();
	return 0;
}

static long futex(long word, long command, long value, long timeout)
{
	command &= FUTEX_CMD_MASK;
	if (command == FUTEX_WAKE) {
		model_wake((uintptr_t)word);
		return 0;
	}
	if (*(volatile uint32_t *)(uintptr_t)word != (uint32_t)value) {
		errno = EAGAIN;
		return -1;
	}
	uint64_t deadline_ns = UINT64_MAX;
	const struct timespec *at = (const struct timespec *)(uintptr_t)timeout;
	if (at) /* FUTEX_WAIT_BITSET: an instant of the clock */
		deadline_ns = (uint64_t)at->tv_sec * 1000000000 + (uint64_t)at->tv_nsec;
	if (model_sleep((uintptr_t)word, deadline_ns))
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
	if (number == SYS_futex && (model_in() || (b & FUTEX_CMD_MASK) == FUTEX_WAKE))
		return futex(a, b, c, d);
	if (number == SYS_membarrier)
		model_barrier();
	return __real_syscall(number, a, b, c, d, e, f);
}
