"""A row of 128 MiB, larger than most caches, from one memory-mapped file into another.

`out` may lie in a file too: no array of the row's size is allocated. How many threads
share the row, and whether it lies in a file or in memory, changes no bit of the result.

    pip install twopass
    python examples/memory_mapped.py
"""

import tempfile
from pathlib import Path

import numpy as np

import twopass

LENGTH = 1 << 25


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        scores = write_scores(Path(folder) / "scores.npy")
        shape, place = scores.shape, Path(folder) / "probabilities.npy"
        result = np.lib.format.open_memmap(place, mode="w+", dtype=scores.dtype, shape=shape)
        twopass.softmax(scores, out=np.asarray(result))

        total = result.sum(dtype=np.float64)
        assert abs(total - 1) < 1e-6
        in_memory = twopass.softmax(np.array(scores), threads=1)
        assert (in_memory.view(np.uint32) == np.array(result).view(np.uint32)).all()
        print(f"target: {twopass.active_target().name}, threads: {twopass.get_num_threads()}")
        print(f"softmax of {LENGTH:,} float32 from file to file, sum {total:.9f}")
        print("the same bits as from memory with one thread")
        del scores, result


def write_scores(path: Path) -> np.ndarray:
    file = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(LENGTH,))
    rng = np.random.default_rng(0)
    for part in np.split(file, 32):
        part[:] = rng.standard_normal(part.size, dtype=np.float32) * 3
    file.flush()
    return np.load(path, mmap_mode="r")


if __name__ == "__main__":
    main()
