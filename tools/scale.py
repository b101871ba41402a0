"""Softmax of a row that is larger than the memory of the workers that compute it, measured.

A float32 row of 6 GiB in a Zarr array, its softmax into another one, on a Dask cluster of two
workers that may use 1 GiB each. What is checked: the peak memory of each worker stays below its
limit; the digest of the result is that of the in-memory kernel; one worker killed half-way, and
seen to be replaced by another process, changes nothing. What it is compared with: the same softmax
in three of Dask's own operations, and SciPy's on the row as one chunk.

    tox -e scale                    the whole run, into docs/scaling-run.json
    python tools/scale.py --gib 1 --limit 512MiB    a smaller one
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from dask.utils import parse_bytes
from distributed import Client, LocalCluster, progress, wait

import twopass

CHUNK = 1 << 23  # elements, 32 MiB: whole segments of the kernels
GIB = 1 << 30
WORKERS = 2


def main() -> None:
    options = arguments()
    length = int(options.gib * GIB) // 4
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        scores = Path(folder) / "scores.zarr"
        write_scores(scores, length)
        want, seconds = in_memory_digest(scores)
        runs: list[dict[str, Any]] = [{"name": "in memory", "seconds": seconds}]
        for name, compute in RUNS.items():
            if name.split(":")[0] not in options.skip:
                run = measure(name, compute, scores, Path(folder) / "result.zarr", options.limit)
                run["same bits"] = run.pop("digest") == want
                runs.append(run)
                print("\n" + json.dumps(run), flush=True)
    table = {"elements": length, "limit": parse_bytes(options.limit), "runs": runs}
    if options.record:
        options.record.write_text(json.dumps(table, indent=1) + "\n")
    check(runs, parse_bytes(options.limit))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--gib", type=float, default=6, help="size of the row")
    parser.add_argument("--limit", default="1GiB", help="memory of a worker")
    parser.add_argument("--folder", type=Path, help="where the files go (default: temporary)")
    parser.add_argument("--record", type=Path, help="write what was measured to this file")
    parser.add_argument("--skip", nargs="*", default=[], help="runs to leave out: twopass, ...")
    return parser.parse_args()


def write_scores(place: Path, length: int) -> None:
    """Ordinary scores that are quickly made: a period of them, each time shifted a bit."""
    scores = create(place, length)
    period = np.random.default_rng(0).standard_normal(CHUNK, dtype=np.float32) * 3
    for k, start in enumerate(range(0, length, CHUNK)):
        scores[start : start + CHUNK] = np.roll(period, 12_345 * k)[: length - start] + k / 100


def create(place: Path, length: int) -> zarr.Array:
    return zarr.create_array(
        place, shape=(length,), chunks=(CHUNK,), dtype="f4", compressors=None, overwrite=True
    )


def in_memory_digest(scores: Path) -> tuple[str, float]:
    """The digest of the kernel's result; and how long it took, without any file."""
    x = zarr.open_array(scores)[:]
    start = time.perf_counter()
    twopass.softmax(x, out=x)
    seconds = time.perf_counter() - start
    return hashlib.sha256(x).hexdigest(), round(seconds, 1)


def digest(result: zarr.Array) -> str:
    sha = hashlib.sha256()
    for start in range(0, result.shape[0], CHUNK):
        sha.update(result[start : start + CHUNK])
    return sha.hexdigest()


# ---- What is run --------------------------------------------------------------------------------


def two_pass(x: da.Array) -> da.Array:
    return twopass.softmax(x)


def naive(x: da.Array) -> da.Array:
    """The formula in Dask's own operations: one graph, which holds on to x and exp(x)."""
    terms = da.exp(x - x.max())
    return terms / terms.sum()


def one_chunk(x: da.Array) -> da.Array:
    """SciPy's softmax needs the row in one place."""
    from scipy.special import softmax

    return x.rechunk(-1).map_blocks(softmax, dtype=x.dtype)


