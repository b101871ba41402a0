"""Fail when HEAD is slower than its base: `asv continuous`, again on suspicion.

A shared machine has moments in which anything looks slow. asv interleaves the two commits, and what
looks slower is measured again, on its own: a change of the code stays, a moment does not. A gate
that measured nothing has proved nothing, so the numbers are counted.
"""

import argparse
import re
import shutil
import subprocess
import sys

from asv.commands.continuous import Continuous
from asv.config import Config
from asv_results import MACHINE, SHAPES, numbers

BENCHMARKS = rf"^functions\.\w+\.time_\w+\('\w+', '(auto|two_pass)', 'float32', '(64|{SHAPES})'\)"
TRIES = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "base", nargs="?", default="HEAD^", help="commit to compare with (default: %(default)s)"
    )
    parser.add_argument("--factor", type=float, default=1.15, help="slower than this is a failure")
    parser.add_argument(
        "--bench", default=BENCHMARKS, help="regular expression over name(parameters)"
    )
    args = parser.parse_args()

    base, head = git("rev-parse", args.base), git("rev-parse", "HEAD")
    conf = Config.load("asv.conf.json")
    conf.results_dir = ".asv/gate"
    shutil.rmtree(conf.results_dir, ignore_errors=True)
    subprocess.run(["asv", "machine", "--yes", "--machine", MACHINE], check=True)

    suspects = None
    for _ in range(TRIES):
        selection = [args.bench] if suspects is None else [pattern(key) for key in suspects]
        Continuous.run(
            conf,
            head,
            base,
            factor=args.factor,
            bench=selection,
            machine=MACHINE,
            interleave_rounds=True,
        )
        before, after = numbers(conf, base), numbers(conf, head)
        if lost := before.keys() - after.keys():
            return verdict(f"not measured any more: {names(lost)}")
        if not before:
            return verdict("nothing was measured")
        slower = {key for key in before if after[key] > args.factor * before[key]}
        suspects = slower if suspects is None else slower & suspects
        if not suspects:
            print(f"no benchmark of {len(before)} is slower by {args.factor}")
            return 0
    return verdict(f"slower by {args.factor} in {TRIES} tries: {names(suspects)}")


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def pattern(key: tuple[str, ...]) -> str:
    return "^" + re.escape(name(key)) + "$"


def name(key: tuple[str, ...]) -> str:
    """Write a benchmark as asv does."""
    return key[0] + f"({', '.join(key[1:])})" * (len(key) > 1)


def names(keys: set[tuple[str, ...]]) -> str:
    return ", ".join(sorted(map(name, keys)))


def verdict(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
