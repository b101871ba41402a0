"""A row twice as large as the last-level cache, from one memory-mapped file into another.

At most 512 MiB, so that it takes seconds also where a server's cache is larger than that; the
output says how large both are.

`out` may lie in a file too: no array of the row's size is allocated. How many threads
share the row, and whether it lies in a file or in memory, changes no bit of the result.

    pip install twopass
    python examples/memory_mapped.py
"""

import tempfile
from pathlib import Path

import numpy as np

import twopass

MIB = 1 << 20
MOST = 512 * MIB


def main() -> None:
    cache = twopass.show_config("dicts")["CPU"]["llc"]
    length = min(2 * cache, MOST) // 4
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scores = write_scores(Path(folder) / "scores.npy", length)
        shape, place = scores.shape, Path(folder) / "probabilities.npy"
        result = np.lib.format.open_memmap(place, mode="w+", dtype=scores.dtype, shape=shape)
        twopass.softmax(scores, out=np.asarray(result))

        total = result.sum(dtype=np.float64)
        assert abs(total - 1) < 1e-6
        in_memory = twopass.softmax(np.array(scores), threads=1)
        assert (in_memory.view(np.uint32) == np.array(result).view(np.uint32)).all()
        print(f"target: {twopass.active_target().name}, threads: {twopass.get_num_threads()}")
        print(f"row: {scores.nbytes / MIB:.0f} MiB, last-level cache: {cache / MIB:.0f} MiB")
        print(f"softmax of {length:,} float32 from file to file, sum {total:.9f}")
        print("the same bits as from memory with one thread")
        del scores, result


def write_scores(path: Path, length: int) -> np.ndarray:
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(length,))
    rng = np.random.default_rng(0)
    for part in np.array_split(file, 32):
        part[:] = rng.standard_normal(part.size, dtype=np.float32) * 3
    file.flush()
    return np.load(path, mmap_mode="r")


if __name__ == "__main__":
    main()
