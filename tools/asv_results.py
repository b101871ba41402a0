"""What the tools beside this file have in common: names, and reading what asv recorded."""

import os
from collections.abc import Iterator
from itertools import product
from math import isfinite

from asv.config import Config
from asv.results import iter_results_for_machine_and_hash

# One history for a computer, whatever becomes of its kernel and host name.
MACHINE = os.environ.get("BENCHMARK_MACHINE", "local")
SHAPES = "4Ki|1Mi|16Mi|4096x1000"  # of the quick selections: each level of the memory, a batch


def numbers(conf: Config, commit: str) -> dict[tuple[str, ...], float]:
    """Return all that was measured at a commit: benchmark name and parameters -> number."""
    found = {}
    for results in iter_results_for_machine_and_hash(conf.results_dir, MACHINE, commit):
        for name in results.get_all_result_keys():
            parameters = results.get_result_params(name)
            values = results.get_result_value(name, parameters)
            found.update(_finite(name, parameters, values))
    return found


def _finite(name, parameters, values) -> Iterator[tuple[tuple[str, ...], float]]:
    for combination, value in zip(product(*parameters), values, strict=True):
        if value is not None and isfinite(value):
            yield (name, *combination), value
