/* SPDX-License-Identifier: MIT */
/*
 * textfile.c - files that stay open between readings.
 *
 * Holds:     per file a path and a descriptor, which is closed on exec.
 * Together:  nothing: one thread at a time for one file.
 * Not here:  what the bytes mean (hostfiles.c), which files there are (host.c, monitor_*.c).
 *
 * Opening and closing a small file of cgroupfs takes twelve times as long as reading it. The kernel makes the text anew at
 * each read from offset 0, so an open descriptor never shows what is old. A control group's file whose group is gone
 * answers ENODEV for ever; it is then looked for by its path again.
 */
#include "numa/textfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A path that is missing costs as much to look for as three small files to read. */
enum { LOOK_AGAIN = 64 };

void textfile_close(struct textfile *file)
{
	if (file->fd_plus_one)
		close(file->fd_plus_one - 1);
	file->fd_plus_one = 0;
}

void textfile_drop(struct textfile *file)
{
	textfile_close(file);
	free(file->path);
	*file = (struct textfile){0};
}

void textfile_name(struct textfile *file, const char *root, const char *directory, const char *name)
{
	textfile_drop(file);
	size_t size = strlen(root) + strlen(directory) + strlen(name) + 2;
	file->path = malloc(size);
	if (file->path)
		snprintf(file->path, size, "%s%s%s%s", root, directory, *directory ? "/" : "", name);
}

static long failed(struct textfile *file, int error)
{
	textfile_close(file);
	file->error = error;
	file->failures++;
	return -1;
}

long textfile_read(struct textfile *file, char *text, size_t size)
{
	if (!file->path)
		return failed(file, ENOENT);
	if (!file->fd_plus_one) {
		if (file->failures % LOOK_AGAIN != 0) {
			file->failures++;
			return -1;
		}
		int fd = open(file->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return failed(file, errno);
		file->fd_plus_one = fd + 1;
	}
	ssize_t got;
	do
		got = pread(file->fd_plus_one - 1, text, size, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return failed(file, errno);
	file->error = 0;
	file->failures = 0;
	return got;
}
