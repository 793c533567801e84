/* SPDX-License-Identifier: MIT */
/* textfile.h - a small file of the kernel's that is read again and again: opened once, then only read. */
#ifndef NUMA_TEXTFILE_H
#define NUMA_TEXTFILE_H

#include <stddef.h>
#include <stdint.h>

/* Zero: no file; reading it answers -1. */
struct textfile {
	char *path;	   /* owned */
	int fd_plus_one;   /* 0: not open */
	int error;	   /* errno of the last failure, 0: none since */
	uint32_t failures; /* since it was last read */
};

/* Which file: root, directory and name one after another; a name's own slash is not added to an empty directory. Closes
 * what it was before. Where there is no memory for the path, it is no file. */
void textfile_name(struct textfile *file, const char *root, const char *directory, const char *name);

/* Its bytes from the beginning, at most size; not ended by a zero. -1: cannot be read: error says why; it is looked for
 * again only at every 64th call. */
long textfile_read(struct textfile *file, char *text, size_t size);

/* Close it, and forget which it was. */
void textfile_drop(struct textfile *file);

/* Close it, but read it as before: for who has too many open. */
void textfile_close(struct textfile *file);

#endif
