"""Softmax, log-softmax and log-sum-exp at memory speed, with the same bits on every modern CPU.

The functions have the names, arguments and special values of `scipy.special`. They run the build of
the kernels that fits this CPU; `targets` lists all builds, and the environment variable
TWOPASS_TARGET names another one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twopass import _importing, _targets
from twopass._config import show_config
from twopass._pairs import PairSum, apply, finish, merge, pair_sum
from twopass._targets import active_target, targets
from twopass._threads import get_num_threads, set_num_threads

__all__ = [
    "PairSum",
    "__version__",
    "active_target",
    "apply",
    "finish",
    "get_num_threads",
    "log_softmax",
    "logsumexp",
    "merge",
    "pair_sum",
    "set_num_threads",
    "show_config",
    "softmax",
    "targets",
]

_kernels = _targets.load(_targets.active().name)
softmax = _kernels.softmax
log_softmax = _kernels.log_softmax
logsumexp = _kernels.logsumexp

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Read the version when somebody asks: importlib.metadata is slow to import."""
        if name == "__version__":
            with _importing.importing:
                from importlib.metadata import version

            return version("twopass")
        raise AttributeError(f"module 'twopass' has no attribute {name!r}")
