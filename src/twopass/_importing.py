"""Imports that wait until they are needed, and forks that wait for them.

A process that is forked while another of its threads imports a module can never import it: the
import's lock stays held, by a thread that the child does not have. So nothing is imported in the
path of a call, but for what a call names itself: another target, Dask. Such imports run with this
lock held, which a fork takes first.
"""

from __future__ import annotations

import os
from threading import RLock

importing = RLock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=importing.acquire,
        after_in_parent=importing.release,
        after_in_child=importing.release,
    )
