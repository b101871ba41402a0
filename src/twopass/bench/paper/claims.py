"""The paper's claims, and the verdict on each: the measured effect against its interval.

A claim is put as a quotient and a threshold. It is reproduced when the whole interval of the
quotient lies beyond the threshold, not reproduced when the whole interval lies before it, and
nobody can tell when the threshold lies within, or when there are too few rounds for an interval.

Where the paper says how much, direction and magnitude are judged apart: a claim can hold by less
than the paper's number. That number is the paper's largest, so nothing here has to reach it.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from twopass.bench.cases import usable_cpus
from twopass.bench.paper.effect import SURE, Effect, effect, rounds
from twopass.bench.paper.experiments import (
    PASSES_OF,
    RECOMPUTE,
    RELOAD,
    STREAM,
    THREE_PASS,
    TRAFFIC,
    TWO_PASS,
)
from twopass.bench.paper.findings import Findings, Missing
from twopass.bench.run import LIMIT, Measured

REPRODUCED, NOT_REPRODUCED, CANNOT_TELL = "reproduced", "not reproduced", "cannot tell"

# The largest advantages over the three-pass algorithms that the paper reports, out of cache.
AVX512, AVX2 = "AVX-512", "AVX2"
PAPER_ADVANTAGE = {AVX512: 0.28, AVX2: 0.18}
NEAR = 0.8  # a pass with this share of STREAM's bandwidth is close to it


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
    statement : str
        The claim.
    test : str
        How it is judged here.
    judge : callable
        Takes the findings and a target; gives the ruling, or None if it is about other targets.
    """

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


def claim_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return the JSON form of all rulings."""
    return [
        {"number": number, "statement": claim.statement} | asdict(ruling)
        for number, claim in enumerate(CLAIMS, 1)
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


def advantage(item: Measured, target: str, algorithm: str = TWO_PASS) -> tuple[str, Effect]:
    """Return the better three-pass algorithm, and how many times as fast an algorithm is."""
    rival = min(THREE_PASS, key=lambda name: item.ns(name, target))
    return rival, quotient(item, target, rival, algorithm)


def quotient(item: Measured, target: str, slow: str, fast: str) -> Effect:
    """Return how many times as long one takes as another."""
    return effect(rounds(item, slow, target) / rounds(item, fast, target))


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


def _two_pass_ahead(findings: Findings, target: Any) -> Ruling:
    rival, found = advantage(findings.out_of_cache("sizes"), target.name)
    text = f"speed over {rival}, the better of the two: {span(found)}"
    paper = PAPER_ADVANTAGE.get(kind(target))
    if paper is None:
        return Ruling(target.name, verdict(found), text, found)
    said = f"up to {percent(1 + paper)} ({kind(target)})"
    return Ruling(target.name, verdict(found), text, found, said, magnitude(found, 1 + paper))


def _recompute_ahead(findings: Findings, target: Any) -> Ruling | None:
    if kind(target) != AVX512:
        return None
    found = quotient(findings.out_of_cache("sizes"), target.name, RELOAD, RECOMPUTE)
    return Ruling(
        target.name, verdict(found), f"speed of recompute over reload: {span(found)}", found
    )


def _reload_ahead(findings: Findings, target: Any) -> Ruling:
    found = quotient(findings.in_cache("sizes"), target.name, RECOMPUTE, RELOAD)
    return Ruling(
        target.name, verdict(found), f"speed of reload over recompute: {span(found)}", found
    )


def share_of_stream(item: Measured, target: str, name: str) -> Effect:
    """Return a pass's bandwidth over that of the better of STREAM's copy and scale."""
    best = min(STREAM, key=item.ns)
    moved = sum(TRAFFIC[name]) / sum(TRAFFIC[best])
    return effect(moved * rounds(item, best) / rounds(item, name, target))


def _passes_near_stream(findings: Findings, target: Any) -> Ruling:
    item = findings.out_of_cache("passes")
    names = dict.fromkeys(name for a in (*THREE_PASS, TWO_PASS) for name in PASSES_OF[a])
    shares = {name: share_of_stream(item, target.name, name) for name in names}
    slowest, found = min(shares.items(), key=lambda pair: pair[1].value)
    near = sum(share.value >= NEAR for share in shares.values())
    text = (
        f"{near} of {len(shares)} passes reach {spaced(f'{NEAR:.0%}')} of STREAM; "
        f"the slowest, {slowest}, {share(found)}"
    )
    return Ruling(target.name, verdict(found, NEAR), text, found)


def _less_traffic(findings: Findings, target: Any) -> Ruling:
    item = findings.out_of_cache("passes")
    bare = rounds(item, LIMIT, target.name) + rounds(item, "max", target.name)
    found = effect(bare / rounds(item, TWO_PASS, target.name))
    text = f"the bare traffic of 4N takes {share(found)} of its time"
    judged = verdict(found)
    if judged == NOT_REPRODUCED:  # a slow algorithm says nothing about its traffic
        return Ruling(target.name, CANNOT_TELL, f"{text}: arithmetic hides the traffic", found)
    return Ruling(target.name, judged, text, found)


def _ahead_with_threads(findings: Findings, target: Any) -> Ruling:
    if usable_cpus() == 1:
        raise Missing("there is one CPU")
    rival, found = advantage(findings.with_all_threads(), target.name)
    text = f"speed over {rival} on {usable_cpus()} threads: {span(found)}"
    return Ruling(target.name, verdict(found), text, found)


CLAIMS = (
    Claim(
        "Out of cache, the two-pass algorithm beats both three-pass algorithms: by up to 28 % "
        "with AVX-512, by up to 18 % with AVX2.",
        "Direction: faster than the better of the two, on one row chosen beforehand. Magnitude: "
        "that advantage next to the paper's largest.",
        _two_pass_ahead,
    ),
    Claim(
        "Out of cache, of the three-pass algorithms recomputing the exponentials beats reloading "
        "them (AVX-512).",
        "Time of reload over time of recompute, out of cache.",
        _recompute_ahead,
    ),
    Claim(
        "In cache, reloading beats recomputing.",
        "Time of recompute over time of reload, on a row that the level-2 cache holds.",
        _reload_ahead,
    ),
    Claim(
        "Out of cache, every pass of softmax is limited by memory bandwidth.",
        spaced(f"The slowest pass has to reach {NEAR:.0%} of the better of STREAM's two kernels."),
        _passes_near_stream,
    ),
    Claim(
        "The two-pass algorithm moves 3N values, where recompute moves 4N and reload 5N.",
        "It has to end sooner than the bare traffic of 4N: what is that fast cannot move so much.",
        _less_traffic,
    ),
    Claim(
        "The two-pass algorithm stays ahead of the three-pass ones on many threads.",
        "As the first claim, with a thread for each CPU.",
        _ahead_with_threads,
    ),
)
