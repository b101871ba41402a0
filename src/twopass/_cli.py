"""The command line: ``python -m twopass`` and the console script ``twopass``.

Only NumPy and the standard library are needed here; the benchmark asks for its extra when it runs.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import textwrap
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import twopass
from twopass._detect import Cpu, detect
from twopass._targets import Target, active, targets
from twopass.bench import UsageError
from twopass.functions import NAMES

EXTRA = ("matplotlib", "rich", "scipy", "threadpoolctl")  # pip install 'twopass[bench]'
CHART = Path("twopass-bench.png")
REPORT = Path("twopass-paper")
TOO_WIDE = 100  # longer lines are tiring to read


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """End with one line instead of the usage and a line."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after the program's name; those of this process by default.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    try:
        return int(options.command(options))
    except UsageError as error:
        parser.error(str(error))


def _parser() -> _Parser:
    parser = _Parser(prog="twopass", description="Softmax at memory speed, built per CPU target.")
    parser.add_argument("--version", action="version", version=twopass.__version__)
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="")

    info = commands.add_parser("info", help="show the CPU and the targets that run on it")
    info.set_defaults(command=_info)

    bench = commands.add_parser(
        "bench",
        help="measure every algorithm on every target, other libraries and the memory limit",
        description="Measure every algorithm on every target that runs here, next to scipy, torch "
        "and onnxruntime (where installed) and to the limit: the time of the bare memory traffic.",
    )
    inputs = bench.add_mutually_exclusive_group()
    inputs.add_argument("--quick", action="store_true", help="fewer inputs: ends within a minute")
    inputs.add_argument(
        "--operands", action="store_true", help="weights, scale and bias beside the input; no chart"
    )
    bench.add_argument(
        "--target", nargs="+", metavar="T", help="measure these targets only (default: all)"
    )
    bench.add_argument(
        "--function", choices=NAMES, default=NAMES[0], metavar="F",
        help=f"one of {', '.join(NAMES)} (default: %(default)s)",
    )  # fmt: skip
    bench.add_argument("--json", type=Path, metavar="FILE", help="write every round to FILE")
    bench.add_argument(
        "--plot", type=Path, metavar="FILE", default=CHART,
        help="the chart: PNG, SVG or PDF by its suffix (default: %(default)s)",
    )  # fmt: skip
    bench.set_defaults(command=_bench)

    paper = commands.add_parser(
        "paper",
        help="repeat the experiments of the two-pass paper here, and write a report",
        description="Repeat the experiments of 'The Two-Pass Softmax Algorithm' (arXiv 2001.04438) "
        "on this CPU: a page that says which of its claims hold here, the figures and the data.",
    )
    paper.add_argument("--quick", action="store_true", help="three minutes instead of half an hour")
    paper.add_argument(
        "--target", nargs="+", metavar="T", help="measure these targets only (default: all)"
    )
    paper.add_argument(
        "--out", type=Path, metavar="DIR", default=REPORT,
        help="where to write report.html, data.json and figures (default: %(default)s)",
    )  # fmt: skip
    paper.set_defaults(command=_paper)

    tune = commands.add_parser(
        "tune",
        help="measure from which length on results should bypass the caches",
        description="Measure the number of each target's row in the table of targets here: from "
        "how many last-level caches on results bypass them, and exponentials are computed twice.",
    )
    tune.add_argument(
        "--target", nargs="+", metavar="T", help="measure these targets only (default: all)"
    )
    tune.set_defaults(command=_tune)

    accuracy = commands.add_parser(
        "accuracy",
        help="measure the largest errors of every target on hard inputs",
        description="Measure the largest errors of every target that runs here, by every "
        "algorithm, on hard inputs. The exit code is 1 if one breaks the promise.",
    )
    accuracy.add_argument(
        "--peers", action="store_true", help="measure scipy, torch and onnxruntime, too"
    )
    accuracy.add_argument("--quick", action="store_true", help="no rows above 70,001 elements")
    accuracy.add_argument("--json", type=Path, metavar="FILE", help="write every error to FILE")
    accuracy.set_defaults(command=_accuracy)
    return parser


