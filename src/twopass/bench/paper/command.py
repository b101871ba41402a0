"""``twopass paper``: measure, judge, draw, write the report."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from twopass._detect import detect
from twopass.bench import UsageError, peers
from twopass.bench.cases import Case, fits, human
from twopass.bench.command import INTERRUPTED
from twopass.bench.paper.accuracy import accuracies, lengths
from twopass.bench.paper.claims import claim_rows
from twopass.bench.paper.experiments import EXPERIMENTS, claims, portability, races
from twopass.bench.paper.figures import Picture
from twopass.bench.paper.findings import Findings, Missing
from twopass.bench.paper.page import headline, page
from twopass.bench.paper.race import Race
from twopass.bench.record import write, write_json
from twopass.bench.run import Measured, run

# rounds of each race, and the seconds for all of them: a slow machine gets fewer rounds
QUICK = (11, 130.0)
FULL = (15, 1800.0)
LEAST = 4e6  # elements' worth of time that even a short row takes

Skipped = Callable[[str, Exception], object]


@dataclass(frozen=True)
class Step:
    """A part of a run that is kept or lost as a whole.

    Parameters
    ----------
    label : str
        What it measures.
    work : callable
        Does it; takes its share of the seconds, a callable for ticks and one that is told of peers
        that cannot take part.
    weight : float
        About how long it takes, in a unit of its own.
    ticks : int
        About how many ticks it gives.
    """

    label: str
    work: Callable[[float, Callable[[], object], Skipped], None]
    weight: float
    ticks: int = 1


def paper(targets: Sequence[Any], *, quick: bool, folder: Path) -> int:
    """Repeat the paper's experiments and return the exit code.

    Parameters
    ----------
    targets : sequence of Target
        The builds to run, each one supported here.
    quick : bool
        Fewer inputs and rounds.
    folder : Path
        Where to write the report, the figures and the data; made where it is missing.

    Raises
    ------
    UsageError
        If the folder cannot be written to; nothing has been measured then.
    """
    _prepare(folder)
    begun = {race.name: list[Measured]() for race in races()}
    findings = Findings(quick, targets, peers.installed(), detect(), begun)
    console = Console(highlight=False)
    complete = _measure(findings, Console(stderr=True, highlight=False))
    if not findings.empty:
        with console.status("drawing"):
            _publish(findings, folder)
        for line in headline(findings):
            console.print(line, markup=False)
        console.print(f"Report: {folder / 'report.html'}", soft_wrap=True)
    return 0 if complete else INTERRUPTED


def _prepare(folder: Path) -> None:
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"the folder {str(folder)!r} is read-only; name another one")


def steps(findings: Findings) -> Iterator[Step]:
    """Plan a run that fills the findings; what does not fit into the memory goes to `missing`."""
    rounds, _ = QUICK if findings.quick else FULL
    for race in races():
        crowd = race.crowd * len(findings.targets)
        for case in race.cases(findings.cpu, findings.quick):
            label = f"{race.title}: {case.label}"
            if fits(case):
                work = partial(_race, findings, race, case)
                yield Step(label, work, crowd * max(case.size, LEAST), crowd * (rounds + 1))
            else:
                findings.missing.append(f"{label} (memory is short)")
    for size in lengths(findings.quick):
        work = partial(_find_errors, findings, size)
        yield Step(f"accuracy: {human(size)}", work, 100 * max(size, LEAST / 100))


def _race(
    findings: Findings,
    race: Race,
    case: Case,
    budget: float,
    tick: Callable[[], object],
    skipped: Skipped,
) -> None:
    rounds, _ = QUICK if findings.quick else FULL
    findings.experiments[race.name] += run(
        [case],
        findings.targets,
        findings.peers,
        rounds=rounds,
        budget=budget,
        tick=tick,
        skipped=skipped,
        enlist=race.enlist,
    )


def _find_errors(
    findings: Findings, size: int, _budget: float, tick: Callable[[], object], skipped: Skipped
) -> None:
    # Only a row that is done is kept.
    findings.accuracy += list(accuracies(size, findings.targets, findings.peers, skipped))
    tick()


def _measure(findings: Findings, errors: Console) -> bool:
    """Fill the findings, step by step; Ctrl-C keeps those that are complete."""
    planned = list(steps(findings))
    left_out = set[str]()

    def skipped(name: str, error: Exception) -> None:
        if name not in left_out:
            errors.print(f"{name} left out: {error}", markup=False)
        left_out.add(name)

    columns = (TextColumn("{task.description:<32.32}"), BarColumn(), TimeElapsedColumn())
    _, seconds = QUICK if findings.quick else FULL
    end = perf_counter() + seconds
    done = 0
    try:
        with threadpool_limits(1), Progress(*columns, console=errors, transient=True) as bar:
            total = sum(step.weight for step in planned)
            task = bar.add_task("", total=total)
            before = 0.0
            for step in planned:
                bar.update(task, completed=before, description=step.label)
                tick = partial(bar.advance, task, step.weight / step.ticks)
                budget = (end - perf_counter()) * step.weight / (total - before)
                step.work(budget, tick, skipped)
                before += step.weight
                done += 1
    except KeyboardInterrupt:
        errors.print(f"interrupted: {done} of {len(planned)} steps are done and are kept")
    findings.missing += [step.label for step in planned[done:]]
    return done == len(planned)


def document(findings: Findings) -> dict[str, Any]:
    """Return the JSON form of the findings, and of what was concluded from them."""
    return findings.to_dict() | {
        "portability": portability.data(findings),
        "claims": claim_rows(claims(), findings),
    }


def pictures(findings: Findings) -> dict[str, list[Picture]]:
    """Draw every experiment that was measured, by name; the page says which ones were not."""
    drawn = {}
    for experiment in EXPERIMENTS:
        with suppress(Missing):
            drawn[experiment.name] = experiment.pictures(findings)
    return drawn


def _publish(findings: Findings, folder: Path) -> None:
    """Write the data first, as it is what took the time."""
    write_json(folder / "data.json", document(findings))
    drawn = pictures(findings)
    for picture in chain.from_iterable(drawn.values()):
        picture.save(folder / "figures")
    text = page(findings, drawn)
    write(folder / "report.html", lambda path: path.write_text(text, encoding="utf-8"))
