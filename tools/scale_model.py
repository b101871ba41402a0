"""How far softmax over Dask scales, on paper: a simulation with constants measured on one machine.

What is simulated: one row, chunked, on many workers of one thread each and one scheduler, which
handles one task after the other. Each chunk is read and summed; sums meet in a tree; the root goes
to every worker; each chunk is read again, applied and written.

    python tools/scale_model.py                 the tables of docs/scaling.md
    python tools/scale_model.py --measure       the constants of this machine (needs distributed)
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import time
from dataclasses import dataclass, replace

FAN_IN = 16  # as in twopass.dask


@dataclass(frozen=True)
class Constants:
    """What --measure found on two AVX-512 cores, but for the last two. Seconds and bytes."""

    sum: float = 0.14e-9  # an element
    apply: float = 1.1e-9  # into new memory
    task: float = 0.6e-3  # the scheduler's time for a task
    merge: float = 0.024e-3  # adding up 16 states
    message: float = 5.2e-3  # from the end of a task to the start of one on another worker
    move: float = 4e-9  # an element read or written, at 1 GB/s a worker: assumed
    message_bytes: int = 1000  # a state of 48 bytes with all that is packed around it: assumed


@dataclass(frozen=True)
class Outcome:
    """What a simulated run took."""

    seconds: float
    ideal: float  # with nothing but reading, summing, applying and writing
    tasks: int
    depth: int
    messages: int
    message_bytes: int


def simulate(elements: int, workers: int, chunk: int, const: Constants) -> Outcome:
    """Run the tasks in the order of their ends."""
    leaves = math.ceil(elements / chunk)
    levels = tree(leaves)
    first, second = chunk * (const.sum + const.move), chunk * (const.apply + 2 * const.move)
    # Tasks are named (level, index); level 0 reads and sums. A worker has a run of chunks.
    home = [[leaf * workers // leaves for leaf in range(leaves)]]
    for count in levels:
        home.append([home[-1][index * FAN_IN] for index in range(count)])
    missing = [
        [min(FAN_IN, len(home[k]) - FAN_IN * i) for i in range(n)] for k, n in enumerate(levels)
    ]
    # The scheduler deals the chunks out in rounds: the first of each worker, the second, ...
    turns = sorted(
        range(leaves), key=lambda leaf: leaf - leaf * workers // leaves * leaves // workers
    )
    free = [0.0] * workers
    ends: list[tuple[float, int, int]] = []
    for turn, leaf in enumerate(turns):
        worker = home[0][leaf]
        free[worker] = max(free[worker], turn * const.task) + first
        ends.append((free[worker], 0, leaf))
    heapq.heapify(ends)
    scheduler, messages = 0.0, 0
    while ends:
        end, level, index = heapq.heappop(ends)
        scheduler = max(scheduler, end) + const.task
        if level == len(levels):
            break
        parent = index // FAN_IN
        worker = home[level + 1][parent]
        messages += worker != home[level][index]
        missing[level][parent] -= 1
        if missing[level][parent] == 0:
            free[worker] = max(free[worker], scheduler + const.message) + const.merge
            heapq.heappush(ends, (free[worker], level + 1, parent))
    free = [scheduler + const.message] * workers
    for turn, leaf in enumerate(turns):
        worker = home[0][leaf]
        free[worker] = max(free[worker], scheduler + turn * const.task) + second
    messages += min(workers, leaves) - 1
    return Outcome(
        max(free),
        math.ceil(leaves / workers) * (first + second),
        2 * leaves + sum(levels),
        len(levels),
        messages,
        messages * const.message_bytes,
    )


def tree(leaves: int) -> list[int]:
    """The number of tasks on each level of the tree."""
    levels = [math.ceil(leaves / FAN_IN)]
    while levels[-1] > 1:
        levels.append(math.ceil(levels[-1] / FAN_IN))
    return levels


def measure() -> Constants:
    """The constants of this machine."""
    import numpy as np
    from distributed import Client, LocalCluster

    import twopass
    from twopass import _pairs

    x = np.random.default_rng(0).standard_normal(1 << 24, dtype=np.float32)
    pair = twopass.pair_sum(x)
    states = np.stack([pair.state] * FAN_IN)
    constants = Constants(
        sum=best(lambda: twopass.pair_sum(x)) / x.size,
        apply=best(lambda: twopass.apply(x, pair)) / x.size,
        merge=best(lambda: _pairs.add_states(states, (0,))),
    )
    count = 4000
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.gather(client.map(abs, range(100)))
        # Scheduler and client are this process. Its own time does not depend on who else runs here.
        start = time.process_time()
        client.gather(client.map(abs, range(1000, 1000 + count)))
        task = (time.process_time() - start) / count
        # Two tasks, the second of which fetches its input from the other worker.
        first, second = client.run(abs, 0)
        hop = {"pure": False}
        message = best(
            lambda: client.submit(
                np.copy,
                client.submit(np.copy, pair.state, workers=[first], **hop),
                workers=[second],
                **hop,
            ).result()
        )
        return replace(constants, task=task, message=message / 2)


def best(call) -> float:  # type: ignore[no-untyped-def]
    times = []
    for _ in range(30):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--measure", action="store_true", help="print this machine's constants")
    parser.add_argument("--elements", type=float, default=1e12)
    options = parser.parse_args()
    if options.measure:
        print(measure())
        return
    print("| workers | chunk | tasks | depth | messages | bytes | seconds | of ideal |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for workers, chunk in itertools.product((10, 100, 1000, 10_000), (1 << 24, 1 << 26, 1 << 28)):
        print(row(int(options.elements), workers, chunk))


def row(elements: int, workers: int, chunk: int) -> str:
    """A row of the table, with the constants above."""
    run = simulate(elements, workers, chunk, Constants())
    return (
        f"| {workers:,} | {4 * chunk >> 20} MiB | {run.tasks:,} "
        f"| {run.depth} | {run.messages:,} | {run.message_bytes / 1e6:.1f} MB "
        f"| {run.seconds:,.0f} | {run.ideal / run.seconds:.0%} |"
    )


if __name__ == "__main__":
    main()
