// SPDX-License-Identifier: MIT
// harness.cc - the only home of Google Benchmark.
#include "harness.h"

#include <benchmark/benchmark.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace
{
constexpr uint64_t batch = 1000;

std::map<std::string, std::vector<double>> &times()
{
	static std::map<std::string, std::vector<double>> all;
	return all;
}

// Keeps what a round measured.
class collector : public benchmark::BenchmarkReporter
{
      public:
	bool failed = false;
	bool ReportContext(const Context &) override
	{
		return true;
	}
	void ReportRuns(const std::vector<Run> &runs) override
	{
		for (const Run &run : runs) {
			if (run.error_occurred) {
				std::cerr << run.benchmark_name() << ": " << run.error_message << '\n';
				failed = true;
				continue;
			}
			bool single = run.threads == 1;
			times()[run.run_name.function_name].push_back(single ? run.GetAdjustedCPUTime()
									     : run.GetAdjustedRealTime());
		}
	}
};

// The q-quantile.
double quantile(std::vector<double> values, double q)
{
	if (values.empty())
		return NAN;
	std::sort(values.begin(), values.end());
	double at = q * static_cast<double>(values.size() - 1);
	size_t below = static_cast<size_t>(at);
	size_t above = std::min(below + 1, values.size() - 1);
	return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

} // namespace

void bench_register(const char *name, bench_fn fn, const void *argument, int threads)
{
	auto body = [fn, argument](benchmark::State &state) {
		bench_run run{};
		run.argument = argument;
		run.thread = static_cast<uint32_t>(state.thread_index());
		run.state = &state;
		fn(&run);
	};
	benchmark::RegisterBenchmark(name, body)->Threads(threads)->UseRealTime()->Unit(benchmark::kNanosecond);
}

bool bench_more(struct bench_run *run)
{
	auto *state = static_cast<benchmark::State *>(run->state);
	if (!state->KeepRunningBatch(batch))
		return false;
	run->left = batch - 1;
	return true;
}

void bench_fail(struct bench_run *run, const char *why)
{
	static_cast<benchmark::State *>(run->state)->SkipWithError(why);
}

bool bench_rounds(int rounds, double seconds)
{
	std::string name = "bench", least = "--benchmark_min_time=" + std::to_string(seconds);
	char *argv[] = {name.data(), least.data(), nullptr};
	int argc = 2;
	benchmark::Initialize(&argc, argv);
	collector into;
	for (int round = 0; round < rounds && !into.failed; round++)
		benchmark::RunSpecifiedBenchmarks(&into);
	return !into.failed;
}

int bench_program(int argc, char **argv, const bench_workload *all, size_t count)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		for (size_t i = 0; i < count; i++)
			printf("%s %s\n", all[i].name, all[i].counts);
		return 0;
	}
	bool quick = argc == 5 && strcmp(argv[4], "quick") == 0;
	if ((argc == 4 || quick) && strcmp(argv[1], "run") == 0) {
		std::string threads = argv[3];
		for (size_t i = 0; i < count; i++)
			if (strcmp(all[i].name, argv[2]) == 0 &&
			    ("," + std::string(all[i].counts) + ",").find("," + threads + ",") != std::string::npos)
				return !all[i].run(argv[2], static_cast<uint32_t>(std::stoul(threads)), quick);
		fprintf(stderr, "%s %s: no such workload and thread count\n", argv[2], argv[3]);
		return 1;
	}
	fprintf(stderr, "usage: list, or run WORKLOAD THREADS [quick]\n");
	return 1;
}

void bench_row(const char *workload, const char *peer, uint32_t threads, double value, const char *unit)
{
	printf("{\"workload\":\"%s\",\"peer\":\"%s\",\"threads\":%u,\"value\":%.6g,\"unit\":\"%s\"}\n", workload, peer,
	       threads, value, unit);
}

void bench_note(const char *name, double ns)
{
	times()[name].push_back(ns);
}

double bench_ns(const char *name)
{
	return quantile(times()[name], 0.5);
}

double bench_ratio(const char *a, const char *b)
{
	const std::vector<double> &above = times()[a], &below = times()[b];
	std::vector<double> ratios;
	for (size_t i = 0; i < std::min(above.size(), below.size()); i++)
		ratios.push_back(above[i] / below[i]);
	return quantile(ratios, 0.5);
}

double bench_spread(const char *name)
{
	const std::vector<double> &all = times()[name];
	return (quantile(all, 0.75) - quantile(all, 0.25)) / quantile(all, 0.5);
}

const char *bench_machine(void)
{
	static std::string line = [] {
		std::string model = "unknown CPU", text;
		std::ifstream info("/proc/cpuinfo");
		while (std::getline(info, text)) {
			if (text.compare(0, 10, "model name") == 0 && text.find(": ") != std::string::npos) {
				model = text.substr(text.find(": ") + 2);
				break;
			}
		}
		utsname system{};
		uname(&system);
		return std::to_string(std::thread::hardware_concurrency()) + " x " + model + ", " + system.sysname +
		       " " + system.release + ", compiler " + __VERSION__;
	}();
	return line.c_str();
}