def _paper(options: argparse.Namespace) -> int:
    _need_extra("paper")
    from twopass.bench.paper.command import paper

    return paper(_choose(options.target), quick=options.quick, folder=options.out)


def _need_extra(command: str) -> None:
    missing = [package for package in EXTRA if find_spec(package) is None]
    if missing:
        raise UsageError(f"{command} needs {', '.join(missing)}: pip install 'twopass[bench]'")


def _bench(options: argparse.Namespace) -> int:
    _need_extra("bench")
    from twopass.bench.command import bench

    return bench(
        _choose(options.target),
        options.function,
        quick=options.quick,
        operands=options.operands,
        plot_path=options.plot,
        json_path=options.json,
    )


def _tune(options: argparse.Namespace) -> int:
    _need_extra("tune")
    from twopass.bench.tune import tune

    return tune(_choose(options.target))


def _accuracy(options: argparse.Namespace) -> int:
    from twopass.bench.accuracy import accuracy

    return accuracy(
        _choose(None), with_peers=options.peers, quick=options.quick, json_path=options.json
    )


def _choose(names: Sequence[str] | None) -> list[Target]:
    """Return the named targets, or all that run here, in the order of the table."""
    runnable = {name: target for name, target in targets().items() if not target.obstacle}
    here = f"the targets that run here are {', '.join(runnable)}"
    for name in names or ():
        if name not in targets():
            raise UsageError(f"there is no target {name!r}; {here}")
        if name not in runnable:
            raise UsageError(f"target {name!r} cannot run: {targets()[name].obstacle}; {here}")
    return [target for name, target in runnable.items() if name in (names or runnable)]


def _info(_: argparse.Namespace) -> int:
    facts = {
        "CPU": _identity(detect()),
        "caches": _caches(detect()),
        "known by": detect().source,
        "threads": str(twopass.get_num_threads()),
        "versions": f"twopass {twopass.__version__}, Python {platform.python_version()}, "
        f"NumPy {version('numpy')}",
    }
    rows = [_target_row(target) for target in targets().values()]
    show = _show_plain if find_spec("rich") is None else _show_rich
    show(facts, rows)
    return 0


def _identity(cpu: Cpu) -> str:
    kind = f"{cpu.vendor} family {cpu.family} model {cpu.model}, " if cpu.vendor else ""
    return f"{cpu.brand or 'unnamed'} ({kind}{cpu.machine})"


def _caches(cpu: Cpu) -> str:
    sizes = {"L1": cpu.l1d, "L2": cpu.l2, "last level": cpu.llc}
    return ", ".join(f"{name} {size >> 10:,} KiB" for name, size in sizes.items())


# target, compiled, supported, status
Row = tuple[str, str, str, str]
HEAD: Row = ("target", "compiled", "supported", "status")


def _target_row(target: Target) -> Row:
    yes_no = ("no", "yes")
    choice = active()
    status = target.obstacle or "ready"
    if target.name == choice.name:
        status = f"active: {choice.reason}"
    return target.name, yes_no[target.compiled], yes_no[target.supported], status


def _show_plain(facts: dict[str, str], rows: Sequence[Row]) -> None:
    width = min(shutil.get_terminal_size().columns, TOO_WIDE) - 1
    for name, value in facts.items():
        print(textwrap.fill(value, width, initial_indent=f"{name:<10}", subsequent_indent=" " * 10))
    print()
    for name, built, supported, status in (HEAD, *rows):
        start = f"{name:<11}{built:<10}{supported:<11}"
        print(
            textwrap.fill(status, width, initial_indent=start, subsequent_indent=" " * len(start))
        )


def _show_rich(facts: dict[str, str], rows: Sequence[Row]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.width = min(console.width, TOO_WIDE)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    for fact in facts.items():
        grid.add_row(*fact)
    console.print(grid)
    console.print()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for title in HEAD:
        table.add_column(title, no_wrap=title != "status")
    for row in rows:
        styles = {"active": "bold green", "ready": ""}
        table.add_row(*row, style=styles.get(row[-1].partition(":")[0], "dim"))
    console.print(table)
