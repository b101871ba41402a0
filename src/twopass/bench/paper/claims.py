"""What a claim of the paper is, and the verdict on it: the measured effect against its interval.

A claim is put as a quotient and a threshold. It is reproduced when the whole interval of the
quotient lies beyond the threshold, not reproduced when the whole interval lies before it, and
nobody can tell when the threshold lies within, or when there are too few rounds for an interval.

Where the paper says how much, direction and magnitude are judged apart: a claim can hold by less
than the paper's number. That number is the paper's largest, so nothing here has to reach it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twopass.bench.paper.effect import SURE, Effect
from twopass.bench.paper.findings import Findings, Missing

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"

AVX512, AVX2 = "AVX-512", "AVX2"  # the paper's implementations


@dataclass(frozen=True)
class Ruling:
    """The verdict on a claim for one target.

    Parameters
    ----------
    target : str
        The target.
    verdict : str
        One of ``"reproduced"``, ``"not reproduced"``, ``"cannot tell"``.
    text : str
        What was measured, in words.
    effect : Effect or None
        The quotient that was judged.
    paper : str
        What the paper reports, if it gives a number.
    magnitude : str
        How the effect compares with that number, in words.
    """

    target: str
    verdict: str
    text: str
    effect: Effect | None = None
    paper: str = ""
    magnitude: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Parameters
    ----------
    number : int
        Its place in the report, and its name in the data.
    statement : str
        The claim.
    test : str
        How it is judged here.
    judge : callable
        Takes the findings and a target; gives the ruling, or None if it is about other targets.
    """

    number: int
    statement: str
    test: str
    judge: Callable[[Findings, Any], Ruling | None]


def rulings(claim: Claim, findings: Findings) -> list[Ruling]:
    """Judge a claim on every target that it is about."""
    found = [_judge(claim, findings, target) for target in findings.targets]
    return [ruling for ruling in found if ruling]


def _judge(claim: Claim, findings: Findings, target: Any) -> Ruling | None:
    try:
        return claim.judge(findings, target)
    except Missing as error:
        return Ruling(target.name, CANNOT_TELL, f"not measured: {error}")


def summary(found: Sequence[Ruling]) -> str:
    """Return the verdict over all targets, in words."""
    verdicts = dict.fromkeys(ruling.verdict for ruling in found)
    if not found:
        return "about no target that runs here"
    if len(verdicts) == 1:
        return found[0].verdict
    return "; ".join(
        f"{verdict} on {', '.join(r.target for r in found if r.verdict == verdict)}"
        for verdict in verdicts
    )


def claim_rows(claims: Iterable[Claim], findings: Findings) -> list[dict[str, Any]]:
    """Return the JSON form of all rulings."""
    return [
        {"number": claim.number, "statement": claim.statement} | asdict(ruling)
        for claim in claims
        for ruling in rulings(claim, findings)
    ]


def verdict(found: Effect, threshold: float = 1.0) -> str:
    """Say whether a quotient is beyond a threshold."""
    if found.sure < SURE or found.low <= threshold <= found.high:
        return CANNOT_TELL
    return REPRODUCED if found.low > threshold else NOT_REPRODUCED


def magnitude(found: Effect, reported: float) -> str:
    """Compare a quotient that the paper reports with the one found, whatever its direction."""
    words = {
        REPRODUCED: "more than the paper's",
        NOT_REPRODUCED: "less than the paper's",
        CANNOT_TELL: "as far as noise lets see, the paper's",
    }
    if found.sure < SURE:
        return CANNOT_TELL
    return f"{words[verdict(found, reported)]} {percent(reported)}"


def kind(target: Any) -> str:
    """Return which of the paper's implementations a target corresponds to; "" if none."""
    features = {"avx512f": AVX512, "avx2": AVX2}
    return next((name for feature, name in features.items() if feature in target.features), "")


def percent(value: float) -> str:
    """Write a quotient as what it is more or less than one."""
    return spaced(f"{value - 1:+.0%}".replace("-", "\N{MINUS SIGN}"))


def spaced(text: str) -> str:
    """Part the per-cent signs from their numbers."""
    return text.replace("%", "\N{NO-BREAK SPACE}%")


def span(found: Effect) -> str:
    """Write a quotient and its interval as percentages."""
    return f"{percent(found.value)} ({percent(found.low)} to {percent(found.high)})"


def share(found: Effect) -> str:
    """Write a quotient and its interval as shares."""
    return spaced(f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})")
