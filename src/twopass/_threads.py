"""Threads: who works on which rows, or on which part of one long row.

Design note
-----------
A. The kernels release the GIL, so a kept ThreadPoolExecutor of the standard library is enough.
   There is no OpenMP: its children hang after a fork. A fork drops the pool; the next large call
   makes a new one.
B. The work is a queue of tasks that the calling thread empties together with its helpers. If no
   helper can be started, the caller does it all.
C. A task is at most CHUNK elements, some milliseconds: the calling thread is back in Python
   between two of them, and hears Ctrl-C there. An interrupted call empties the queue and waits for
   the tasks under way.
D. Nothing here touches a bit of the result: rows are independent, and a row is divided at its
   segments, whose sums are merged in one order (kernels/sums.pxi).
"""

from __future__ import annotations

import math
import operator
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:  # slow to import, and needed only once there are threads
    from concurrent.futures import Future, ThreadPoolExecutor

Result = TypeVar("Result")
VARIABLE = "TWOPASS_NUM_THREADS"
SHARE = 1 << 18  # elements that are worth a thread
CHUNK = 1 << 22  # elements a task has at most


class Plan(Protocol):
    """What the compiled modules' Plan offers."""

    @property
    def rows(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def divisible(self) -> bool: ...
    def run(self, first: int, last: int) -> None: ...
    def sum_segments(self, row: int, first: int, last: int) -> bool: ...
    def settle(self, row: int, summed: bool) -> bool: ...
    def write_segments(self, row: int, first: int, last: int) -> None: ...


def run(plan: Plan, threads: int | None) -> None:
    """Carry out a plan on up to `threads` threads; None: as many as are worth it."""
    elements = plan.rows * plan.length
    workers = max(1, min(threads or get_num_threads(), elements // SHARE))
    if plan.divisible and (plan.length > CHUNK or plan.rows < workers):
        for row in range(plan.rows):
            _run_long_row(plan, row, workers)
        return
    pieces = max(math.ceil(elements / CHUNK), 4 * workers if workers > 1 else 1)
    _work(workers, plan.run, _ranges(plan.rows, pieces))


def _run_long_row(plan: Plan, row: int, workers: int) -> None:
    parts = _ranges(plan.segments, max(math.ceil(plan.length / CHUNK), 2 * workers))
    tasks = [(row, first, last) for first, last in parts]
    while not plan.settle(row, all(_work(workers, plan.sum_segments, tasks))):
        pass  # rare: elements beyond the range of the reduction; the next sum is of x - max(x)
    _work(workers, plan.write_segments, reversed(tasks))


def _ranges(count: int, pieces: int) -> Iterator[tuple[int, int]]:
    """Divide 0..count into at most so many ranges of nearly the same length."""
    pieces = min(count, pieces)
    for k in range(pieces):
        yield count * k // pieces, count * (k + 1) // pieces


def _work(
    workers: int, function: Callable[..., Result], tasks: Iterable[tuple[int, ...]]
) -> list[Result]:
    """Call a function on every task, in any order, and return what it returned."""
    queue, results = deque(tasks), deque[Result]()

    def drain() -> None:
        while True:
            try:
                task = queue.popleft()
            except IndexError:
                return
            results.append(function(*task))

    helpers: list[Future[None]] = []
    try:
        _start(drain, min(workers, len(queue)) - 1, helpers)
        drain()
    finally:
        queue.clear()
        running = [helper for helper in helpers if not helper.cancel()]
        for helper in running:
            helper.result()
    return list(results)


_lock = Lock()
_pool: ThreadPoolExecutor | None = None
_pool_size = 0
_importing = _orphan = False
_limit: int | None = None


def _start(function: Callable[[], None], count: int, helpers: list[Future[None]]) -> None:
    """Run a function in so many threads of the pool, or in as many as can be had."""
    try:
        for _ in range(count):
            helpers.append(_pool_of(count).submit(function))
    except RuntimeError:  # no thread can be started, or the interpreter is shutting down
        pass


def _pool_of(size: int) -> ThreadPoolExecutor:
    global _pool, _pool_size, _importing
    if _orphan:
        raise RuntimeError("forked while concurrent.futures was being imported")
    with _lock:
        if _pool is None or _pool_size < size:
            _importing = True
            from concurrent.futures import ThreadPoolExecutor

            _importing = False
            # A smaller pool that is still at work finishes what it has.
            _pool, _pool_size = ThreadPoolExecutor(size, thread_name_prefix="twopass"), size
        return _pool


def _forget() -> None:
    """After a fork only the forking thread exists: start afresh.

    An import that another thread was at will never end in the child, which would wait for it: the
    child has to do without threads.
    """
    global _pool, _lock, _orphan
    _pool, _lock, _orphan = None, Lock(), _orphan or _importing


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def get_num_threads() -> int:
    """
    Return how many threads a large call may use.

    Returns
    -------
    int
        What `set_num_threads` set, else the environment variable TWOPASS_NUM_THREADS, else the CPUs
        that this process may run on (its affinity and its control group's quota).

    See Also
    --------
    set_num_threads
    """
    global _limit
    if _limit is None:
        _limit = _limit_of_environment() or _usable_cpus()
    return _limit


def set_num_threads(threads: int) -> None:
    """
    Set how many threads a large call may use, in this process.

    Parameters
    ----------
    threads : int
        At least 1. Small inputs use one thread whatever this says. The results do not depend on it.

    See Also
    --------
    get_num_threads
    """
    global _limit
    _limit = _count(threads, "threads")


def check(threads: int | None) -> int | None:
    """Validate the argument `threads` of the public functions."""
    return None if threads is None else _count(threads, "threads")


def _count(value: int, name: str) -> int:
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be a positive integer, not {value!r}") from None
    if count < 1 or isinstance(value, bool):
        raise ValueError(f"{name} must be a positive integer, not {value!r}")
    return count


def _limit_of_environment() -> int | None:
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        return None
    if not value.isdecimal():
        raise ValueError(f"{VARIABLE} must be a positive integer, not {value[:40]!r}")
    return _count(int(value[:9]), VARIABLE)


def _usable_cpus() -> int:
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        cpus = os.cpu_count() or 1
    return math.ceil(min(cpus, _cgroup_quota()))


def _cgroup_quota() -> float:
    """CPUs that the control group (version 2 or 1) allows; infinite where nothing limits them."""
    for files in CGROUP_FILES:
        try:
            quota, period = map(float, " ".join(_read(file) for file in files).split())
        except (OSError, ValueError):  # absent, or "max": no limit
            continue
        if quota > 0 and period > 0:
            return quota / period
    return math.inf


def _read(file: str) -> str:
    with open(file, encoding="ascii") as stream:
        return stream.read()


CGROUP_FILES = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
