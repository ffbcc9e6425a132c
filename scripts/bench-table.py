#!/usr/bin/env python3
"""Runs the plan written by bench.sh and prints the table.

A line of the plan is GROUP, WHO, PREPARE and COMMAND, separated by tabs. The programs of one group
run in turn, ROUNDS times after a round that is not counted; PREPARE (a shell command, may be empty)
is not measured. A command that fails ends the whole run.

    bench-table.py PLAN RUNNER ROUNDS
"""
import collections
import os
import shlex
import statistics
import subprocess
import sys
import tempfile

COLUMNS = "{:<14} {:<8} {:>24} {:>24} {:>8} {:>12} {:>11}"


def measure(runner, prepare, command, scratch):
    """Wall seconds, CPU seconds, peak MiB of one run."""
    if prepare:
        subprocess.run(["sh", "-ec", prepare], check=True)
    result = os.path.join(scratch, "result")
    with open(os.path.join(scratch, "output"), "w+", encoding="utf-8", errors="replace") as output:
        code = subprocess.call(
            [runner, result, *shlex.split(command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        if code != 0:
            output.seek(0)
            sys.exit("%s\n%s\nexit code %d" % (output.read(), command, code))
    with open(result, encoding="ascii") as f:
        wall, user, system, peak = map(int, f.read().split())
    return wall / 1e6, (user + system) / 1e6, peak / 1024


def spread(values, scale):
    cells = min(values), statistics.median(values), max(values)
    return " ".join("%7.1f" % (c * scale) for c in cells)


def show(group, runs):
    """One line for each program; the ratios to the floor, or to NSS's tool, are medians of those of the
    single rounds."""
    base = next((who for who in ("floor", "pk12util", "certutil") if who in runs), None)
    floor = runs.get(base)
    for who, values in runs.items():
        wall, cpu, peak = zip(*values)
        ratios = ["", ""]
        if floor and who != base:
            for i in range(2):
                ratio = statistics.median(v[i] / f[i] for v, f in zip(values, floor) if f[i])
                ratios[i] = "%.2f" % ratio
        print(COLUMNS.format(group, who, spread(wall, 1000), spread(cpu, 1000),
                             "%.1f" % statistics.median(peak), *ratios), flush=True)


def main():
    plan, runner, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
    groups = collections.OrderedDict()
    with open(plan, encoding="utf-8") as f:
        for line in f:
            group, who, prepare, command = line.rstrip("\n").split("\t")
            groups.setdefault(group, []).append((who, prepare, command))
    print(COLUMNS.format("command", "who", "wall ms min/median/max", "CPU ms min/median/max",
                         "peak MiB", "wall/floor", "CPU/floor"))
    with tempfile.TemporaryDirectory() as scratch:
        for group, programs in groups.items():
            runs = collections.OrderedDict((who, []) for who, _, _ in programs)
            for count in range(rounds + 1):
                for who, prepare, command in programs:
                    taken = measure(runner, prepare, command, scratch)
                    if count:
                        runs[who].append(taken)
            show(group, runs)


if __name__ == "__main__":
    main()
