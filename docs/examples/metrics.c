/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - what was decided and waited for, as Prometheus reads it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <weir/weir.h>

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	return WEIR_OK;
}

/* The text of a pool's metrics; free() it. NULL: weir_error_text() says why. */
static char *scrape(weir_pool *pool)
{
	const weir_machine *machine = weir_pool_machine(pool);
	uint32_t nodes = weir_machine_nodes(machine);
	weir_metrics metrics = {
		.size = sizeof(metrics), .nodes_capacity = nodes, .node = calloc(nodes, sizeof(weir_node_metrics))};
	char *text = NULL;
	if (metrics.node && !weir_metrics_get(pool, &metrics)) {
		size_t length = weir_metrics_prometheus(&metrics, NULL, 0);
		if (length && (text = malloc(length + 1)) != NULL)
			(void)weir_metrics_prometheus(&metrics, text, length + 1);
		printf("# half of those that waited did so for less than %" PRIu64 " ns\n",
		       weir_histogram_quantile_ns(&metrics.wait[WEIR_NORMAL], 0.5));
	}
	free(metrics.node);
	return text;
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:2 core:2 pu:1")) ||
	    weir_group_create(&group, pool))
		return puts(weir_error_text()), 1;
	for (int i = 0; i < 100; i++)
		if (weir_submit(group, nothing, NULL, WEIR_DEMAND(.cores = 2)))
			return puts(weir_error_text()), 1;
	weir_status status = weir_group_wait(group);
	char *text = scrape(pool);
	if (!text)
		return puts(weir_error_text()), 1;
	fputs(text, stdout);
	free(text);
	return status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
