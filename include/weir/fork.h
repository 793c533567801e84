/* SPDX-License-Identifier: MIT */
/*
 * fork.h - fork-join at about the cost of a function call.
 *
 *	WEIR_FORK_1(long, fib, int, n)
 *	{
 *		if (n < 2)
 *			return n;
 *		WEIR_SPAWN(fib, n - 1);
 *		long b = WEIR_CALL(fib, n - 2);
 *		return WEIR_JOIN(fib) + b;
 *	}
 *	...
 *	long f;
 *	weir_status s = WEIR_RUN(pool, fib, &f, 40);
 *
 * and without a result, where WEIR_RUN has no place for one either:
 *
 *	WEIR_FORK_VOID_2(sort, int *, numbers, size_t, n)
 *	{
 *		if (n < 2)
 *			return;
 *		size_t middle = divide(numbers, n);
 *		WEIR_SPAWN(sort, numbers, middle);
 *		WEIR_CALL(sort, numbers + middle, n - middle);
 *		WEIR_JOIN(sort);
 *	}
 *	...
 *	weir_status s = WEIR_RUN(pool, sort, numbers, n);
 *
 * Spawns and joins nest like brackets: a function joins all that it spawned, last first. Children never carry a demand,
 * they run within the grant of the task around them. Arguments and result together have WEIR_FORK_BYTES.
 * A function and who spawns it are compiled for the same target: a `#pragma GCC target` stands before both.
 *
 * How: the worker and the next free descriptor travel as hidden arguments. A spawn writes one descriptor and compares
 * with `limit`, a join compares with `guard`; whoever wants the owner's attention overwrites the two words and the
 * owner takes its slow path. No fence, no locked instruction, no store to a line that others write. After Wool (Faxen
 * 2010) and Lace (van Dijk & van de Pol, "Lace: non-blocking split deque for work-stealing", 2014).
 */
#ifndef WEIR_FORK_H
#define WEIR_FORK_H

#include <weir/parallel.h>

WEIR_BEGIN_DECLS

#define WEIR_FORK_BYTES 48

typedef struct weir_worker weir_worker;
typedef struct weir_fork_slot weir_fork_slot;

typedef void (*weir_fork_fn)(weir_worker *worker, weir_fork_slot *head, weir_fork_slot *slot);

/* One forked child: a cache line. */
struct weir_fork_slot {
	weir_fork_fn run;
	uintptr_t state; /* the library's, atomic; meaningful once the slot is shared */
	unsigned char data[WEIR_FORK_BYTES];
} __attribute__((aligned(64)));

/* What inlined code sees of a worker (WEIR_LAYOUT). Read and written by __atomic builtins, as C++ has no _Atomic. */
struct weir_worker {
	weir_fork_slot *limit; /* a spawn at or above it takes the slow path */
	weir_fork_slot *guard; /* a join below it takes the slow path */
	weir_fork_slot *head;  /* the first slot that is not in use */
	void (*spawn_slow)(weir_worker *worker, weir_fork_slot *head); /* see WEIR_SPAWN_SLOW_ */
	void *(*join_slow)(weir_worker *worker, weir_fork_slot *slot);
	weir_fork_slot spare; /* the child that a slow spawn is about */
};

/* The worker of the running task, and through it the first free slot. NULL outside tasks. */
WEIR_API weir_worker *weir_fork_self(void);

/* The untyped form, for bindings and for callers without macros: fork children of the running task, join them last
 * first.
 * Errors:  WEIR_EINVAL outside tasks, or a join without a fork, or of a child of WEIR_SPAWN(). Else weir_join() returns
 *          what the child returned. */
WEIR_API WEIR_MUST_USE weir_status weir_fork(weir_task_fn fn, void *argument);
WEIR_API weir_status weir_join(void);

/* Let others have all that the running task has forked here and not joined: what it spawned becomes visible to them only at
 * its next spawn or join, so call this before a long stretch without either. Blocking does it by itself. Costs two
 * locked instructions where anything was private, nothing outside tasks. Thread: any. */
