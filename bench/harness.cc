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

// --name=value, taken out of argv; the fallback if it is not there.
std::string option(int &argc, char **argv, const std::string &name, const std::string &fallback)
{
	std::string found = fallback, start = "--" + name + "=";
	int kept = 0;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], start.c_str(), start.size()) == 0)
			found = argv[i] + start.size();
		else
			argv[kept++] = argv[i];
	}
	argc = kept;
	return found;
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

bool bench_main(int argc, char **argv)
{
	int rounds = std::atoi(option(argc, argv, "rounds", "9").c_str());
	std::string least = "--benchmark_min_time=" + option(argc, argv, "seconds", "0.02");
	std::vector<char *> args(argv, argv + argc);
	args.push_back(least.data());
	int count = static_cast<int>(args.size());
	args.push_back(nullptr);
	benchmark::Initialize(&count, args.data());
	if (rounds < 1 || benchmark::ReportUnrecognizedArguments(count, args.data())) {
		std::cerr << "options: --rounds=N (at least 1), --seconds=S, --benchmark_filter=REGEX\n";
		return false;
	}
	collector into;
	for (int round = 0; round < rounds && !into.failed; round++)
		benchmark::RunSpecifiedBenchmarks(&into);
	return !into.failed;
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
