"""What asv's page cannot answer: targets and algorithms against each other at one commit."""

import subprocess
from collections.abc import Iterable
from html import escape

from asv.config import Config
from asv_results import numbers

from twopass.bench.portability import portability

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
div { margin: 1rem 0 2rem; overflow-x: auto }
table { border-collapse: collapse }
th, td { border-bottom: 1px solid #ddd; padding: .2rem .9rem; text-align: right }
td { white-space: nowrap }
@media (max-width: 40rem) { th, td { font-size: 13px; padding: .2rem .4rem } }
th:first-child, td:first-child { text-align: left }
small { color: #666 }
"""
VIEWPORT = '<meta name=viewport content="width=device-width, initial-scale=1">'
REFERENCES = ("limit", "scipy")
INTRODUCTION = """
A cell holds nanoseconds per element and, below, three ratios. First the limit, the time of the bare
memory traffic in the same run; then target against target, the best one of the row being 1; then
algorithm against algorithm, the best of twopass's in the column being 1. PP is the
performance portability of an algorithm: the harmonic mean of its efficiencies, limit
over time, over the targets.
"""


def render(conf: Config) -> str:
    """Return the page for the newest commit that has numbers."""
    commit, found = newest(conf)
    title = f"twopass {commit[:8]}: targets and algorithms"
    tables = "".join(table(caption, cells) for caption, cells in by_case(found).items())
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8>{VIEWPORT}<title>{title}</title>"
        f"<style>{STYLE}</style>"
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
        {algorithm for algorithm, _ in cells}, key=lambda name: min(of_algorithm(cells, name))
    )
    head = row("th", ["", *targets, "PP"])
    body = "".join(line(cells, algorithm, targets) for algorithm in algorithms)
    return f"<h2>{escape(caption)}</h2><div><table>{head}{body}</table></div>"


def of_algorithm(cells: dict, algorithm: str) -> list[float]:
    return [time for (name, _), time in cells.items() if name == algorithm]


def of_target(cells: dict, target: str) -> list[float]:
    """Return the times of twopass's algorithms."""
    return [
        time for (name, where), time in cells.items() if where == target and name not in REFERENCES
    ]


def line(cells: dict, algorithm: str, targets: list[str]) -> str:
    pairs = [(cells.get((algorithm, target)), cells.get(("limit", target))) for target in targets]
    efficiencies = [limit / time if time and limit else None for time, limit in pairs]
    texts = [cell(cells, algorithm, target) for target in targets]
    return row("td", [algorithm, *texts, f"{portability(efficiencies):.2f}"])


def cell(cells: dict, algorithm: str, target: str) -> str:
    time = cells.get((algorithm, target))
    if time is None:
        return "n/a"
    references = {
        "limit": [limit] if (limit := cells.get(("limit", target))) else [],
        "target": of_algorithm(cells, algorithm),
        "algorithm": of_target(cells, target),
    }
    ratios = (f"{time / min(of):.2f} {name}" for name, of in references.items() if of)
    return f"{time:.3g}<br><small>{'<br>'.join(ratios)}</small>"


def row(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in texts) + "</tr>"
