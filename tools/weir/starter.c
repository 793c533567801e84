/* SPDX-License-Identifier: MIT */
/*
 * starter.c - fork, bind, exec, by a process that stays small.
 *
 * Holds:     a socket to the starter; one request at a time is under way.
 * Invariant: the starter has one thread, so its children may do anything between fork and exec.
 * Together:  starter_start() from any threads.
 * Not here:  waiting and measuring (process.c).
 *
 * Why not fork from here: Linux counts what a process had before exec into its peak memory, so every command would be
 * measured at no less than weir's own size, which grows with the job list; and forking a large process with threads is
 * slow and leaves a child that may do next to nothing. The starter clones with CLONE_PARENT, so that the commands are
 * children of weir itself, which waits for them as if it had forked.
 * Not posix_spawn() either: it can neither bind cores nor set a memory policy.
 */
#include "starter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SHELL_NOT_FOUND = 127, /* as a shell says it */
	FILES = 2
};

struct starter {
	int socket;
	pid_t pid;
	pthread_mutex_t lock;
};

/* What goes over the socket: this with the files, then the variables and the command, each with its zero. */
struct request {
	uint32_t node;
	uint32_t first_core;
	uint32_t cores;
	uint32_t variables;
	size_t text_bytes;
};

/* Room for the descriptors of one message. */
union files_room {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(FILES * sizeof(int))];
};

static bool send_all(int to, const void *bytes, size_t left)
{
	const char *at = bytes;
	while (left) {
		ssize_t n = send(to, at, left, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool receive_all(int from, void *bytes, size_t left)
{
	char *at = bytes;
	while (left) {
		ssize_t n = recv(from, at, left, 0);
		if (n == 0)
			errno = EPIPE;
		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		at += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* The starter's side. -------------------------------------------------------------------------------------------- */

static void write_text(int fd, const char *text)
{
	ssize_t ignored = write(fd, text, strlen(text));
	(void)ignored;
}

/* In the child. */
static _Noreturn void become(const struct request *request, char *text, const int files[FILES],
			     const weir_machine *machine)
{
	setpgid(0, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (files[0] >= 0) {
		dup2(files[0], STDOUT_FILENO);
		dup2(files[1], STDERR_FILENO);
	}
	for (uint32_t i = 0; i < request->variables; i++) {
		putenv(text);
		text += strlen(text) + 1;
	}
	/* Where memory may not be bound, as in many containers, the cores are bound all the same and first touch does
	 * most of the rest. Where even that is forbidden the command runs unbound rather than not at all. */
	if (machine && request->cores)
		(void)weir_machine_bind_self(machine, request->node, request->first_core, request->cores);
	execl("/bin/sh", "sh", "-c", text, (char *)NULL);
	write_text(STDERR_FILENO, "weir: cannot start /bin/sh: ");
	write_text(STDERR_FILENO, errno == E2BIG ? "command and environment are too long\n"
						 : "it is missing, or not to be executed\n");
	_exit(SHELL_NOT_FOUND);
}

/* Read a request and the files that came with it. False: weir is gone. */
static bool receive(int from, struct request *request, int files[FILES])
{
	union files_room room;
	struct iovec part = {request, sizeof(*request)};
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
	files[0] = files[1] = -1;
	ssize_t n;
	do
		n = recvmsg(from, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*request))
		return false;
	const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(FILES * sizeof(int)))
		memcpy(files, CMSG_DATA(header), FILES * sizeof(int));
	return true;
}

static _Noreturn void serve(int from, const weir_machine *machine)
{
	/* The terminal's signals are weir's to handle; when weir goes, the socket ends. */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "weir-starter");
	struct request request;
	int files[FILES];
	while (receive(from, &request, files)) {
		char *text = malloc(request.text_bytes);
		if (!text || !receive_all(from, text, request.text_bytes))
			break;
		/* The system call itself, as fork() takes no flags. Architectures differ in the order of the other
		 * arguments, which are all zero. */
		pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			become(&request, text, files, machine);
		pid = pid < 0 ? -errno : pid;
		for (int i = 0; i < FILES; i++) {
			if (files[i] >= 0)
				close(files[i]);
		}
		free(text);
		if (!send_all(from, &pid, sizeof(pid)))
			break;
	}
	_exit(0);
}

/* Weir's side. ---------------------------------------------------------------------------------------------------- */

int starter_create(struct starter **out, const weir_machine *machine)
{
	*out = NULL;
	int ends[2];
	struct starter *starter = malloc(sizeof(*starter));
	if (!starter)
		return ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		int error = errno;
		free(starter);
		return error;
	}
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		serve(ends[1], machine);
	}
	int error = errno;
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		free(starter);
		return error;
	}
	*starter = (struct starter){.socket = ends[0], .pid = pid};
	pthread_mutex_init(&starter->lock, NULL);
	*out = starter;
	return 0;
}

void starter_destroy(struct starter *starter)
{
	if (!starter)
		return;
	close(starter->socket);
	while (waitpid(starter->pid, NULL, 0) < 0 && errno == EINTR)
		;
	pthread_mutex_destroy(&starter->lock);
	free(starter);
}

/* The head of a request, with the files. */
static bool send_head(int to, const struct request *request, const struct start *start)
{
	union files_room room = {0};
	struct iovec part = {(void *)(uintptr_t)request, sizeof(*request)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (start->output_fd >= 0) {
		message.msg_control = room.bytes;
		message.msg_controllen = sizeof(room.bytes);
		const int files[FILES] = {start->output_fd, start->error_fd};
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(files));
		memcpy(CMSG_DATA(header), files, sizeof(files));
	}
	ssize_t n;
	do
		n = sendmsg(to, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*request);
}

pid_t starter_start(struct starter *starter, const struct start *start)
{
	struct request request = {.node = start->node,
				  .first_core = start->first_core,
				  .cores = start->cores,
				  .text_bytes = strlen(start->command) + 1};
	for (char *const *v = start->variables; v && *v; v++) {
		request.variables++;
		request.text_bytes += strlen(*v) + 1;
	}
	pid_t pid = 0;
	pthread_mutex_lock(&starter->lock);
	bool good = send_head(starter->socket, &request, start);
	for (uint32_t i = 0; good && i < request.variables; i++)
		good = send_all(starter->socket, start->variables[i], strlen(start->variables[i]) + 1);
	good = good && send_all(starter->socket, start->command, strlen(start->command) + 1) &&
	       receive_all(starter->socket, &pid, sizeof(pid));
	/* A starter that ends with a request unread says it otherwise than one that ended before. */
	pid = good ? pid : errno == ECONNRESET ? -EPIPE : -errno;
	pthread_mutex_unlock(&starter->lock);
	return pid;
}
