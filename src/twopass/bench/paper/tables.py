"""The numbers beside the pictures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from twopass.bench.cases import human
from twopass.bench.paper.accuracy import Accuracy
from twopass.bench.paper.claims import (
    PAPER_ADVANTAGE,
    advantage,
    kind,
    percent,
    quotient,
    share_of_stream,
    spaced,
    span,
)
from twopass.bench.paper.experiments import (
    ORDINARY,
    PASS_NAMES,
    PASSES_OF,
    RECOMPUTE,
    RELOAD,
    STREAM,
    STREAMING,
    TRAFFIC,
    TWO_PASS,
    out_of_cache,
)
from twopass.bench.paper.figures import gigabytes
from twopass.bench.paper.findings import Findings
from twopass.bench.record import algorithm_portability
from twopass.bench.report import digits
from twopass.bench.run import AUTO, LIMIT, Measured


@dataclass(frozen=True)
class Table:
    """Text in rows and columns; the first column names the row."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def three_pass(findings: Findings) -> Table:
    """Tabulate recompute against reload."""
    return _by_target(
        findings,
        "speed of recompute over reload",
        lambda item, target: span(quotient(item, target, RELOAD, RECOMPUTE)),
    )


def two_pass(findings: Findings) -> Table:
    """Tabulate the advantage of two_pass out of cache beside the paper's."""
    least = out_of_cache(findings.cpu)
    items = [item for item in findings.rows("sizes") if item.case.size >= least]
    rows = []
    for target in findings.targets:
        paper = PAPER_ADVANTAGE.get(kind(target))
        for item in items:
            over = [quotient(item, target.name, name, TWO_PASS) for name in (RECOMPUTE, RELOAD)]
            best = advantage(item, target.name)[1]
            cells = [span(over[0]), span(over[1]), percent(best.value)]
            said = f"up to {percent(1 + paper)}" if paper else "\N{EN DASH}"
            rows.append([target.name, item.case.label, *cells, said])
    head = ("target", "row", "over recompute", "over reload", "over the better", "paper")
    return Table(head, rows, "Speed of two_pass out of cache.")


def bandwidth(findings: Findings) -> Table:
    """Tabulate the bandwidth of each pass as a share of STREAM's."""
    item = findings.out_of_cache("passes")
    names = [target.name for target in findings.targets]
    rows = []
    for name in PASS_NAMES:
        cells = []
        for target in names:
            share = share_of_stream(item, target, name).value
            cells.append(spaced(f"{gigabytes(item, name, target):.1f} ({share:.0%})"))
        rows.append([name, *cells])
    stream = ", ".join(f"{name} {gigabytes(item, name):.1f} GB/s" for name in STREAM)
    return Table(("pass", *names), rows, f"GB/s, and the share of the better of {stream}.")


def traffic(findings: Findings) -> Table:
    """Tabulate what each algorithm moves, and how fast it moves it."""
    item = findings.out_of_cache("passes")
    rows = []
    for name, passes in PASSES_OF.items():
        reads, writes = (sum(TRAFFIC[one][k] for one in passes) for k in (0, 1))
        cells = [f"{reads}N", f"{writes}N", f"{reads + writes}N"]
        for target in findings.targets:
            speed = (reads + writes) * item.case.nbytes / item.case.size
            cells.append(f"{speed / item.ns(name, target.name):.1f}")
        rows.append([name, *cells])
    head = ("algorithm", "reads", "writes", "in all", *(target.name for target in findings.targets))
    note = (
        "Values moved out of cache, as the paper counts them, and the GB/s they come to. An "
        "ordinary store reads its cache line first, which this leaves out; a streaming store "
        "does not."
    )
    return Table(head, rows, note)


def scaling(findings: Findings) -> Table:
    """Tabulate how many times as fast each algorithm is with all threads as with one."""
    one, all_threads = findings.rows("threads")[0], findings.with_all_threads()
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


def peers(findings: Findings) -> Table:
    """Tabulate how many times as fast auto is as each library."""
    items = [findings.in_cache("sizes"), findings.out_of_cache("sizes")]
    items += findings.experiments["threads"][1:]
    rows = []
    for target in findings.targets:
        for item in items:
            own = item.ns(AUTO, target.name)
            ratios = [
                f"{digits(item.ns(name) / own, 2)}x" if item.has(name) else "\N{EN DASH}"
                for name in findings.peers
            ]
            rows.append([target.name, item.case.label, digits(own), *ratios])
    note = "ns per element of auto, then how many times as long each library takes."
    return Table(("target", "row", AUTO, *findings.peers), rows, note)


def ours(findings: Findings) -> Table:
    """Tabulate two_pass_reload against the rest, and the share of the limit."""

    def cells(item: Measured, target: str) -> str:
        gain = advantage(item, target, "two_pass_reload")[1]
        return f"{span(gain)}, {spaced(f'{item.efficiency(AUTO, target):.0%}')}"

    note = "speed of two_pass_reload over the better three-pass algorithm; share of limit of auto"
    return _by_target(findings, note, cells)


def stores(findings: Findings) -> Table:
    """Tabulate what streaming stores gain."""
    item = findings.out_of_cache("stores")
    rows = [
        [name, span(quotient(item, name, ORDINARY, STREAMING))]
        for name in (target.name for target in findings.targets)
    ]
    return Table(("target", "speed gained by streaming stores"), rows, item.case.label)


def accuracy(findings: Findings) -> Table:
    """Tabulate the largest errors; targets that agree share a row."""
    errors = findings.errors()
    lengths = sorted({row.size for row in errors})
    agreeing: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for name, target in dict.fromkeys((row.name, row.target) for row in errors):
        cells = tuple(_ulps(errors, name, target, lengths))
        agreeing.setdefault((name, cells), []).append(target)
    rows = [[name, ", ".join(where), *cells] for (name, cells), where in agreeing.items()]
    return Table(("algorithm", "targets", *map(human, lengths)), rows, "Largest error in ULP.")


def _ulps(
    errors: Iterable[Accuracy], name: str, target: str, lengths: Iterable[int]
) -> Iterable[str]:
    found = {row.size: row.ulp for row in errors if (row.name, row.target) == (name, target)}
    return (digits(found[n], 2) if n in found else "\N{EN DASH}" for n in lengths)


def portability(findings: Findings) -> Table:
    """Tabulate Pennycook's metric in cache and out of cache."""
    items = [findings.in_cache("sizes"), findings.out_of_cache("sizes")]
    found = [algorithm_portability(item) for item in items]
    rows = [[name, *(spaced(f"{values[name]:.0%}") for values in found)] for name in found[0]]
    return Table(("algorithm", *(item.case.label for item in items)), rows)


def _by_target(findings: Findings, note: str, cell: Callable[[Measured, str], str]) -> Table:
    """Tabulate something about the rows in and out of cache, a row a target."""
    items = [findings.in_cache("sizes"), findings.out_of_cache("sizes")]
    rows = [
        [target.name, *(cell(item, target.name) for item in items)] for target in findings.targets
    ]
    head = ("target", *(item.case.label for item in items))
    return Table(head, rows, note[0].upper() + note[1:] + ".")