WEIR_API void weir_share(void);

#define WEIR_SPAWN(f, ...) (WEIR_SAME_(f##_weir_target), f##_weir_spawn(weir_w_, weir_h_, __VA_ARGS__), (void)weir_h_++)
#define WEIR_CALL(f, ...) f##_weir_body(weir_w_, weir_h_, __VA_ARGS__)
#define WEIR_JOIN(f) (WEIR_SAME_(f##_weir_target), (void)weir_h_--, f##_weir_join(weir_w_, weir_h_))

/* WEIR_RUN(pool, f, &result, arguments...), and of WEIR_FORK_VOID_n WEIR_RUN(pool, f, arguments...): from outside, as a task of
 * the pool, waited for. Inside a task of the pool it runs at once. result: what f returns. Returns WEIR_OK, or why it did not
 * run; `result` is then as it was. Who runs it: as weir_pool_run(). */
#define WEIR_RUN(pool, f, ...) f##_weir_run(pool, __VA_ARGS__)

#ifdef __cplusplus
#define WEIR_STATIC_ASSERT_(condition, text) static_assert(condition, text)
#define WEIR_IS_VOID_(type) __is_same(type, void)
#else
#define WEIR_STATIC_ASSERT_(condition, text) _Static_assert(condition, text)
#define WEIR_IS_VOID_(type) __builtin_types_compatible_p(type, void)
#endif

/* Slow paths. A spawn at or above `limit`: its child is in `spare`. A join below `guard`: returns the child's result, which is
 * good until the next spawn.
 *
 * On x86-64 they keep their caller's general registers: so the fast path saves fewer of its own, and none for the sake of a
 * path that is hardly ever taken. No calling convention of gcc 12 says so, hence the jump: behind the entry points (runtime/
 * fork_entry.c) are functions in C. They come back to r11 and leave the red zone alone, as a compiler that sees no call may
 * use it. What registers there are is asked where a function is defined, after its `#pragma GCC target`, as gcc refuses names of
 * others; clang knows them all, and its pragmas set no macro. Who spawns a function is compiled for the same target (WEIR_SAME_). */
#if defined(__x86_64__) && !defined(__ILP32__)
#define WEIR_PASTE_NOW_(a, b) a##b
#define WEIR_PASTE_(a, b) WEIR_PASTE_NOW_(a, b)
#if defined(__clang__) || !defined(_SOFT_FLOAT)
#define WEIR_X87_ , "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)"
#else
#define WEIR_X87_
#endif
#if defined(__clang__) || defined(__MMX__)
#define WEIR_MMX_ , "mm0", "mm1", "mm2", "mm3", "mm4", "mm5", "mm6", "mm7"
#else
#define WEIR_MMX_
#endif
#if defined(__clang__) || defined(__SSE__)
#define WEIR_LOWER_                                                                                                    \
	, "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",   \
		"xmm13", "xmm14", "xmm15"
#else
#define WEIR_LOWER_
#endif
#ifdef __clang__
#define WEIR_UPPER___AVX512F__ WEIR_UPPER_1
#else
#define WEIR_UPPER___AVX512F__
#endif
#define WEIR_UPPER_1                                                                                                   \
	, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",  \
		"xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#define WEIR_GENERAL___APX_F__
#define WEIR_GENERAL_1                                                                                                 \
	, "r16", "r17", "r18", "r19", "r20", "r21", "r22", "r23", "r24", "r25", "r26", "r27", "r28", "r29", "r30", "r31"
#define WEIR_JUMP_(entry)                                                                                              \
	"lea{q}\t{1f(%%rip), %%r11|r11, 1f[rip]}\n\tjmp\t{*%c[" entry "](%%rdi)|QWORD PTR %c[" entry "][rdi]}\n1:\tendbr64"
#define WEIR_LOST_                                                                                                     \
	"r11", "cc", "memory" WEIR_X87_ WEIR_MMX_ WEIR_LOWER_ WEIR_PASTE_(WEIR_UPPER_, __AVX512F__)                \
		WEIR_PASTE_(WEIR_GENERAL_, __APX_F__)
