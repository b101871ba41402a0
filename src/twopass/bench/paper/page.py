"""The report: a page that needs nothing beside itself."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from twopass.bench.cases import human, usable_cpus
from twopass.bench.paper import figures, tables
from twopass.bench.paper.claims import CLAIMS, Claim, Ruling, rulings, spaced, summary
from twopass.bench.paper.effect import SURE
from twopass.bench.paper.figures import Draw, Picture, inline, picture
from twopass.bench.paper.findings import Findings, Missing
from twopass.bench.paper.tables import Table


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    name : str
        What its pictures' files begin with.
    title, text : str
        What it says.
    draw : callable or None
        Draws a panel.
    per_target : bool
        Whether there is a panel for each target, or one for all of them.
    table : callable or None
        Makes the table.
    """

    name: str
    title: str
    text: str
    draw: Draw | None
    per_target: bool = True
    table: Callable[[Findings], Table] | None = None


SECTIONS = (
    Section(
        "three-pass",
        "The three-pass algorithms",
        "Both find the maximum first. Recompute takes each exponential twice and writes once; "
        "reload takes it once, keeps it in the output and scales it there. Dashed: a row and its "
        "result fill a cache.",
        figures.three_pass,
        table=tables.three_pass,
    ),
    Section(
        "two-pass",
        "Two passes against three",
        "The two-pass algorithm needs no maximum, as it adds up pairs of mantissa and exponent "
        "that cannot overflow. Below each panel: its speed over the better of the two three-pass "
        "algorithms, with the interval of the rounds.",
        figures.two_pass,
        table=tables.two_pass,
    ),
    Section(
        "bandwidth",
        "Bandwidth of each pass",
        "A pass that moves its bytes as fast as STREAM's copy and scale has nothing left to gain "
        "but to be left out: that is the case for two passes. scale can be faster than STREAM: it "
        "works in place, and has no line to read before it writes.",
        figures.bandwidth,
        table=tables.bandwidth,
    ),
    Section("traffic", "Memory traffic", "", None, table=tables.traffic),
    Section(
        "breakdown",
        "Run time by pass",
        "Each pass was timed by itself, in the same race as the whole algorithms. Out of cache a "
        "whole algorithm can be shorter than the sum of its passes: each pass begins at the end "
        "that the one before has left in the cache.",
        figures.breakdown,
    ),
    Section(
        "threads",
        "Threads",
        "One row out of cache, divided among threads. What memory bandwidth limits, more threads "
        "do not help for long.",
        figures.scaling,
        table=tables.scaling,
    ),
    Section(
        "libraries",
        "Other libraries",
        "The paper compares with Intel's DNNL. Here stand the libraries that are installed, each "
        "called in the fastest way it offers; openvino runs DNNL's successor, oneDNN.",
        figures.peers,
        table=tables.peers,
    ),
    Section(
        "ours",
        "Beyond the paper: two_pass_reload",
        "Two passes with one exponential an element: the first pass keeps its terms, the second "
        "scales them. auto picks an algorithm by the size of the row. The limit is the bare "
        "traffic of two reads and a write.",
        figures.ours,
        table=tables.ours,
    ),
    Section(
        "stores",
        "Beyond the paper: streaming stores",
        "A result larger than the last-level cache is written past the caches, which spares the "
        "reading of each line before it is overwritten.",
        figures.stores,
        table=tables.stores,
    ),
    Section(
        "accuracy",
        "Beyond the paper: accuracy",
        "The largest error over a row of float32 scores, against a sum in extended precision.",
        figures.accuracy,
        per_target=False,
        table=tables.accuracy,
    ),
    Section(
        "portability",
        "Beyond the paper: performance portability",
        "Pennycook's metric: the harmonic mean over the targets of the limit over the time "
        "taken. One number for how well an algorithm does everywhere.",
        figures.portability,
        per_target=False,
        table=tables.portability,
    ),
)


def pictures(section: Section, findings: Findings) -> list[Picture]:
    """Draw a section's panels; `Missing` if there is nothing to draw."""
    if section.draw is None:
        return []
    if not section.per_target:
        return [picture(section.name, section.title, section.draw, findings, "")]
    names = [target.name for target in findings.targets]
    return [
        picture(f"{section.name}-{name}", f"{section.title}, {name}", section.draw, findings, name)
        for name in names
    ]


