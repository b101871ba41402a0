"""The benchmark's tables for the terminal, split into as many as its width asks for."""

from collections.abc import Sequence
from math import ceil, floor, log10

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from twopass.bench.cases import Case, Comparison, comparisons
from twopass.bench.record import Record, algorithm_portability
from twopass.bench.run import AUTO, LIMIT, Measured

GAP = 2
BEST = "bold green"

Columns = dict[str, list[Text]]


def print_report(console: Console, record: Record) -> None:
    """Print what a run found: times, standing against the peers, portability and noise."""
    rows = [item for item in record.measured if item.case.is_row]
    if rows:
        for target in record.targets:
            _print_times(console, record, rows, target)
    _print_standing(console, record)
    _print_comparisons(console, record)
    if rows:
        _print_portability(console, rows)
    console.print()
    for line in closing(record):
        console.print(line, highlight=False)


def _print_times(console: Console, record: Record, rows: list[Measured], target: str) -> None:
    names = [*rows[0].algorithms(target), *record.peers, LIMIT]
    columns = {item.case.label: [_time(item, target, name) for name in names] for item in rows}
    title = f"{record.function} on {target}: ns per float32, then times the limit (* fastest)"
    _print_grid(console, title, "row length", names, columns)


def _time(item: Measured, target: str, name: str) -> Text:
    owner = target if name == LIMIT or name in item.algorithms(target) else ""
    if not owner and name not in item.peers:
        return Text("-")
    ns = item.ns(name, owner)
    if name == LIMIT:
        return Text(f"{digits(ns)}     ", "dim")
    fastest = min(
        [item.ns(algorithm, target) for algorithm in item.algorithms(target)]
        + [item.ns(peer) for peer in item.peers]
    )
    mark, style = ("*", BEST) if ns == fastest else (" ", "")
    ratio = ns / item.ns(LIMIT, target)
    share = f"{ratio:4.1f}" if ratio < 9.95 else f"{ratio:4.0f}"
    return Text.assemble((digits(ns) + mark, style), (share, "dim"))


def _print_standing(console: Console, record: Record) -> None:
    items = record.measured
    columns = {"best peer": [Text(item.best_peer() or "none") for item in items]}
    for target in record.targets:
        columns[target] = [_standing(item, target) for item in items]
    title = "auto: how many times as fast as the best peer, and share of the limit reached"
    _print_grid(console, title, record.function, [item.case.label for item in items], columns)


def _standing(item: Measured, target: str) -> Text:
    share = (f"{item.efficiency(AUTO, target):>6.0%}", "dim")
    peer = item.best_peer()
    if peer is None:
        return Text.assemble(share)
    ratio = item.ns(peer) / item.ns(AUTO, target)
    return Text.assemble((f"{digits(ratio, 2)}x", BEST if ratio >= 1 else "red"), share)


def _print_comparisons(console: Console, record: Record) -> None:
    items = {item.case: item for item in record.measured}
    pairs = [pair for pair in comparisons(list(items)) if pair.reference in items]
    if not pairs:
        return
    columns = {
        target: [_comparison(items, pair, target) for pair in pairs] for target in record.targets
    }
    title = "auto: time over that of a related input (in brackets the same ratio of the limits)"
    _print_grid(console, title, record.function, [pair.label for pair in pairs], columns)


def _comparison(items: dict[Case, Measured], pair: Comparison, target: str) -> Text:
    case, reference = items[pair.case], items[pair.reference]
    own, limit = (case.ns(name, target) / reference.ns(name, target) for name in (AUTO, LIMIT))
    return Text.assemble(f"{own:.2f}", (f" ({limit:.2f})", "dim"))


def _print_portability(console: Console, rows: list[Measured]) -> None:
    found = {item.case.label: algorithm_portability(item) for item in rows}
    names = list(found[rows[0].case.label])
    columns = {
        label: [
            Text(f"{values[name]:.0%}", BEST if values[name] == max(values.values()) else "")
            for name in names
        ]
        for label, values in found.items()
    }
    title = (
        "performance portability (Pennycook, Sewall, Lee 2016): harmonic mean over the targets "
        "of limit / time"
    )
    _print_grid(console, title, "row length", names, columns)


def closing(record: Record) -> list[str]:
    """Return the sentences under the tables."""
    rows = [item for item in record.measured if item.case.is_row]
    worst = [
        "{} {:.2f} ({})".format(target, *worst_auto(record.measured, target))
        for target in record.targets
    ]
    middle, highest = record.noise()
    return [
        headline((rows or record.measured)[-1], record.targets[0]),
        f"Time of auto over the best single algorithm's, at worst: {', '.join(worst)}.",
        f"Noise: a median round is {middle:.1%} over the best one, at worst {highest:.0%}.",
    ]


def headline(item: Measured, target: str) -> str:
    """Say how an input's time compares with every peer's and with the limit."""
    ns = item.ns(AUTO, target)
    ratios = [f"{digits(item.ns(peer) / ns, 1)}x as fast as {peer}" for peer in item.peers]
    ratios.append(f"{item.efficiency(AUTO, target):.0%} of the limit")
    start = f"On {target}, {item.case.label} takes {digits(ns)} ns an element"
    return f"{start}: {', '.join(ratios)}."


def worst_auto(measured: Sequence[Measured], target: str) -> tuple[float, str]:
    """Return how slow auto is against the best single algorithm, at worst, and on which input."""
    worst = max(measured, key=lambda item: item.lag(target))
    return worst.lag(target), worst.case.label


def _print_grid(
    console: Console, title: str, corner: str, names: Sequence[str], columns: Columns
) -> None:
    """Print one table, or several with some of the columns each where they do not fit in one."""
    console.print(f"\n{title}", style="bold", highlight=False)
    first = max(map(len, [corner, *names]))
    widest = max(max(len(label), *map(len, cells)) for label, cells in columns.items())
    fitting = max(1, (console.width - first) // (widest + GAP))
    labels = list(columns)
    step = ceil(len(labels) / ceil(len(labels) / fitting))  # tables of equal width
    for start in range(0, len(labels), step):
        if start:
            console.print()
        shown = labels[start : start + step]
        # SIMPLE_HEAD parts columns by a blank; one more of padding makes the gap.
        padding = (0, 0, 0, GAP - 1)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=padding, pad_edge=False)
        table.add_column(corner, no_wrap=True)
        for label in shown:
            table.add_column(label, justify="right", no_wrap=True)
        for i, name in enumerate(names):
            table.add_row(name, *(columns[label][i] for label in shown))
        console.print(table)


def digits(value: float, decimals: int = 3) -> str:
    """Write a positive number with three significant digits but at most so many decimals."""
    wanted = 2 - floor(log10(value)) if value > 0 else 0
    return f"{value:.{min(max(wanted, 0), decimals)}f}"
