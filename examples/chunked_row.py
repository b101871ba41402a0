"""A row in chunks: softmax over Dask, and the same by hand with concurrent.futures.

Softmax over a reduced axis that is spread over chunks needs one small sum of each chunk, 48 bytes.
Chunks that end at multiples of 65536 elements give the very bits of the row in one piece.

    pip install 'twopass[dask]'
    python examples/chunked_row.py
"""

from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np

import twopass

LENGTH, CHUNK = 10_000_000, 16 * 65536


def main() -> None:
    scores = np.random.default_rng(0).standard_normal(LENGTH, dtype=np.float32) * 3
    want = twopass.softmax(scores)

    lazy = twopass.softmax(da.from_array(scores, chunks=CHUNK))  # nothing is computed yet
    print(f"target: {twopass.active_target().name}")
    print(f"dask: {lazy.npartitions} chunks, {verdict(lazy.compute(), want)}")
    print(f"concurrent.futures: {verdict(by_hand(scores), want)}")


def by_hand(scores: np.ndarray) -> np.ndarray:
    chunks = np.split(scores, range(CHUNK, len(scores), CHUNK))
    with ThreadPoolExecutor() as pool:
        whole = twopass.merge(*pool.map(twopass.pair_sum, chunks))
        results = pool.map(lambda chunk: twopass.apply(chunk, whole), chunks)
        return np.concatenate(list(results))


def verdict(got: np.ndarray, want: np.ndarray) -> str:
    np.testing.assert_array_max_ulp(got, want, 16)  # all that CPUs without FMA promise
    same = (got.view(np.uint32) == want.view(np.uint32)).all()
    return "the same bits as in one piece" if same else "within two error bounds of one piece"


if __name__ == "__main__":
    main()
