/* SPDX-License-Identifier: MIT */
/*
 * ranks.c - how many processes of a parallel job share this host.
 *
 * Which variable to believe: the launcher nearest to this process. mpirun inside a Slurm job sets its own variables for
 * its ranks only, and they say exactly what runs here; so they come first. Of Slurm's, the step's list is exact too.
 * The job's (SLURM_NTASKS_PER_NODE, SLURM_TASKS_PER_NODE) are also seen by the batch script itself, where one process
 * runs alone and must not be cut down to a share; so they count only inside a step, which srun marks with
 * SLURM_STEP_ID.
 *
 * Not here:  what a rank's share is (topology.c).
 */
#include "numa/ranks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "numa/hostfiles.h"
#include "private/compiler.h"
#include "private/log.h"

enum { RANKS_MAX = 65536 };

/* Open MPI and its descendants; MPICH, Intel MPI and others under hydra; MVAPICH; PMI-1 launchers. */
static const char *const launcher_variables[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS",
						 "MV2_COMM_WORLD_LOCAL_SIZE", "PMI_LOCAL_SIZE"};

/* Variables with one entry for each host of the step or job, or one number for all. */
static const char *const slurm_variables[] = {"SLURM_STEP_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE",
					      "SLURM_TASKS_PER_NODE"};

static uint32_t accepted(const char *name, const char *value, bool read, uint64_t ranks)
{
	if (read && ranks >= 1 && ranks <= RANKS_MAX)
		return (uint32_t)ranks;
	LOG(WEIR_LOG_WARN, "%s is \"%s\", not a number of processes: passed over", name, value);
	return 0;
}

static uint32_t from_launcher(const char *name)
{
	const char *value = getenv(name);
	uint64_t ranks = 0;
	if (!value)
		return 0;
	bool read = hostfile_number(value, strlen(value), &ranks);
	return accepted(name, value, read, ranks);
}

static uint32_t from_slurm(const char *name)
{
	const char *value = getenv(name);
	if (!value)
		return 0;
	const char *place = getenv("SLURM_NODEID");
	uint64_t index = 0, ranks = 0;
	if (place)
		(void)hostfile_number(place, strlen(place), &index);
	size_t length = strlen(value);
	/* A single number holds for every host. */
	bool read =
		hostfile_slurm_tasks(value, length, index, &ranks) || hostfile_slurm_tasks(value, length, 0, &ranks);
	return accepted(name, value, read, ranks);
}

uint32_t ranks_on_this_host(void)
{
	uint32_t ranks = 0;
	for (size_t i = 0; !ranks && i < ARRAY_LENGTH(launcher_variables); i++)
		ranks = from_launcher(launcher_variables[i]);
	bool in_step = getenv("SLURM_STEP_ID") || getenv("SLURM_STEPID");
	for (size_t i = 0; !ranks && in_step && i < ARRAY_LENGTH(slurm_variables); i++)
		ranks = from_slurm(slurm_variables[i]);
	return ranks ? ranks : 1;
}
