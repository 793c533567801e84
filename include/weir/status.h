/* SPDX-License-Identifier: MIT */
/*
 * status.h - what a call answers, and the words that go with it.
 */
#ifndef WEIR_STATUS_H
#define WEIR_STATUS_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

/* An int rather than an enum, so that Fortran and Python can bind it and tasks can return codes of their own. */
typedef int weir_status;

enum {
	WEIR_OK = 0,
	WEIR_EINVAL = 1,      /* an argument or option is wrong; the text names it */
	WEIR_ENOMEM = 2,      /* the host, or the task's own grant, has no such memory */
	WEIR_ESYSTEM = 3,     /* the operating system refused; the text has its reason */
	WEIR_EAGAIN = 4,      /* no room now: try again later (retryable) */
	WEIR_EINFEASIBLE = 5, /* more than the limits: will never fit */
	WEIR_EFULL = 6,	      /* a queue is at its limit (retryable) */
	WEIR_EEXIST = 7,      /* the id is in use */
	WEIR_ENOENT = 8,      /* no such id, file or option */
	WEIR_ESTALE = 9,      /* the handle's grant is gone: released twice, or never given */
	WEIR_EDEADLK = 10,    /* waiting would, or could, never end */
	WEIR_ECANCELED = 11,  /* the group or the pool was cancelled */
	WEIR_ESHUTDOWN = 12,  /* the pool takes no more work */
	WEIR_EVERSION = 13,   /* the headers compiled against are not the library's */
	WEIR_EBUSY = 14,      /* in use: release or wait first */
	WEIR_ETIME = 15,      /* the time that was given has passed */
	WEIR_EUSER = 1000     /* the first code that is the application's own */
};

/* A fixed text for a code, "no room now" for WEIR_EAGAIN; "application error" from WEIR_EUSER on. Thread: any. */
WEIR_API const char *weir_status_text(weir_status status);

/* True if the same call may succeed later without the caller changing anything. Thread: any. */
WEIR_API bool weir_status_retryable(weir_status status);

/* What the last failing weir call of this thread found wrong, with the value and what would do.
 * Owns:    the library, until the thread's next failing call. Never NULL, "" before the first failure.
 * Thread:  any; each has its own. */
WEIR_API const char *weir_error_text(void);

WEIR_END_DECLS

#endif
