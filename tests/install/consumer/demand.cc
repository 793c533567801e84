// SPDX-License-Identifier: MIT
// demand.cc - options and demands written in place, which C++ can from its version 20 on.
#include <weir/weir.h>

static weir_status nothing(weir_task *, void *)
{
	return WEIR_OK;
}

int main()
{
	weir_pool *pool;
	weir_group *group;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.workers = 2, .resource_aware = true)) || weir_group_create(&group, pool))
		return 1;
	if (weir_submit(group, nothing, nullptr, WEIR_DEMAND(.cores = 0.5, .memory_bytes = 4096)) || weir_group_wait(group))
		return 1;
	return weir_group_destroy(group) || weir_pool_destroy(pool);
}
