/* SPDX-License-Identifier: MIT */
/*
 * commands.h - the subcommands of `weir`: each gets its own name and what follows it, and returns the exit status.
 */
#ifndef WEIR_TOOL_COMMANDS_H
#define WEIR_TOOL_COMMANDS_H

/* Wrong options, unreadable or malformed input, no machine: nothing was run, or not all of it could be. */
#define EXIT_OTHER_ERROR 255

int run_main(int argc, char **argv);
int replay_main(int argc, char **argv);
int host_main(int argc, char **argv);

#endif
