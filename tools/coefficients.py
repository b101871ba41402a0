"""The coefficients of exp_quotient in kernels/exp.pxd; needs scipy and mpmath.

The polynomials approximate e**r and begin with 1, so that e**0 is exactly 1. They are good for
|r| <= ln(2)/2, and the one that goes with the table of eight powers of 2 for |r| <= ln(2)/16.
"""

import mpmath
import numpy as np
from scipy.optimize import linprog

SLACK = 1.0005  # the argument reduction overshoots the interval a little


def minimax(degree: int, known: list[float], widest: float) -> np.ndarray:
    """The coefficients after `known` with the least maximal relative error: a linear program."""
    r = np.cos(np.linspace(0, np.pi, 4001)) * widest * SLACK
    r = r[np.abs(r) > 1e-4 * widest]
    scale = 1e6  # the solver's tolerance is absolute
    powers = scale * np.stack([r**k for k in range(len(known), degree + 1)], 1) / np.exp(r)[:, None]
    target = scale * (1 - sum(c * r**k for k, c in enumerate(known)) / np.exp(r))
    bound = -np.ones((len(r), 1))
    result = linprog(
        np.r_[np.zeros(powers.shape[1]), 1],
        A_ub=np.block([[powers, bound], [-powers, bound]]),
        b_ub=np.r_[target, -target],
        bounds=[(None, None)] * powers.shape[1] + [(0, None)],
    )
    return result.x[:-1]


def for_float32(degree: int, widest: float) -> list[float]:
    """Round one coefficient at a time, and let the later ones make up for it."""
    known = [1.0]
    while len(known) <= degree:
        known.append(float(np.float32(minimax(degree, known, widest)[0])))
    return known


def for_float64(degree: int, widest: float) -> list[float]:
    """Interpolate (e**r - 1 - r) / r**2 at Chebyshev's nodes: near enough, and in any precision."""
    mpmath.mp.prec = 300
    count = degree - 1
    angles = [mpmath.pi * (2 * i + 1) / (2 * count) for i in range(count)]
    nodes = [SLACK * widest * mpmath.cos(angle) for angle in angles]
    values = mpmath.matrix([(mpmath.exp(x) - 1 - x) / x**2 for x in nodes])
    powers = mpmath.matrix([[x**j for j in range(count)] for x in nodes])
    return [1.0, 1.0, *(float(c) for c in mpmath.lu_solve(powers, values))]


def error_bits(coefficients: list[float], widest: float) -> float:
    """The largest relative error, as a power of 2."""
    points = (widest * i / 500 for i in range(-500, 501))
    polynomial = coefficients[::-1]
    return float(
        mpmath.log(max(abs(mpmath.polyval(polynomial, r) / mpmath.exp(r) - 1) for r in points), 2)
    )


if __name__ == "__main__":
    for name, fit, degree, steps in (
        ("float32 with the table", for_float32, 3, 8),
        ("float32", for_float32, 6, 1),
        ("float64", for_float64, 11, 1),
    ):
        widest = float(np.log(2) / 2 / steps)
        fitted = fit(degree, widest)
        print(f"{name}: off by 2^{error_bits(fitted, widest):.1f}")
        for k, c in enumerate(fitted):
            print(f"    r^{k:<2} {c!r}")
