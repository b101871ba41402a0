"""Threads: whether the two-pass algorithm stays ahead on many."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from twopass._detect import Cpu
from twopass.bench import run
from twopass.bench.cases import Case, usable_cpus
from twopass.bench.paper.algorithms import (
    ONLINE,
    THREE_PASS,
    TWO_PASS,
    TWO_PASS_RELOAD,
    advantage,
)
from twopass.bench.paper.claims import Claim, Ruling, span, verdict
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, MUTED, panel
from twopass.bench.paper.findings import Findings, Missing
from twopass.bench.paper.race import Race
from twopass.bench.paper.rows import out_of_cache
from twopass.bench.paper.tables import Table
from twopass.bench.report import digits
from twopass.bench.run import LIMIT, Measured
from twopass.bench.style import line


def thread_counts(cpus: int, quick: bool) -> list[int]:
    """Return every number of threads up to that of the CPUs; quick, the powers of two and it."""
    if quick:
        return sorted({1 << k for k in range(cpus.bit_length())} | {cpus})
    return list(range(1, cpus + 1))


def cases(cpu: Cpu, quick: bool) -> list[Case]:
    """Return a row out of cache, for ever more threads."""
    row, counts = (out_of_cache(cpu),), thread_counts(usable_cpus(), quick)
    return [Case("softmax", row, threads=number) for number in counts]


THREADS = Race("threads", "threads", cases, run.contenders, 14)


def with_all_threads(findings: Findings) -> Measured:
    """Return what was measured with a thread for each CPU."""
    return findings.item(THREADS, out_of_cache(findings.cpu), usable_cpus())


def _ahead_with_threads(findings: Findings, target: Any) -> Ruling:
    if usable_cpus() == 1:
        raise Missing("there is one CPU")
    rival, found = advantage(with_all_threads(findings), target.name)
    text = f"speed over {rival} on {usable_cpus()} threads: {span(found)}"
    return Ruling(target.name, verdict(found), text, found)


def draw(findings: Findings, target: str) -> Figure:
    """Draw the throughput of each algorithm over threads, on the row out of cache."""
    figure, axes = panel(target)
    items = findings.rows(THREADS)
    counts = [item.case.threads for item in items]
    for name in (*THREE_PASS, TWO_PASS, TWO_PASS_RELOAD, ONLINE):
        speed = [1 / item.ns(name, target) for item in items]
        axes.plot(counts, speed, ms=5, **line(name))
    limit = [1 / item.ns(LIMIT, target) for item in items]
    axes.plot(counts, limit, color=MUTED, lw=1.4, ls="--", label=LIMIT)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, list(map(str, counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.set_xlabel("threads")
    axes.set_ylabel("10⁹ elements/s")
    figure.legend(ncols=3, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate how many times as fast each algorithm is with all threads as with one."""
    one, all_threads = findings.rows(THREADS)[0], with_all_threads(findings)
    names = [target.name for target in findings.targets]
    rows = []
    for algorithm in (*all_threads.algorithms(names[0]), LIMIT):
        cells = []
        for name in names:
            before, after = (item.ns(algorithm, name) for item in (one, all_threads))
            cells.append(f"{digits(after)} ({before / after:.2f}x)")
        rows.append([algorithm, *cells])
    note = f"ns per element on {all_threads.case.threads} threads, and the gain over one thread."
    return Table(("algorithm", *names), rows, note)


EXPERIMENT = Experiment(
    "threads",
    "Threads",
    "One row out of cache, divided among threads. What memory bandwidth limits, more threads "
    "do not help for long.",
    THREADS,
    (
        Claim(
            6,
            "The two-pass algorithm stays ahead of the three-pass ones on many threads.",
            "As the first claim, with a thread for each CPU.",
            _ahead_with_threads,
        ),
    ),
    draw,
    table=table,
)
