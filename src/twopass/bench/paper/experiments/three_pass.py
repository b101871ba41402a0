"""The three-pass algorithms: whether recomputing the exponentials beats reloading them."""

from typing import Any

from matplotlib.figure import Figure

from twopass.bench.paper.algorithms import RECOMPUTE, RELOAD, THREE_PASS, quotient
from twopass.bench.paper.claims import AVX512, Claim, Ruling, kind, span, verdict
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.figures import BELOW, panel
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.sweep import SIZES, draw_times
from twopass.bench.paper.tables import Table, by_target


def _recompute_ahead(findings: Findings, target: Any) -> Ruling | None:
    if kind(target) != AVX512:
        return None
    found = quotient(findings.out_of_cache(SIZES), target.name, RELOAD, RECOMPUTE)
    return Ruling(
        target.name, verdict(found), f"speed of recompute over reload: {span(found)}", found
    )


def _reload_ahead(findings: Findings, target: Any) -> Ruling:
    found = quotient(findings.in_cache(SIZES), target.name, RECOMPUTE, RELOAD)
    return Ruling(
        target.name, verdict(found), f"speed of reload over recompute: {span(found)}", found
    )


def draw(findings: Findings, target: str) -> Figure:
    """Draw the times of the three-pass algorithms over row lengths."""
    figure, axes = panel(target)
    draw_times(axes, findings, target, THREE_PASS)
    figure.legend(ncols=2, **BELOW)
    return figure


def table(findings: Findings) -> Table:
    """Tabulate recompute against reload."""
    return by_target(
        findings,
        SIZES,
        "Speed of recompute over reload.",
        lambda item, target: span(quotient(item, target, RELOAD, RECOMPUTE)),
    )


EXPERIMENT = Experiment(
    "three-pass",
    "The three-pass algorithms",
    "Both find the maximum first. Recompute takes each exponential twice and writes once; "
    "reload takes it once, keeps it in the output and scales it there. Dashed: a row and its "
    "result fill a cache.",
    SIZES,
    (
        Claim(
            2,
            "Out of cache, of the three-pass algorithms recomputing the exponentials beats "
            "reloading them (AVX-512).",
            "Time of reload over time of recompute, out of cache.",
            _recompute_ahead,
        ),
        Claim(
            3,
            "In cache, reloading beats recomputing.",
            "Time of recompute over time of reload, on a row that the level-2 cache holds.",
            _reload_ahead,
        ),
    ),
    draw,
    table=table,
)
