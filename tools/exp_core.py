"""The largest error of the exponential (ExtExp) over all float32 values, for each target.

An error is counted in units in the last place (ULP) of the exact m = e^x / 2^n; in eps, relative
to m: what the error bound of softmax is made of. The comparison is with NumPy's float64 exponential
of the exactly reduced argument, good to 2^-28 ULP of float32.
"""

import argparse
from collections.abc import Iterator

import numpy as np

import twopass

CHUNK = 1 << 20
LIMITS = (
    104.0,
    2.0**10,
    2.0**16,
)  # e^-104 is 0 in float32; how far generic reduces, and the others

# n * LN2_HIGH is exact, as is what it leaves of x.
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fefp-1"), float.fromhex("0x1.473de6af278edp-34")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=1, help="take every STEP-th value only")
    step = parser.parse_args().step
    probes = {t.name: t.probe for t in twopass.targets().values() if not t.obstacle}
    worst = {(name, limit): (0.0, 0.0) for name in probes for limit in LIMITS}
    relative = dict.fromkeys(probes, 0.0)
    count = 0
    for limit, x in values(step):
        count += x.size
        known: list[tuple[np.ndarray, np.ndarray, tuple[float, float, float]]] = []
        for name, probe in probes.items():
            if name == "generic" and limit > LIMITS[1]:
                continue  # it shifts such rows by their maximum
            m, n = probe.extexp(x)
            found = next(
                (e for p, q, e in known if np.array_equal(p, m) and np.array_equal(q, n)), None
            )
            if found is None:
                found = largest_error(x, m, n)
                known.append((m, n, found))
            worst[name, limit] = max(worst[name, limit], found[:2])
            relative[name] = max(relative[name], found[2])
    print(f"{count:,} values, every {step}. of those with |x| <= {LIMITS[-1]:g}\n")
    print("| target |" + "".join(f" abs(x) <= {limit:g} |" for limit in LIMITS) + " relative |")
    print("|---|" + "---|" * (len(LIMITS) + 1))
    for name in probes:
        cells = [max(worst[name, low] for low in LIMITS[: i + 1]) for i in range(len(LIMITS))]
        shown = cells[:2] if name == "generic" else cells
        texts = [f"{error:.4f} ULP at {x!r}" for error, x in shown] + ["-"] * (3 - len(shown))
        print(f"| {name} | " + " | ".join(texts) + f" | {relative[name]:.4f} eps |")


def values(step: int) -> Iterator[tuple[float, np.ndarray]]:
    """All float32 values up to the last limit, of both signs, with the limit they lie below."""
    start = 0
    for limit in LIMITS:
        end = int(np.float32(limit).view(np.uint32)) + 1
        for first in range(start, end, CHUNK * step):
            bits = np.arange(first, min(first + CHUNK * step, end), step, dtype=np.uint32)
            for sign in (0, 1 << 31):
                yield limit, (bits | np.uint32(sign)).view(np.float32)
        start = end


def largest_error(x: np.ndarray, m: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
    n64 = n.astype(np.float64)
    exact = np.exp((x - n64 * LN2_HIGH) - n64 * LN2_LOW)
    errors = abs(m - exact)
    relative = (errors / exact).max() * 2.0**23
    errors *= np.where(exact < 1, 2.0**24, 2.0**23)
    i = int(errors.argmax())
    return float(errors[i]), float(x[i]), float(relative)


if __name__ == "__main__":
    main()
