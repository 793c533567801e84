/* SPDX-License-Identifier: MIT */
/*
 * fork_entry.c - how the inlined code of <weir/fork.h> gets into the slow paths.
 *
 * Holds:     nothing.
 * Invariant: F10  on x86-64 a slow path keeps the general registers of who takes it, but for r11 and a result in rax, and the 128
 *                 bytes below its stack pointer.
 * Progress:  as the slow paths.
 * Not here:  what they do (fork.c).
 *
 * Who comes has put its way back into r11 and jumped (WEIR_JUMP_). It knows nothing of a call: the stack pointer may have any
 * alignment. Unwinders see an ordinary frame, whose return address lies below the red zone of its caller.
 */
#include "runtime/worker.h"

#if defined(__x86_64__) && !defined(__ILP32__)
#define ENTRY(name, slow, result)                                    \
	__asm__(".text\n"                                            \
		".p2align 4\n"                                       \
		".globl " name "\n"                                  \
		".hidden " name "\n"                                 \
		".type " name ", @function\n" name ":\n"             \
		".cfi_startproc\n"                                   \
		".cfi_def_cfa rsp, 0\n"                              \
		".cfi_register rip, r11\n"                           \
		"	endbr64\n"                                         \
		"	leaq	-136(%rsp), %rsp\n"                           \
		".cfi_def_cfa rsp, 136\n"                            \
		"	movq	%r11, (%rsp)\n"                               \
		".cfi_offset rip, -136\n"                            \
		"	pushq	%rbp\n"                                      \
		".cfi_def_cfa rsp, 144\n"                            \
		".cfi_offset rbp, -144\n"                            \
		"	movq	%rsp, %rbp\n"                                 \
		".cfi_def_cfa rbp, 144\n"                            \
		"	pushq	%rcx\n"                                      \
		"	pushq	%rdx\n"                                      \
		"	pushq	%rsi\n"                                      \
		"	pushq	%rdi\n"                                      \
		"	pushq	%r8\n"                                       \
		"	pushq	%r9\n"                                       \
		"	pushq	%r10\n"                                      \
		"	pushq	%rax\n"                                      \
		"	andq	$-16, %rsp\n"                                 \
		"	call	" slow "\n"                          \
		"	movq	-8(%rbp), %rcx\n"                             \
		"	movq	-16(%rbp), %rdx\n"                            \
		"	movq	-24(%rbp), %rsi\n"                            \
		"	movq	-32(%rbp), %rdi\n"                            \
		"	movq	-40(%rbp), %r8\n"                             \
		"	movq	-48(%rbp), %r9\n"                             \
		"	movq	-56(%rbp), %r10\n" result "	leave\n" \
		".cfi_def_cfa rsp, 136\n"                            \
		".cfi_restore rbp\n"                                 \
		"	popq	%r11\n"                                       \
		".cfi_def_cfa rsp, 128\n"                            \
		".cfi_register rip, r11\n"                           \
		"	leaq	128(%rsp), %rsp\n"                            \
		".cfi_def_cfa rsp, 0\n"                              \
		"	jmp	*%r11\n"                                       \
		".cfi_endproc\n"                                     \
		".size " name ", . - " name "\n")

ENTRY("fork_spawn_entry", "fork_spawn_slow", "	movq	-64(%rbp), %rax\n");
ENTRY("fork_join_entry", "fork_join_slow", "");

/* Not to be called: they come back to r11. */
void fork_spawn_entry(weir_worker *face, weir_fork_slot *head);
void *fork_join_entry(weir_worker *face, weir_fork_slot *slot);
#else
#define fork_spawn_entry fork_spawn_slow
#define fork_join_entry fork_join_slow
#endif

void fork_entries(weir_worker *face)
{
	face->spawn_slow = fork_spawn_entry;
	face->join_slow = fork_join_entry;
}