RUNS: dict[str, Callable[[da.Array], da.Array]] = {
    "twopass": two_pass,
    "killed: twopass, a worker killed half-way": two_pass,
    "naive: exp(x - max) / sum": naive,
    "scipy: the row as one chunk": one_chunk,
}


def measure(
    name: str, compute: Callable[[da.Array], da.Array], scores: Path, place: Path, limit: str
) -> dict[str, Any]:
    """Run one softmax from file to file on a cluster of its own."""
    result = create(place, zarr.open_array(scores).shape[0])
    with cluster(limit) as (workers, client):
        start = time.perf_counter()
        stored = da.store(compute(da.from_zarr(scores)), result, lock=False, compute=False)
        with Watch(workers, place if name.startswith("killed") else None) as watch:
            future = client.compute(stored)
            progress(future)
            wait(future)
            seconds = time.perf_counter() - start
            client.wait_for_workers(WORKERS, timeout=60)
        error = "" if future.status == "finished" else type(future.exception()).__name__
        moved = sum(client.run(bytes_sent).values())
    return {
        "name": name,
        "seconds": round(seconds, 1),
        "error": error,
        "peak MiB": sorted(peak >> 20 for peak in watch.peaks.values()),
        "read GiB": round(sum(watch.read.values()) / GIB, 2),
        "written GiB": round(sum(watch.written.values()) / GIB, 2),
        "between workers MiB": round(moved / 2**20, 2),
        "replaced": watch.killed in watch.peaks and len(watch.peaks) > WORKERS,
        "digest": "" if error else digest(result),
    }


@contextlib.contextmanager
def cluster(limit: str) -> Iterator[tuple[LocalCluster, Client]]:
    """Two workers of one thread each; what fails three times is given up."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 2}),
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            memory_limit=limit,
            dashboard_address=None,
        ) as workers,
        Client(workers) as client,
    ):
        yield workers, client


def bytes_sent(dask_worker: Any) -> int:
    return int(dask_worker.transfer_outgoing_bytes_total)


class Watch:
    """Follows the memory and the files of the workers from outside, as a killed one tells nothing.

    With the folder of the result, it kills a worker when half of the chunks are there.
    """

    def __init__(self, workers: LocalCluster, kill_at_half: Path | None) -> None:
        self.peaks: dict[int, int] = {}
        self.read: dict[int, int] = {}
        self.written: dict[int, int] = {}
        self.killed: int | None = None
        self._workers, self._result = workers, kill_at_half
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._look()  # a replacement may have come last

    def _follow(self) -> None:
        while not self._end.wait(0.1):
            pids = self._look()
            if self._result and half_there(self._result):
                os.kill(pids[0], signal.SIGKILL)
                self.killed, self._result = pids[0], None

    def _look(self) -> list[int]:
        pids = [nanny.pid for nanny in self._workers.workers.values() if nanny.pid]
        for pid in pids:
            with contextlib.suppress(OSError, KeyError):  # it may just have ended
                self.peaks[pid] = proc(pid, "status")["VmHWM"] * 1024
                self.read[pid] = proc(pid, "io")["rchar"]
                self.written[pid] = proc(pid, "io")["wchar"]
        return pids


def proc(pid: int, file: str) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines)
    first_words = ((key, value.split()[0]) for key, value in pairs if value.strip())
    return {key: int(word) for key, word in first_words if word.isdigit()}


def half_there(place: Path) -> bool:
    chunks = zarr.open_array(place).nchunks
    return 2 * sum(1 for _ in place.glob("c/*")) >= chunks


def check(runs: list[dict[str, Any]], limit: int) -> None:
    """Fail unless twopass kept its promises."""
    for run in runs:
        if "twopass" in run["name"]:
            assert not run["error"], run
            assert run["same bits"], run
            assert max(run["peak MiB"]) < limit >> 20, run
        if run["name"].startswith("killed"):
            assert run["replaced"], run


if __name__ == "__main__":
    main()
