"""Threads: who works on which rows, or on which part of one long row.

Design note
-----------
A. The kernels release the GIL, so kept threads of Python's are enough. There is no OpenMP: its
   children hang after a fork. A fork forgets the helpers; the next large call starts new ones. It
   is no ThreadPoolExecutor, whose import takes 8 ms: too long for `import twopass`, and no later
   import is safe from forks (see _importing.py).
B. The work is a queue of tasks that the calling thread empties together with its helpers. If no
   helper can be started, the caller does it all. It waits for helpers that have begun, and not for
   those that are busy elsewhere.
C. A task is at most CHUNK elements, some milliseconds: the calling thread is back in Python
   between two of them, and hears Ctrl-C there. An interrupted call empties the queue and waits for
   the tasks under way.
D. Nothing here touches a bit of the result: rows are independent, and a row is divided at its
   segments, whose sums are merged in one order (kernels/sums.pxd).
"""

from __future__ import annotations

import math
import operator
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from threading import Condition, Lock, Thread
from typing import Generic, Protocol, TypeVar

from twopass._cpus import usable_cpus

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
    work = _Work(function, tasks)
    try:
        _ask(work.help, min(workers, len(work.queue)) - 1)
        work.drain()
    finally:
        work.end()
    if work.errors:
        raise work.errors.pop()
    return list(work.results)


class _Work(Generic[Result]):
    """Tasks that the calling thread and its helpers take from one queue."""

    def __init__(self, function: Callable[..., Result], tasks: Iterable[tuple[int, ...]]) -> None:
        self.queue, self.results = deque(tasks), deque[Result]()
        self.errors = deque[BaseException]()  # of helpers
        self._function = function
        self._helping, self._changed = 0, Condition()

    def drain(self) -> None:
        """Do tasks until none is left."""
        while True:
            try:
                task = self.queue.popleft()
            except IndexError:
                return
            self.results.append(self._function(*task))

    def help(self) -> None:
        """Drain in a helper, which hands its error to the caller."""
        with self._changed:
            self._helping += 1
        try:
            self.drain()
        except BaseException as error:
            self.errors.append(error)
        finally:
            with self._changed:
                self._helping -= 1
                self._changed.notify()

    def end(self) -> None:
        """Begin no more tasks, and wait for those under way."""
        self.queue.clear()  # a helper that comes now finds nothing to do
        with self._changed:
            self._changed.wait_for(lambda: not self._helping)


Jobs = SimpleQueue[Callable[[], None]]

_lock: Lock
_jobs: Jobs
_helpers: int
_limit: int | None = None


def _forget_helpers() -> None:
    """Start afresh: after a fork only the forking thread exists."""
    global _lock, _jobs, _helpers
    _lock, _jobs, _helpers = Lock(), Jobs(), 0


_forget_helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


def _ask(job: Callable[[], None], count: int) -> None:
    """Give a job to so many helpers, or to as many as can be had."""
    global _helpers
    with _lock:
        try:
            while _helpers < count:
                # Daemons: there is nothing to wait for at exit, as callers wait for their helpers.
                Thread(target=_serve, args=(_jobs,), name="twopass", daemon=True).start()
                _helpers += 1
        except RuntimeError:  # no thread can be started, or the interpreter is shutting down
            count = _helpers
    for _ in range(count):
        _jobs.put(job)


def _serve(jobs: Jobs) -> None:
    while True:
        jobs.get()()


def get_num_threads() -> int:
    """
    Return how many threads a large call may use.

    Returns
    -------
    int
        What `set_num_threads` set, else the environment variable TWOPASS_NUM_THREADS, else
        OMP_NUM_THREADS, else the CPUs that this process may run on (its affinity and the quotas of
        its control groups).

    See Also
    --------
    set_num_threads
    """
    global _limit
    if _limit is None:
        _limit = _limit_of_environment() or _limit_of_openmp() or usable_cpus()
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


def _limit_of_openmp() -> int | None:
    """Read the first number of OMP_NUM_THREADS, which is a list, by levels of nested parallelism.

    What runs many workers on one machine (joblib, Dask) limits the threads of each by it. A value
    that makes no sense is not for twopass to refuse.
    """
    value = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(value[:9]) or None if value.isdecimal() else None