#define WEIR_TARGET___AVX512F__ 0
#define WEIR_TARGET___APX_F__ 0
#define WEIR_TARGET_1 1
#define WEIR_TARGET_ (WEIR_PASTE_(WEIR_TARGET_, __AVX512F__) + 2 * WEIR_PASTE_(WEIR_TARGET_, __APX_F__))
/* An error here: the function was defined for another target than the one that spawns or joins it, before a `#pragma GCC target`
 * perhaps. What its slow paths lose would not be known here. */
#define WEIR_SAME_(target) ((void)sizeof(char[(int)(target) == WEIR_TARGET_ ? 1 : -1]))
#define WEIR_SPAWN_SLOW_(worker, head)                                                                                 \
	__asm__ volatile(WEIR_JUMP_("weir_at_")                                                                        \
			 :                                                                                             \
			 : "D"(worker), "S"(head), [weir_at_] "i"(offsetof(weir_worker, spawn_slow))                   \
			 : WEIR_LOST_)
#define WEIR_JOIN_SLOW_(result, worker, slot)                                                                          \
	__asm__ volatile(WEIR_JUMP_("weir_at_")                                                                        \
			 : "=a"(result)                                                                                \
			 : "D"(worker), "S"(slot), [weir_at_] "i"(offsetof(weir_worker, join_slow))                    \
			 : WEIR_LOST_)
#else
#define WEIR_TARGET_ 0
#define WEIR_SAME_(target) ((void)0)
#define WEIR_SPAWN_SLOW_(worker, head) (worker)->spawn_slow(worker, head)
#define WEIR_JOIN_SLOW_(result, worker, slot) ((result) = (worker)->join_slow(worker, slot))
#endif

/* The relaxed load of a join. gcc 12 keeps the address that an __atomic builtin is given in a register, one more that each
 * function saves; a volatile word that is aligned is read as well, by one instruction. ThreadSanitizer knows the builtin only. */
#if defined(__clang__) || defined(__SANITIZE_THREAD__)
#define WEIR_GUARD_(worker) __atomic_load_n(&(worker)->guard, __ATOMIC_RELAXED)
#else
#define WEIR_GUARD_(worker) (*(weir_fork_slot *volatile *)&(worker)->guard)
#endif

/* The pieces every arity shares. VALUED(text): text if f has a result, else nothing; FIELDS: struct members; PARAMS: declared;
 * STORE: in->x = x; LOAD: in->x. No name of theirs may be one of the caller's: they begin with weir_.
 * A function that ends in a join is best as a loop in which each turn runs one child, entered only by who is no leaf. gcc makes
 * both, but only if it splits the test for a leaf off before it sees the loop: else all registers are saved for leaves too. So
 * f##_weir_never, which nobody writes, guards an asm behind the call: gcc learns that it is 0 only in between. */
