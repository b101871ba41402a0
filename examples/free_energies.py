"""Free energies by MBAR, the multistate Bennett acceptance ratio: log-sum-exps with weights.

Samples were drawn in several states, N[k] in state k; u[k, n] is the energy of sample n in state k.
The free energies solve f[k] = -log(sum over n of exp(-u[k, n]) / mixture[n]), where mixture[n] is
the sum over k of N[k] exp(f[k] - u[k, n]): one matrix, read along both axes.

    pip install twopass
    python examples/free_energies.py
"""

import numpy as np

import twopass

SAMPLES = np.array([4000, 0, 6000, 2000])  # of the second state there is none: its weight is 0
CENTRES, STIFFNESS = np.array([0.0, 0.5, 1.0, 1.5]), np.array([1.0, 2.0, 4.0, 8.0])
STEPS = 300


def mbar(u, samples):
    """The free energies, the first of which is 0, and the logarithm of each sample's weight."""
    f = np.zeros(len(u))
    for _ in range(STEPS):
        log_mixture = twopass.logsumexp(u, axis=0, scale=-1, bias=f[:, None], b=samples[:, None])
        f = -twopass.logsumexp(u, axis=1, scale=-1, bias=-log_mixture)
        f -= f[0]
    return f, -log_mixture


def main() -> None:
    rng = np.random.default_rng(0)
    state = np.repeat(np.arange(len(SAMPLES)), SAMPLES)
    x = CENTRES[state] + rng.normal(size=len(state)) / np.sqrt(STIFFNESS[state])
    u = STIFFNESS[:, None] / 2 * (x - CENTRES[:, None]) ** 2
    f, log_weight = mbar(u, SAMPLES)

    exact = np.log(STIFFNESS / STIFFNESS[0]) / 2  # of harmonic wells
    assert abs(f - exact).max() < 0.05

    # The mean of x in the state without samples: weights of both signs, as x has both.
    size, sign = twopass.logsumexp(-u[1], b=x, bias=log_weight + f[1], return_sign=True)
    mean = sign * np.exp(size) / np.exp(twopass.logsumexp(-u[1], bias=log_weight + f[1]))
    assert abs(mean - CENTRES[1]) < 0.02
    print(f"target: {twopass.active_target().name}")
    print(f"free energies {np.round(f, 3)}, exactly {np.round(exact, 3)}")
    print(f"mean of the state that was never sampled: {mean:.3f}, exactly {CENTRES[1]}")


if __name__ == "__main__":
    main()
