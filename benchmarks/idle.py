"""Measure what the embedded stack costs with nothing to do: CPU and memory of each service.

`python -m benchmarks.idle` starts the services of the settings, waits until the first runs of the DAGs' files are over,
measures for a minute and stops what it started. Memory is the proportional set size: shared pages count once.
"""

import argparse
import time

import psutil

from pipelines.settings import Settings, load_settings
from stack import processes, services


def usage(settings: Settings) -> dict[str, tuple[float, float, int]]:
    """CPU seconds since the start, MB of memory and number of processes, per service."""
    found = {}
    for service in services._services(settings):
        members = processes.members(settings.home_path, [service.name])
        times = [process.cpu_times() for process in members]
        seconds = sum(time.user + time.system for time in times)
        found[service.name] = (seconds, sum(process.memory_full_info().pss for process in members) / 1e6, len(members))
    return found


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settle", type=int, default=60, help="seconds before the measurement")
    parser.add_argument("--seconds", type=int, default=60, help="seconds of the measurement")
    options = parser.parse_args()
    settings = load_settings()
    started = services.up(settings)["started"]
    try:
        time.sleep(options.settle)
        before, began = usage(settings), time.monotonic()
        time.sleep(options.seconds)
        after, elapsed = usage(settings), time.monotonic() - began
    finally:
        if started:
            services.down(settings)
    rows = {name: (100 * (after[name][0] - before[name][0]) / elapsed, *after[name][1:]) for name in after}
    rows["all"] = tuple(map(sum, zip(*rows.values(), strict=True)))
    print("| service | processes | CPU, % of a core | memory, MB |\n|---|---|---|---|")
    for name, (share, megabytes, count) in rows.items():
        print(f"| {name} | {count} | {share:.1f} | {megabytes:,.0f} |")
    print(f"\n{psutil.cpu_count()} cores; {options.seconds} s, after {options.settle} s.")


if __name__ == "__main__":
    main()
