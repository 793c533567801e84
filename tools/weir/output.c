/* SPDX-License-Identifier: MIT */
/*
 * output.c - one pair of files for each running command, copied out when it ends.
 *
 * Holds:     for OUTPUT_KEEP_ORDER also a spool: what ended before its turn is appended there and its own files are
 *            closed, so that a slow first command does not make us run out of files.
 * Invariant: J3  no command's output is mixed with another's; standard output first, then standard error. With
 *                KEEP_ORDER each job ends or is skipped once, and j is printed after 0 .. j-1.
 * Together:  output_open() and output_finish() from any threads; copying is serialised.
 * Not here:  what a command is (process.c).
 *
 * Files without a name in TMPDIR, else /tmp, rather than memory: output must not eat what the commands were promised.
 * Where neither can be written, memory it is.
 */
#include "output.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_BYTES = 64 * 1024 };

/* What a command wrote, as a piece of the spool. */
struct held {
	bool ended;
	off_t at; /* standard error follows standard output */
	off_t output_bytes;
	off_t error_bytes;
};

struct output {
	enum output_mode mode;
	pthread_mutex_t lock;
	int error;
	size_t jobs;
	size_t turn; /* KEEP_ORDER: the first job that has not ended */
	struct held *held;
	int spool;
	off_t spool_end;
	char *buffer;
};

static int open_in(const char *folder)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_APPEND, 0600);
	if (fd >= 0 || errno == EMFILE || errno == ENFILE)
		return fd;
	/* The last six are mkostemp()'s to fill in. */
	static const char six[] = {'X', 'X', 'X', 'X', 'X', 'X', '\0'};
	char path[4096];
	int length = snprintf(path, sizeof(path), "%s/weir.%s", folder, six);
	if (length < 0 || (size_t)length >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC | O_APPEND);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_unnamed(void)
{
	const char *folder = getenv("TMPDIR");
	int fd = folder && *folder ? open_in(folder) : -1;
	if (fd < 0)
		fd = open_in("/tmp");
	return fd >= 0 ? fd : memfd_create("weir", MFD_CLOEXEC);
}

int output_create(struct output **out, enum output_mode mode, size_t jobs)
{
	struct output *output = calloc(1, sizeof(*output));
	*out = output;
	if (!output)
		return ENOMEM;
	*output = (struct output){.mode = mode, .jobs = jobs, .spool = -1, .buffer = malloc(COPY_BYTES)};
	pthread_mutex_init(&output->lock, NULL);
	if (mode == OUTPUT_KEEP_ORDER) {
		output->held = calloc(jobs, sizeof(*output->held));
		output->spool = open_unnamed();
	}
	int error = 0;
	if (!output->buffer || (mode == OUTPUT_KEEP_ORDER && jobs && !output->held))
		error = ENOMEM;
	else if (mode == OUTPUT_KEEP_ORDER && output->spool < 0)
		error = errno;
	if (error) {
		output_destroy(output);
		*out = NULL;
	}
	return error;
}

void output_destroy(struct output *output)
{
	if (!output)
		return;
	if (output->spool >= 0)
		close(output->spool);
	pthread_mutex_destroy(&output->lock);
	free(output->held);
	free(output->buffer);
	free(output);
}

int output_open(struct output *output, struct capture *capture)
{
	*capture = (struct capture){-1, -1};
	if (output->mode == OUTPUT_UNGROUP)
		return 0;
	capture->output_fd = open_unnamed();
	if (capture->output_fd >= 0)
		capture->error_fd = open_unnamed();
	if (capture->error_fd >= 0)
		return 0;
	int error = errno;
	if (capture->output_fd >= 0)
		close(capture->output_fd);
	*capture = (struct capture){-1, -1};
	return error;
}

void output_rewind(struct capture *capture)
{
	/* Both were opened to append, so truncating is enough. Memory files were not: they start anew by seeking. */
	for (int i = 0; i < 2; i++) {
		int fd = i ? capture->error_fd : capture->output_fd;
		if (fd >= 0 && ftruncate(fd, 0) == 0)
			lseek(fd, 0, SEEK_SET);
	}
}

/* The caller holds the lock, here and below. The first failure is kept; later output is dropped, as nobody reads it. */
static void failed(struct output *output)
{
	if (!output->error)
		output->error = errno ? errno : EIO;
}

/* Write all of it, also to a terminal or pipe that somebody set to non-blocking. */
static bool write_all(int fd, const char *bytes, size_t left)
{
	while (left) {
		ssize_t n = write(fd, bytes, left);
		if (n >= 0) {
			bytes += n;
			left -= (size_t)n;
		} else if (errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Copy bytes [at, at + bytes) of a file to the end of another. Returns how many. */
static off_t copy(struct output *output, int from, off_t at, off_t bytes, int to)
{
	off_t done = 0;
	while (done < bytes) {
		size_t want = bytes - done < COPY_BYTES ? (size_t)(bytes - done) : COPY_BYTES;
		ssize_t n = pread(from, output->buffer, want, at + done);
		if (n == 0)
			break; /* the command's children made it shorter meanwhile */
		if (n < 0 || !write_all(to, output->buffer, (size_t)n)) {
			failed(output);
			break;
		}
		done += n;
	}
	return done;
}

static off_t size_of(int fd)
{
	struct stat status;
	return fd >= 0 && fstat(fd, &status) == 0 ? status.st_size : 0;
}

static void hold(struct output *output, struct held *held, const struct capture *capture, off_t output_bytes,
		 off_t error_bytes)
{
	held->at = output->spool_end;
	held->output_bytes = copy(output, capture->output_fd, 0, output_bytes, output->spool);
	held->error_bytes = copy(output, capture->error_fd, 0, error_bytes, output->spool);
	output->spool_end += held->output_bytes + held->error_bytes;
}

/* Print what was held and whose turn it is now. */
static void advance(struct output *output)
{
	for (; output->turn < output->jobs && output->held[output->turn].ended; output->turn++) {
		const struct held *held = &output->held[output->turn];
		copy(output, output->spool, held->at, held->output_bytes, STDOUT_FILENO);
		copy(output, output->spool, held->at + held->output_bytes, held->error_bytes, STDERR_FILENO);
	}
}

void output_finish(struct output *output, size_t job, struct capture *capture, uint64_t *bytes)
{
	off_t output_bytes = size_of(capture->output_fd);
	off_t error_bytes = size_of(capture->error_fd);
	if (bytes)
		*bytes = (uint64_t)output_bytes;
	pthread_mutex_lock(&output->lock);
	bool wait = output->mode == OUTPUT_KEEP_ORDER && job != output->turn;
	if (wait) {
		hold(output, &output->held[job], capture, output_bytes, error_bytes);
	} else {
		copy(output, capture->output_fd, 0, output_bytes, STDOUT_FILENO);
		copy(output, capture->error_fd, 0, error_bytes, STDERR_FILENO);
	}
	if (output->mode == OUTPUT_KEEP_ORDER) {
		assert(job < output->jobs && !output->held[job].ended);
		output->held[job].ended = true;
		advance(output);
	}
	pthread_mutex_unlock(&output->lock);
	if (capture->output_fd >= 0)
		close(capture->output_fd);
	if (capture->error_fd >= 0)
		close(capture->error_fd);
	*capture = (struct capture){-1, -1};
}

void output_skip(struct output *output, size_t job)
{
	output_finish(output, job, &(struct capture){-1, -1}, NULL);
}

int output_error(struct output *output)
{
	pthread_mutex_lock(&output->lock);
	int error = output->error;
	pthread_mutex_unlock(&output->lock);
	return error;
}
