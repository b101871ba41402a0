"""Pennycook's performance-portability metric.

S. J. Pennycook, J. D. Sewall, V. W. Lee, "A Metric for Performance Portability", 2016
(arXiv 1611.07409): the harmonic mean of an application's efficiency over a set of platforms, and
zero when one of them cannot run it. Here the platforms are the targets, and the efficiency is
architectural: the time of the bare memory traffic (the limit) over the time achieved.
"""

from collections.abc import Iterable


def portability(efficiencies: Iterable[float | None]) -> float:
    """Return the harmonic mean of the efficiencies; ``None`` stands for a platform that failed.

    Parameters
    ----------
    efficiencies : iterable of float or None
        One number a platform, at least one.

    Returns
    -------
    float
        In the unit of the efficiencies.

    Examples
    --------
    >>> portability([1.0, 0.5])
    0.6666666666666666
    >>> portability([1.0, None])
    0.0
    """
    values = list(efficiencies)
    if not values:
        raise ValueError("performance portability needs at least one platform")
    if any(not value for value in values):
        return 0.0
    return len(values) / sum(1 / value for value in values if value)
