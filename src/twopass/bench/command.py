"""``twopass bench``: measure, print tables, write the chart and the JSON file."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from twopass._detect import detect
from twopass.bench import UsageError, peers
from twopass.bench.cases import Case, fits, operand_cases, row_cases, shape_cases
from twopass.bench.plot import formats, save_chart
from twopass.bench.record import Record, write_json
from twopass.bench.report import print_report
from twopass.bench.run import Measured, run
from twopass.functions import ALGORITHMS

INTERRUPTED = 130  # a shell's exit code after Ctrl-C

# rounds of each case, and the seconds after which a slow case starts no further round
QUICK = (5, 4.0)
FULL = (15, 30.0)
AGAIN, SUSPICIOUS = 2, 1.05  # times that a case is measured again where auto lags by more than this


def bench(
    targets: Sequence[Any],
    function: str,
    *,
    quick: bool,
    operands: bool = False,
    plot_path: Path,
    json_path: Path | None = None,
) -> int:
    """Run the benchmark and return the exit code.

    Parameters
    ----------
    targets : sequence of Target
        The builds to run, each one supported here.
    function : str
        A name of `twopass.functions.TABLE`.
    quick : bool
        Fewer row lengths and rounds, no other shapes: ends within a minute.
    operands : bool
        Inputs with operands beside them in place of all others: there is no chart then.
    plot_path : Path
        Where to write the chart.
    json_path : Path or None
        Where to write all rounds.

    Raises
    ------
    UsageError
        If a file could not be written; nothing has been measured then.
    """
    _check_folder(plot_path)
    _check_format(plot_path)
    if json_path:
        _check_folder(json_path)

    errors = Console(stderr=True, highlight=False)
    names = [target.name for target in targets]
    record = Record(function, quick, names, peers.installed(), detect())
    cases = operand_cases(function) if operands else _sweep(function, quick)
    _measure(record, targets, _affordable(cases, errors), errors)
    if record.measured:
        _publish(record, plot_path, json_path)
    return 0 if record.complete else INTERRUPTED


def _sweep(function: str, quick: bool) -> list[Case]:
    return row_cases(function, quick=quick) + ([] if quick else shape_cases(function))


def _affordable(cases: list[Case], errors: Console) -> list[Case]:
    for case in cases:
        if not fits(case):
            errors.print(f"left out, as memory is short: {case.label}")
    return [case for case in cases if fits(case)]


def _measure(record: Record, targets: Sequence[Any], cases: list[Case], errors: Console) -> None:
    """Fill the record, case by case; Ctrl-C keeps those that are complete."""
    rounds, budget = QUICK if record.quick else FULL
    contenders = sum(len(ALGORITHMS) + 2 for target in targets) + len(record.peers)
    steps = contenders * (rounds + 1)
    columns = (TextColumn("{task.description:<24.24}"), BarColumn(), TimeElapsedColumn())
    try:
        with threadpool_limits(1), Progress(*columns, console=errors, transient=True) as bar:
            task = bar.add_task("", total=steps * len(cases))
            for i, case in enumerate(cases):
                bar.update(task, completed=steps * i, description=case.label)
                race = partial(
                    run,
                    [case],
                    targets,
                    record.peers,
                    rounds=rounds,
                    budget=budget,
                    tick=lambda: bar.advance(task),
                    skipped=lambda name, error: errors.print(f"{name} left out: {error}"),
                )
                record.measured.append(_until_sure(race))
        record.complete = True
    except KeyboardInterrupt:
        kept = f"{len(record.measured)} of {len(cases)} inputs were measured and are kept"
        errors.print(f"interrupted: {kept}")


def _until_sure(race: Callable[[], Iterator[Measured]]) -> Measured:
    """Race a case; again, with all who took part, while ``auto`` looks like a bad choice.

    On a busy machine, one of two contenders that run the same code can be 1.5 times slower.
    """
    item = next(race())
    for _ in range(AGAIN):
        if all(item.lag(target) <= SUSPICIOUS for target in item.targets):
            break
        item = item.and_again(next(race()))
    return item


def _publish(record: Record, plot_path: Path, json_path: Path | None) -> None:
    console = Console(highlight=False)
    print_report(console, record)
    if any(item.case.is_row for item in record.measured):
        save_chart(record, plot_path)
        console.print(f"Chart: {plot_path}", soft_wrap=True)
    if json_path:
        write_json(json_path, record.to_dict())
        console.print(f"Data: {json_path}", soft_wrap=True)


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {str(path)!r}: create the folder {str(path.parent)!r}")
    if not os.access(path.parent, os.W_OK):
        raise UsageError(
            f"cannot write {str(path)!r}: the folder is read-only; name a file elsewhere"
        )


def _check_format(path: Path) -> None:
    if path.suffix.lower().removeprefix(".") not in formats():
        raise UsageError(
            f"no chart format is called {path.suffix!r} ({str(path)!r}); "
            f"use one of {', '.join(formats())}"
        )