#define WEIR_FORK_DEFINE_(VALUED, R, f, FIELDS, PARAMS, STORE, LOAD)                                                   \
	VALUED(WEIR_STATIC_ASSERT_(!WEIR_IS_VOID_(R), #f ": without a result it is WEIR_FORK_VOID_n");)                \
	typedef union __attribute__((may_alias)) {                                                                     \
		struct {                                                                                               \
			FIELDS                                                                                         \
		} in;                                                                                                  \
		VALUED(R out;)                                                                                         \
	} f##_weir_data;                                                                                               \
	WEIR_STATIC_ASSERT_(sizeof(f##_weir_data) <= WEIR_FORK_BYTES, #f ": arguments or result over 48 bytes");       \
	enum { f##_weir_target = WEIR_TARGET_ };                                                                       \
	static int f##_weir_never __attribute__((unused));                                                             \
	static R f##_weir_body(weir_worker *weir_w_, weir_fork_slot *weir_h_, PARAMS);                                 \
	static __attribute__((noinline, unused)) void f##_weir_slot(weir_worker *weir_w_, weir_fork_slot *weir_h_,     \
								    weir_fork_slot *weir_s_)                           \
	{                                                                                                              \
		f##_weir_data *weir_d_ = (f##_weir_data *)(void *)weir_s_->data;                                       \
		VALUED(weir_d_->out =) f##_weir_body(weir_w_, weir_h_, LOAD);                                          \
	}                                                                                                              \
	static inline __attribute__((always_inline, unused)) void f##_weir_spawn(weir_worker *weir_w_,                 \
										 weir_fork_slot *weir_h_, PARAMS)      \
	{                                                                                                              \
		if (WEIR_UNLIKELY(weir_h_ >= __atomic_load_n(&weir_w_->limit, __ATOMIC_RELAXED))) {                    \
			f##_weir_data *weir_d_ = (f##_weir_data *)(void *)weir_w_->spare.data;                         \
			weir_w_->spare.run = f##_weir_slot;                                                            \
			STORE;                                                                                         \
			WEIR_SPAWN_SLOW_(weir_w_, weir_h_);                                                            \
			return;                                                                                        \
		}                                                                                                      \
		f##_weir_data *weir_d_ = (f##_weir_data *)(void *)weir_h_->data;                                       \
		weir_h_->run = f##_weir_slot;                                                                          \
		STORE;                                                                                                 \
		weir_w_->head = weir_h_ + 1;                                                                           \
	}                                                                                                              \
	static inline __attribute__((always_inline, unused))                                                           \
	R f##_weir_join(weir_worker *weir_w_, weir_fork_slot *weir_h_)                                                 \
	{                                                                                                              \
		f##_weir_data *weir_d_ = (f##_weir_data *)(void *)weir_h_->data;                                       \
		if (WEIR_UNLIKELY(weir_h_ < WEIR_GUARD_(weir_w_))) {                                                   \
			void *weir_r_;                                                                                 \
			WEIR_JOIN_SLOW_(weir_r_, weir_w_, weir_h_);                                                    \
			(void)weir_r_;                                                                                 \
			return VALUED(((f##_weir_data *)weir_r_)->out);                                                \
		}                                                                                                      \
		weir_w_->head = weir_h_;                                                                               \
		VALUED(R weir_out_ =) f##_weir_body(weir_w_, weir_h_, LOAD);                                           \
		if (f##_weir_never)                                                                                    \
			__asm__ volatile("");                                                                          \
		return VALUED(weir_out_);                                                                              \
	}                                                                                                              \
	struct f##_weir_call {                                                                                         \
		f##_weir_data data;                                                                                    \
		VALUED(R out;)                                                                                         \
	};                                                                                                             \
	static __attribute__((unused)) weir_status f##_weir_task(weir_task *weir_t_, void *weir_a_)                    \
	{                                                                                                              \
		(void)weir_t_;                                                                                         \
		struct f##_weir_call *weir_c_ = (struct f##_weir_call *)weir_a_;                                       \
		f##_weir_data *weir_d_ = &weir_c_->data;                                                               \
		weir_worker *weir_w_ = weir_fork_self();                                                               \
		VALUED(weir_c_->out =) f##_weir_body(weir_w_, weir_w_->head, LOAD);                                    \
		return WEIR_OK;                                                                                        \
	}                                                                                                              \
	static __attribute__((unused))                                                                                 \
	weir_status f##_weir_run(weir_pool *weir_p_, VALUED(R *weir_r_ WEIR_COMMA_) PARAMS)                            \
	{                                                                                                              \
		struct f##_weir_call weir_c_;                                                                          \
		f##_weir_data *weir_d_ = &weir_c_.data;                                                                \
		STORE;                                                                                                 \
		weir_status weir_s_ = weir_pool_run(weir_p_, f##_weir_task, &weir_c_, NULL);                           \
		VALUED(if (!weir_s_) *weir_r_ = weir_c_.out;)                                                          \
		return weir_s_;                                                                                        \
	}                                                                                                              \
	static R f##_weir_body(weir_worker *weir_w_ __attribute__((unused)),                                           \
			       weir_fork_slot *weir_h_ __attribute__((unused)), PARAMS)

#define WEIR_COMMA_ ,
#define WEIR_VALUED_(...) __VA_ARGS__
#define WEIR_NOT_VALUED_(...)
#define WEIR_FORK_1_(VALUED, R, f, T1, a1)                                                                             \
	WEIR_FORK_DEFINE_(VALUED, R, f, T1 a1;, T1 a1, weir_d_->in.a1 = a1, weir_d_->in.a1)
#define WEIR_FORK_2_(VALUED, R, f, T1, a1, T2, a2)                                                                     \
	WEIR_FORK_DEFINE_(VALUED, R, f, T1 a1; T2 a2;, T1 a1 WEIR_COMMA_ T2 a2,                                        \
			  (weir_d_->in.a1 = a1, weir_d_->in.a2 = a2), weir_d_->in.a1 WEIR_COMMA_ weir_d_->in.a2)
#define WEIR_FORK_3_(VALUED, R, f, T1, a1, T2, a2, T3, a3)                                                             \
	WEIR_FORK_DEFINE_(VALUED, R, f, T1 a1; T2 a2; T3 a3;, T1 a1 WEIR_COMMA_ T2 a2 WEIR_COMMA_ T3 a3,               \
			  (weir_d_->in.a1 = a1, weir_d_->in.a2 = a2, weir_d_->in.a3 = a3),                             \
			  weir_d_->in.a1 WEIR_COMMA_ weir_d_->in.a2 WEIR_COMMA_ weir_d_->in.a3)
#define WEIR_FORK_4_(VALUED, R, f, T1, a1, T2, a2, T3, a3, T4, a4)                                                     \
	WEIR_FORK_DEFINE_(VALUED, R, f, T1 a1; T2 a2; T3 a3; T4 a4;,                                                   \
			  T1 a1 WEIR_COMMA_ T2 a2 WEIR_COMMA_ T3 a3 WEIR_COMMA_ T4 a4,                                 \
			  (weir_d_->in.a1 = a1, weir_d_->in.a2 = a2, weir_d_->in.a3 = a3, weir_d_->in.a4 = a4),        \
			  weir_d_->in.a1 WEIR_COMMA_ weir_d_->in.a2 WEIR_COMMA_ weir_d_->in.a3 WEIR_COMMA_ weir_d_->in.a4)

/* With a result of type R, and without one. */
#define WEIR_FORK_1(R, f, T1, a1) WEIR_FORK_1_(WEIR_VALUED_, R, f, T1, a1)
#define WEIR_FORK_2(R, f, T1, a1, T2, a2) WEIR_FORK_2_(WEIR_VALUED_, R, f, T1, a1, T2, a2)
#define WEIR_FORK_3(R, f, T1, a1, T2, a2, T3, a3) WEIR_FORK_3_(WEIR_VALUED_, R, f, T1, a1, T2, a2, T3, a3)
#define WEIR_FORK_4(R, f, T1, a1, T2, a2, T3, a3, T4, a4) WEIR_FORK_4_(WEIR_VALUED_, R, f, T1, a1, T2, a2, T3, a3, T4, a4)
#define WEIR_FORK_VOID_1(f, T1, a1) WEIR_FORK_1_(WEIR_NOT_VALUED_, void, f, T1, a1)
#define WEIR_FORK_VOID_2(f, T1, a1, T2, a2) WEIR_FORK_2_(WEIR_NOT_VALUED_, void, f, T1, a1, T2, a2)
#define WEIR_FORK_VOID_3(f, T1, a1, T2, a2, T3, a3) WEIR_FORK_3_(WEIR_NOT_VALUED_, void, f, T1, a1, T2, a2, T3, a3)
#define WEIR_FORK_VOID_4(f, T1, a1, T2, a2, T3, a3, T4, a4)                                                            \
	WEIR_FORK_4_(WEIR_NOT_VALUED_, void, f, T1, a1, T2, a2, T3, a3, T4, a4)

WEIR_END_DECLS

#endif