def page(findings: Findings, drawn: dict[str, list[Picture]]) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    findings : Findings
        What was found, not empty.
    drawn : dict
        The pictures of the sections that have any, by name.
    """
    folder = files(__package__)
    judged = [(claim, rulings(claim, findings)) for claim in CLAIMS]
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        css=folder.joinpath("page.css").read_text(encoding="utf-8"),
        cpu=escape(findings.cpu.brand or findings.cpu.machine),
        notice=_notice(findings),
        facts=_facts(findings),
        claims="\n".join(_claim(n, *pair) for n, pair in enumerate(judged, 1)),
        contents="\n".join(f'<a href="#{s.name}">{escape(s.title)}</a>' for s in SECTIONS),
        sections="\n".join(_section(s, findings, drawn.get(s.name, [])) for s in SECTIONS),
    )


def _notice(findings: Findings) -> str:
    if not findings.missing:
        return ""
    items = "".join(f"<li>{escape(what)}</li>" for what in findings.missing)
    said = "This report is incomplete. Missing:"
    return f'<section class="notice"><p>{said}</p><ul>{items}</ul></section>'


def _facts(findings: Findings) -> str:
    cpu = findings.cpu
    middle, worst = findings.noise()
    counts = sorted(
        len(result.rounds)
        for items in findings.experiments.values()
        for item in items
        for result in item.results
    )
    facts = {
        "CPU": f"{cpu.brand or 'unnamed'}, {usable_cpus()} CPUs usable",
        "Caches": f"L1 {_bytes(cpu.l1d)}, L2 {_bytes(cpu.l2)}, last level {_bytes(cpu.llc)}",
        "Targets": ", ".join(target.name for target in findings.targets),
        "Versions": ", ".join(f"{name} {text}" for name, text in findings.versions().items()),
        "Date": findings.date.replace("T", " ").replace("+00:00", " UTC"),
        "Run": f"{'quick' if findings.quick else 'full'}, {counts[0]} to {counts[-1]} rounds",
        "Noise": spaced(f"a median round is {middle:.1%} over the best, at worst {worst:.0%}"),
    }
    return "\n".join(f"<dt>{k}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())


def _bytes(size: int) -> str:
    return f"{human(size)}B" if size % 1024 == 0 else f"{size} B"


def _claim(number: int, claim: Claim, found: Sequence[Ruling]) -> str:
    return (
        f'<article class="claim"><h3><span class="number">{number}</span>'
        f"{escape(claim.statement)}</h3>"
        f'<p class="verdict">{escape(_verdict(found).capitalize())}.</p>'
        f'<ul>{"".join(map(_ruling, found))}</ul><p class="test">{escape(claim.test)}</p></article>'
    )


def _ruling(ruling: Ruling) -> str:
    facts = [f"paper: {ruling.paper}; magnitude: {ruling.magnitude}"] if ruling.paper else []
    if ruling.effect:
        few = " (too few rounds)" if ruling.effect.sure < SURE else ""
        facts.append(spaced(f"{ruling.effect.sure:.1%} sure{few}"))
    css = ruling.verdict.replace(" ", "-")
    return (
        f'<li><b>{escape(ruling.target)}</b> <span class="chip {css}">{ruling.verdict}</span>'
        f"<span>{escape(ruling.text)} <small>{escape('; '.join(facts))}</small></span></li>"
    )


def _section(section: Section, findings: Findings, drawn: Sequence[Picture]) -> str:
    panels = "".join(f"<figure>{inline(p.svg, escape(p.title))}</figure>" for p in drawn)
    try:
        table = _table(section.table(findings)) if section.table else ""
    except Missing as error:
        table = f'<p class="missing">No table: {escape(str(error))}.</p>'
    if section.draw and not drawn:
        panels = '<p class="missing">Not measured.</p>'
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    grid = f'<div class="panels">{panels}</div>' if panels else ""
    title = escape(section.title)
    return f'<section id="{section.name}"><h2>{title}</h2>{text}{grid}{table}</section>'


def _table(table: Table) -> str:
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    head = _cells("th", table.head)
    rows = "".join(f"<tr>{_cells('td', row)}</tr>" for row in table.rows)
    return (
        f'{note}<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cells(tag: str, texts: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts)


def headline(findings: Findings) -> list[str]:
    """Return the sentences for the terminal, claim by claim."""
    return [
        f"{n}. {claim.statement}\n   {_verdict(rulings(claim, findings))}"
        for n, claim in enumerate(CLAIMS, 1)
    ]


def _verdict(found: Sequence[Ruling]) -> str:
    sizes = [f"{r.target}: {r.magnitude}" for r in found if r.magnitude]
    direction = summary(found)
    return f"direction {direction}; magnitude: {', '.join(sizes)}" if sizes else direction
