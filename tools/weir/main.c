/* SPDX-License-Identifier: MIT */
/*
 * main.c - the program `weir`: which subcommand is meant. Each parses the options that follow its name itself.
 *
 * Invariant: what is printed arrives, or the exit status and a line on standard error say that it did not; and no file that is
 *            opened later is taken for standard input, output or error.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/weir.h>

#include "commands.h"

static const struct command {
	const char *name;
	const char *full_name; /* what the subcommand's own messages and help call it */
	int (*main)(int argc, char **argv);
} commands[] = {
	{"run", "weir run", run_main},
	{"replay", "weir replay", replay_main},
	{"host", "weir host", host_main},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

struct choice {
	const struct command *command;
	int at; /* argv[at] is the subcommand's name */
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct choice *choice = state->input;
	switch (key) {
	case ARGP_KEY_ARG:
		for (int i = 0; i < COMMANDS; i++) {
			if (strcmp(argument, commands[i].name) == 0)
				choice->command = &commands[i];
		}
		if (!choice->command)
			argp_error(state, "there is no command '%s': give run, replay or host", argument);
		choice->at = state->next - 1;
		state->next = state->argc; /* what follows is the subcommand's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command given: give run, replay or host");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_version(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "weir %s\n", weir_version());
}

/* What was closed before we began: who reads or writes it finds an error, but for standard error, where nobody is to be told. */
static void open_standard_files(void)
{
	static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDWR};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", wrong_way[fd]); /* the lowest that is free: this one */
	}
}

/* What the subcommand came to; with EXIT_OTHER_ERROR it has said why. */
static int status;

/* Also where --help or --version ends the program. */
static void close_standard_output(void)
{
	errno = 0;
	if ((fflush(stdout) || ferror(stdout)) && status != EXIT_OTHER_ERROR) {
		fprintf(stderr, "weir: standard output: %s\n", strerror(errno ? errno : EIO));
		_exit(EXIT_OTHER_ERROR);
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [OPTION...] [FILE]",
		.doc = "Run work that states what it needs, never past the limits.\v"
		       "Commands:\n"
		       "  run [JOBS]           run the commands of a job file\n"
		       "  replay WORKLOAD.swf  run a recorded workload\n"
		       "  host                 show what host, group and process use; pressure\n"
		       "\n"
		       "`weir COMMAND --help` lists the options of a command.",
	};
	argp_program_version_hook = print_version;
	argp_err_exit_status = EXIT_OTHER_ERROR;

	open_standard_files();
	atexit(close_standard_output);
	struct choice choice = {0};
	error_t error = argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &choice);
	if (error) {
		fprintf(stderr, "weir: %s\n", strerror(error));
		return EXIT_OTHER_ERROR;
	}
	argv[choice.at] = (char *)choice.command->full_name;
	status = choice.command->main(argc - choice.at, argv + choice.at);
	return status;
}
