"""The report: a page that needs nothing beside itself."""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

from twopass.bench.cases import human, usable_cpus
from twopass.bench.paper.claims import Claim, Ruling, rulings, spaced, summary
from twopass.bench.paper.effect import SURE
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.experiments import EXPERIMENTS, claims
from twopass.bench.paper.figures import Picture, inline
from twopass.bench.paper.findings import Findings, Missing
from twopass.bench.paper.tables import Table


def page(findings: Findings, drawn: dict[str, list[Picture]]) -> str:
    """Return the report as HTML.

    Parameters
    ----------
    findings : Findings
        What was found, not empty.
    drawn : dict
        The pictures of the experiments that have any, by name.
    """
    folder = files(__package__)
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        css=folder.joinpath("page.css").read_text(encoding="utf-8"),
        cpu=escape(findings.cpu.brand or findings.cpu.machine),
        notice=_notice(findings),
        facts=_facts(findings),
        claims="\n".join(_claim(claim, rulings(claim, findings)) for claim in claims()),
        contents="\n".join(f'<a href="#{e.name}">{escape(e.title)}</a>' for e in EXPERIMENTS),
        sections="\n".join(_section(e, findings, drawn.get(e.name, [])) for e in EXPERIMENTS),
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


def _claim(claim: Claim, found: Sequence[Ruling]) -> str:
    return (
        f'<article class="claim"><h3><span class="number">{claim.number}</span>'
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


def _section(experiment: Experiment, findings: Findings, drawn: Sequence[Picture]) -> str:
    panels = "".join(f"<figure>{inline(p.svg, escape(p.title))}</figure>" for p in drawn)
    try:
        table = _table(experiment.table(findings)) if experiment.table else ""
    except Missing as error:
        table = f'<p class="missing">No table: {escape(str(error))}.</p>'
    if experiment.draw and not drawn:
        panels = '<p class="missing">Not measured.</p>'
    text = f"<p>{escape(experiment.text)}</p>" if experiment.text else ""
    grid = f'<div class="panels">{panels}</div>' if panels else ""
    title = escape(experiment.title)
    return f'<section id="{experiment.name}"><h2>{title}</h2>{text}{grid}{table}</section>'


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
        f"{claim.number}. {claim.statement}\n   {_verdict(rulings(claim, findings))}"
        for claim in claims()
    ]


def _verdict(found: Sequence[Ruling]) -> str:
    sizes = [f"{r.target}: {r.magnitude}" for r in found if r.magnitude]
    direction = summary(found)
    return f"direction {direction}; magnitude: {', '.join(sizes)}" if sizes else direction
