# SPDX-License-Identifier: MIT
# replay_check.awk - does a report of `weir replay --json` add up, and agree with the workload?
#
#	awk -f replay_check.awk [-v processors=N -v memory_kb=N] [-v overcommits=none|some|any] [-v plain=1] report.json workload.swf
#
# Counts the jobs that can never fit from the workload itself: processors and memory_kb are those of the workload's machine
# (memory_kb 0: the most that any job has for a processor, times processors). Rounding to units does not matter to that
# count: a limit is a whole number of units, so a demand exceeds it rounded up exactly if it exceeds it as it is.
# Prints each fault and exits with 1 if there is one.

function complain(text) { print "replay_check: " text > "/dev/stderr"; faults++ }

function expect(name, got, due) { if (got != due) complain(name " is " got ", should be " due) }

function value(key) { if (!(key in json)) complain("there is no " key); return json[key] }

# The report comes one value a line, by two blanks for each level.
FNR == NR {
	line = $0
	sub(/,$/, "", line)
	match(line, /^ */)
	depth = RLENGTH / 2
	line = substr(line, RLENGTH + 1)
	if (line ~ /^[]}]/)
		next
	if (line ~ /^"/) {
		key = line
		sub(/^"/, "", key)
		sub(/".*/, "", key)
		sub(/^"[^"]*": */, "", line)
	} else
		key = item[depth]++
	path[depth] = depth > 1 ? path[depth - 1] "." key : key
	if (line ~ /^[[{]$/)
		item[depth + 1] = 0
	else
		json[path[depth]] = line ~ /^-?[0-9]/ ? line + 0 : line
	next
}

/^ *;/ || NF == 0 { next }

{
	procs = $5 > 0 ? $5 : $8
	kb = $10 > 0 ? $10 : $7
	if ($4 <= 0 || procs <= 0) {
		skipped++
		next
	}
	jobs++
	job_processors[jobs] = procs
	job_kb[jobs] = kb
	if (kb > most_kb)
		most_kb = kb
}

END {
	if (!memory_kb)
		memory_kb = most_kb * processors
	split("jobs skipped admitted queued deferred rejected rejected_by_cause.infeasible completed failed cancelled " \
	      "wait_ns.p50 wait_ns.p95 wait_ns.p99 wait_ns.max makespan_ns utilisation.cpu utilisation.memory fragmentation " \
	      "home_node_ratio peak_held.cpu peak_held.memory limit.cpu limit.memory overcommit_events peak_rss_bytes " \
	      "strategy admission machine", keys, " ")
	for (k in keys)
		value(keys[k])
	expect("jobs", json["jobs"], jobs)
	expect("skipped", json["skipped"], skipped + 0)
	expect("the sum of first verdicts", json["admitted"] + json["queued"] + json["deferred"] + json["rejected"], jobs)
	expect("the sum of ends",
	       json["completed"] + json["failed"] + json["cancelled"] + json["rejected"] + json["deferred"], jobs)
	expect("failed", json["failed"], 0)
	expect("cancelled", json["cancelled"], 0)
	if (json["wait_ns.p50"] > json["wait_ns.p95"] || json["wait_ns.p95"] > json["wait_ns.p99"] ||
	    json["wait_ns.p99"] > json["wait_ns.max"])
		complain("the percentiles of wait_ns do not ascend")
	for (nodes = 0; ("limit.nodes." nodes ".cpu") in json; nodes++) {
		cpu_sum += json["limit.nodes." nodes ".cpu"]
		memory_sum += json["limit.nodes." nodes ".memory"]
	}
	if (!nodes)
		complain("there are no nodes")
	expect("limit.cpu", json["limit.cpu"], cpu_sum)
	expect("limit.memory", json["limit.memory"], memory_sum)
	for (j = 1; j <= jobs && !plain; j++) {
		fits = 0
		for (n = 0; n < nodes; n++) {
			cpu_parts = cpu_sum / json["limit.nodes." n ".cpu"]
			memory_parts = memory_sum / json["limit.nodes." n ".memory"]
			memory_fits = job_kb[j] > 0 ? job_processors[j] * job_kb[j] * memory_parts <= memory_kb \
						    : job_processors[j] * memory_parts <= processors
			fits += job_processors[j] * cpu_parts <= processors && memory_fits
		}
		infeasible += !fits
	}
	expect("rejected_by_cause.infeasible", json["rejected_by_cause.infeasible"], infeasible + 0)
	expect("rejected", json["rejected"], infeasible + 0)
	if (overcommits == "none") {
		expect("overcommit_events", json["overcommit_events"], 0)
		if (json["peak_held.cpu"] > json["limit.cpu"] || json["peak_held.memory"] > json["limit.memory"])
			complain("more was held than the limit")
		for (n = 0; n < nodes; n++)
			if (json["peak_held.nodes." n ".cpu"] > json["limit.nodes." n ".cpu"] ||
			    json["peak_held.nodes." n ".memory"] > json["limit.nodes." n ".memory"])
				complain("more was held of node " n " than its limit")
	} else if (overcommits == "some" && json["overcommit_events"] == 0)
		complain("overcommit_events is 0, where there must be some")
	exit faults > 0
}
