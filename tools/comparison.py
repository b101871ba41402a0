"""What asv's page cannot answer: targets and algorithms against each other at one commit."""

import subprocess
from collections.abc import Iterable
from html import escape

from asv.config import Config
from asv_results import numbers

from twopass.bench.portability import portability

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 2rem }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .9rem; text-align: right }
th:first-child, td:first-child { text-align: left }
small { color: #666 }
"""
INTRODUCTION = """
A cell holds nanoseconds per element and, below, how many times the limit that is: the time of the
bare memory traffic in the same run. PP is the performance portability of an algorithm: the harmonic
mean of its efficiencies, limit over time, over the targets.
"""


def render(conf: Config) -> str:
    """Return the page for the newest commit that has numbers."""
    commit, found = newest(conf)
    title = f"twopass {commit[:8]}: targets and algorithms"
    tables = "".join(table(caption, cells) for caption, cells in by_case(found).items())
    return (
        f"<!doctype html><meta charset=utf-8><title>{title}</title><style>{STYLE}</style>"
        f'<h1>{title}</h1><p>{INTRODUCTION}</p><p><a href="index.html">history</a></p>{tables}'
    )


def newest(conf: Config) -> tuple[str, dict]:
    log = subprocess.run(["git", "log", "--format=%H"], check=True, capture_output=True, text=True)
    for commit in log.stdout.split():
        if found := numbers(conf, commit):
            return commit, found
    raise SystemExit("no commit has been measured")


def by_case(found: dict) -> dict[str, dict[tuple[str, str], float]]:
    """Group times by function, dtype and shape: caption -> (algorithm, target) -> nanoseconds."""
    cases: dict[str, dict[tuple[str, str], float]] = {}
    for (benchmark, *parameters), value in found.items():
        if len(parameters) == 4:
            target, algorithm, dtype, shape = (text.strip("'") for text in parameters)
            function = benchmark.rpartition(".time_")[2]
            cases.setdefault(f"{function}, {dtype}, {shape}", {})[algorithm, target] = value * 1e9
    return cases


def table(caption: str, cells: dict[tuple[str, str], float]) -> str:
    targets = list(dict.fromkeys(target for _, target in cells))
    algorithms = sorted(
        {algorithm for algorithm, _ in cells}, key=lambda name: best(cells, name, targets)
    )
    head = row("th", ["", *targets, "PP"])
    body = "".join(line(cells, algorithm, targets) for algorithm in algorithms)
    return f"<h2>{escape(caption)}</h2><table>{head}{body}</table>"


def best(cells: dict, algorithm: str, targets: Iterable[str]) -> float:
    return min(cells[algorithm, target] for target in targets if (algorithm, target) in cells)


def line(cells: dict, algorithm: str, targets: list[str]) -> str:
    efficiencies = []
    texts = [algorithm]
    for target in targets:
        time, limit = cells.get((algorithm, target)), cells.get(("limit", target))
        efficiencies.append(limit / time if time and limit else None)
        ratio = f"<br><small>{time / limit:.2f} limits</small>" if time and limit else ""
        texts.append(f"{time:.3g}{ratio}" if time else "n/a")
    return row("td", [*texts, f"{portability(efficiencies):.2f}"])


def row(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in texts) + "</tr>"
