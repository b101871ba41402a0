"""Dask arrays: any chunks, any scheduler; NumPy's bits where chunks end at segments."""

import itertools
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from oracle import DTYPES, ELEMENTWISE, FUNCTIONS, SEGMENT, assert_accurate, assert_same_bits, hard

import twopass

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
import twopass.dask  # noqa: E402

N = 5 * SEGMENT + 77
SCHEDULERS = ("synchronous", "threads", "processes")


def compute(x):
    return np.asarray(x.compute(scheduler="synchronous"))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "chunks",
    (SEGMENT, 2 * SEGMENT, ((0, SEGMENT, 0, 3 * SEGMENT, SEGMENT + 77, 0),), -1),
    ids=("one segment", "two", "uneven and empty", "not chunked"),
)
def test_bits_at_segments(function, dtype, chunks):
    x = hard("normal_3", N, dtype)
    got = getattr(twopass.dask, function)(da.from_array(x, chunks=chunks))
    assert_same_bits(compute(got), getattr(twopass, function)(x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("axis", (0, 1, 2, -1, -3, None, (0, 2), (2, 1), (), (0, 1, 2)), ids=str)
def test_axes_and_uneven_chunks(function, dtype, axis):
    x = hard("normal_3", 6 * 7 * 50, dtype).reshape(6, 7, 50)
    chunked = da.from_array(x, chunks=((1, 5), (3, 0, 3, 1), (20, 29, 1)))
    got = getattr(twopass.dask, function)(chunked, axis)
    every = axis if axis is not None else (0, 1, 2)
    assert_accurate(function, x, compute(got), every)
    want = getattr(twopass, function)(x, axis)
    assert (got.shape, got.dtype) == (np.shape(want), want.dtype)
    assert type(got._meta) is np.ndarray
    assert (got._meta.ndim, got._meta.dtype) == (got.ndim, got.dtype)
    if function in ELEMENTWISE:
        assert got.chunks == chunked.chunks
    else:
        kept = twopass.dask.logsumexp(chunked, axis, keepdims=True)
        assert kept.shape == twopass.logsumexp(x, axis, keepdims=True).shape
        assert compute(kept).shape == kept.shape


VALUES = hard("normal_3", 240, "float64").reshape(12, 20)


def locked(x):
    return da.from_array(np.asarray(VALUES), chunks=(5, 7), lock=True, name=False)


def delayed_rows(x):
    load = dask.delayed(lambda i: VALUES[i] * 1, pure=False)
    return da.stack([da.from_delayed(load(i), (20,), float) for i in range(12)]).rechunk((5, 7))


# What a Dask array may come from: each has tasks, aliases or data of another make. All of them
# begin with x, of 12 rows in 3 chunks and 20 columns in 3.
KINDS = {
    # made
    "from_array": lambda x: x,
    "from_array, inline": lambda x: da.from_array(VALUES, (5, 7), inline_array=True),
    "from_array, not fancy": lambda x: da.from_array(VALUES, (5, 7), fancy=False)[:, [3, 1, 9]],
    "from_array, lock": locked,
    "from_array, a name of its own": lambda x: da.from_array(VALUES, (5, 7), name="scores"),
    "a list": lambda x: da.asarray([[1.0, 2, 3], [4, 5, 6]]).rechunk((1, 2)),
    "from_delayed": delayed_rows,
    "from_delayed of a chunk": lambda x: da.concatenate(
        [
            da.from_delayed(part, (5 - (i > 1) * 3, 20), float)
            for i, part in enumerate(x.rechunk((5, -1)).to_delayed().ravel())
        ]
    ).rechunk((4, 6)),
    "from a bag of keys": lambda x: da.Array(dict(x.dask), x.name, x.chunks, dtype=x.dtype),
    "ones": lambda x: da.ones((12, 20), chunks=(5, 7)),
    "full": lambda x: da.full((12, 20), 2.5, chunks=(5, 7)),
    "arange": lambda x: da.arange(40.0, chunks=7),
    "linspace": lambda x: da.linspace(0, 9, 100, chunks=13),
    "eye": lambda x: da.eye(12, chunks=5),
    "diag": lambda x: da.diag(x[0]),
    "tri": lambda x: da.tril(x),
    "indices": lambda x: da.indices((6, 5), chunks=2).astype(float),
    "fromfunction": lambda x: da.fromfunction(lambda i, j: i - j, shape=(12, 20), chunks=(5, 7)),
    "meshgrid": lambda x: da.meshgrid(x[0], x[:, 0])[0],
    "random": lambda x: da.random.default_rng(1).normal(size=(12, 20), chunks=(5, 7)),
    "random state": lambda x: da.random.RandomState(1).normal(size=(12, 20), chunks=(5, 7)),
    "random, permuted": lambda x: da.random.RandomState(1).permutation(x),
    "persist": lambda x: (x + 1).persist(scheduler="synchronous"),
    "a slice of what persists": lambda x: (x + 1).persist(scheduler="synchronous")[:, 1:],
    "optimize": lambda x: dask.optimize(x[:, 1:] + 1)[0],
    # sliced
    "x[:, 1:]": lambda x: x[:, 1:],
    "x[1:-1, ::2]": lambda x: x[1:-1, ::2],
    "x[::-1]": lambda x: x[::-1, ::-1],
    "x[3]": lambda x: x[3],
    "x[:, None]": lambda x: x[:, None],
    "x[list]": lambda x: x[[5, 1, 1, 11]],
    "x[array, of Dask]": lambda x: x[da.from_array([5, 1, 1, 11], chunks=3)],
    "x[mask]": lambda x: x[np.arange(12) % 3 > 0],
    "a slice of a slice": lambda x: x[1:][:, 1:][:-1, ::3],
    "blocks": lambda x: x.blocks[1:, [0, 2]],
    "take": lambda x: da.take(x, [4, 0, 19, 19], axis=1),
    "compress": lambda x: da.compress(np.arange(20) % 4 > 0, x, axis=1),
    "vindex": lambda x: x.vindex[[0, 5, 11], [19, 3, 4]],
    "assigned": lambda x: assigned(x),
    "sliding windows": lambda x: da.lib.stride_tricks.sliding_window_view(x, 3, axis=1),
    # moved
    "roll": lambda x: da.roll(x, 3, axis=1),
    "repeat": lambda x: da.repeat(x, 3, axis=1),
    "tile": lambda x: da.tile(x, (2, 3)),
    "flip": lambda x: da.flip(x, axis=1),
    "rot90": lambda x: da.rot90(x),
    "transpose": lambda x: x.T,
    "swapaxes": lambda x: x.reshape(3, 4, 20).swapaxes(0, 2),
    "reshape": lambda x: x.reshape(3, 4, 5, 4),
    "ravel": lambda x: x.ravel(),
    "rechunk, split": lambda x: x.rechunk((2, 3)),
    "rechunk, merged": lambda x: x.rechunk((6, 10)),
    "pad": lambda x: da.pad(x, ((1, 0), (2, 3)), mode="constant"),
    "pad, wrapped": lambda x: da.pad(x, 2, mode="wrap"),
    "broadcast_to": lambda x: da.broadcast_to(x[:1], (4, 20)),
    "concatenate": lambda x: da.concatenate([x, x[:1]]),
    "concatenate, columns": lambda x: da.concatenate([x[:, 5:], x, x[:, :5]], axis=1),
    "stack": lambda x: da.stack([x, x + 1], axis=1),
    "block": lambda x: da.block([[x, x + 1], [x[:1], x[1:2]]]),
    "append": lambda x: da.append(x, x[:2], axis=0),
    "insert": lambda x: da.insert(x, 3, 7.0, axis=1),
    "delete": lambda x: da.delete(x, 3, axis=1),
    # computed
    "x + x[::-1]": lambda x: x + x[::-1],
    "x - its maximum": lambda x: x - x.max(axis=1, keepdims=True),
    "x @ x.T": lambda x: x @ x.T / 20,
    "tensordot": lambda x: da.tensordot(x, x, axes=(1, 1)) / 20,
    "einsum": lambda x: da.einsum("ij,kj->ik", x, x) / 20,
    "outer": lambda x: da.outer(x[0], x[:, 0]),
    "cumsum": lambda x: da.cumsum(x, axis=1),
    "diff": lambda x: da.diff(x, axis=1),
    "where": lambda x: da.where(x > 0, x, -x),
    "select": lambda x: da.select([x > 1, x < -1], [x, x + 1], default=0.5),
    "clip": lambda x: x.clip(-1, 1),
    "map_blocks": lambda x: x.map_blocks(np.sin),
    "map_blocks, with where": lambda x: x.map_blocks(
        lambda b, block_info=None: b + block_info[0]["chunk-location"][1], dtype=float
    ),
    "map_overlap": lambda x: x.map_overlap(lambda b: b + b.mean(), depth=1, boundary="reflect"),
    "blockwise with Delayed": lambda x: x.map_blocks(
        np.add, dask.delayed(1.5), dtype=float, meta=np.empty((0, 0))
    ),
    "apply_along_axis": lambda x: da.apply_along_axis(np.sort, 1, x, dtype=float, shape=(20,)),
    "gufunc": lambda x: da.apply_gufunc(
        lambda b: b - b.mean(-1, keepdims=True), "(i)->(i)", x.rechunk({1: -1}), output_dtypes=float
    ).rechunk((5, 7)),
    "topk": lambda x: da.topk(x, 9, axis=1).rechunk((5, 4)),
    "coarsen": lambda x: da.coarsen(np.mean, x.rechunk((4, 4)), {1: 2}),
    "fft": lambda x: abs(da.fft.fft(x.rechunk({1: -1}))).rechunk((5, 7)),
    "qr": lambda x: da.linalg.qr(x.rechunk((5, -1)).T.rechunk((5, -1)))[0].rechunk((5, 7)),
    "histogram": lambda x: da.histogram(x, bins=8, range=(-9, 9))[0].rechunk(3),
    "float16": lambda x: x.astype("f2")[:, 1:],
    "int64": lambda x: x.astype(int)[:, 1:],
    "bool": lambda x: (x > 0)[:, 1:],
    # results
    "softmax": lambda x: twopass.softmax(x, axis=0),
    "softmax of softmax": lambda x: twopass.softmax(twopass.softmax(x, axis=1), axis=0),
    "log_softmax": lambda x: twopass.log_softmax(x[:, 1:], axis=0) + 9,
    "logsumexp": lambda x: twopass.logsumexp(x, axis=1),
    "x * softmax": lambda x: x * twopass.softmax(x, axis=1),
}


def assigned(x):
    x = x.copy()
    x[x > 2] = 2
    x[1, 3:] = -1
    return x


@pytest.mark.parametrize("fuse", (None, False), ids=("fused", "not fused"))
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_arrays(kind, fuse):
    """Their tasks are renamed for the second reading, whatever the optimiser makes of them."""
    with dask.config.set({"optimization.fuse.active": fuse}):
        x = KINDS[kind](da.from_array(VALUES, chunks=(5, 7)))
        values = compute(x)
        got = {}
        for function, axis in itertools.product(FUNCTIONS, (-1, None)):
            got[function, axis] = getattr(twopass.dask, function)(x, axis)
        together = dask.compute(got, scheduler="synchronous")[0]
        for (function, axis), y in got.items():
            every = tuple(range(x.ndim)) if axis is None else axis
            assert_accurate(function, values.astype(y.dtype), compute(y), every)
            assert_same_bits(together[function, axis], compute(y))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("value", (np.nan, np.inf, -np.inf), ids=str)
@pytest.mark.parametrize("span", (slice(7, 8), slice(100, 200), slice(None)), ids=str)
def test_special_values(function, dtype, value, span):
    """In one element, in all of a chunk, everywhere; beside it a row without any."""
    x = hard("normal_3", 1000, dtype).reshape(2, 500).copy()
    x[0, span] = value
    got = getattr(twopass.dask, function)(da.from_array(x, chunks=(1, 100)), axis=1)
    want = getattr(twopass, function)(x, axis=1)
    np.testing.assert_allclose(compute(got), want, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("shape", ((0,), (0, 3), (3, 0), ()), ids=str)
def test_nothing_to_reduce(function, shape):
    x = da.zeros(shape, chunks=2)
    got = getattr(twopass.dask, function)(x, axis=-1)
    assert_same_bits(compute(got), getattr(twopass, function)(np.zeros(shape), axis=-1))


def test_unknown_chunk_sizes():
    x = hard("normal_3", 1000, "float64")
    chunked = da.from_array(x, chunks=100)
    got = twopass.dask.softmax(chunked[chunked > 0])
    assert math.isnan(got.shape[0])
    assert_accurate("softmax", x[x > 0], compute(got))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_integers(function):
    x = np.arange(20, dtype=np.int8)
    got = getattr(twopass.dask, function)(da.from_array(x, chunks=7))
    assert got.dtype == np.float64
    assert_accurate(function, x.astype(float), compute(got))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_schedulers(function, scheduler):
    x = hard("normal_3", N, "float32")
    got = getattr(twopass.dask, function)(da.from_array(x, chunks=SEGMENT))
    with dask.config.set({"multiprocessing.context": "spawn"}):
        result = np.asarray(got.compute(scheduler=scheduler, num_workers=2))
    assert_same_bits(result, getattr(twopass, function)(x))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numpys_functions_pass_dask_arrays_on(function):
    x = hard("normal_3", 3000, "float32").reshape(3, 1000)
    chunked = da.from_array(x, chunks=(2, 300))
    got = getattr(twopass, function)(chunked, axis=1)
    assert type(got) is da.Array
    assert_same_bits(compute(got), compute(getattr(twopass.dask, function)(chunked, 1)))
    refused = {"out": x} if function != "logsumexp" else {"b": x, "return_sign": True, "out": x}
    for option, value in refused.items():
        with pytest.raises(TypeError, match=f"{option} is not supported for Dask arrays"):
            getattr(twopass, function)(chunked, **{option: value})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_refused(function):
    call = getattr(twopass.dask, function)
    with pytest.raises(TypeError, match="ndarray"):
        call(np.zeros(3))
    for dtype in (complex, "g"):
        with pytest.raises(TypeError, match=f"dtype {np.dtype(dtype)} has no kernel: .* whole"):
            call(da.zeros(3, dtype=dtype))
    with pytest.raises(TypeError, match=r"MaskedArray: .*map_blocks"):
        call(da.ma.masked_less(da.zeros(3), 1))
    with pytest.raises(np.exceptions.AxisError):
        call(da.zeros(3), axis=1)
    with pytest.raises(ValueError, match="twice"):
        call(da.zeros((3, 3)), axis=(0, -2))


def counted(reads):
    """An array of 8 chunks that notes each chunk that is read."""
    lock = threading.Lock()

    def read(block_info=None):
        with lock:
            reads.append(block_info[None]["chunk-location"][0])
        return np.zeros(10)

    return da.map_blocks(read, chunks=((10,) * 8,), dtype=float, meta=np.empty(0))


class Reader:
    """Makes arrays of 40 chunks; counts what has been read and the most there was at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reads, self.live, self.peak = [], 0, 0

    def array(self, shape=(8, 400), chunks=(8, 10)):
        grid = da.core.normalize_chunks(chunks, shape)
        return da.map_blocks(self.read, chunks=grid, dtype=float, meta=np.empty((0, 0)))

    def read(self, block_info=None):
        chunk = np.zeros(block_info[None]["chunk-shape"])
        weakref.finalize(chunk, self.drop)
        with self.lock:
            self.reads.append(block_info[None]["chunk-location"])
            self.live += 1
            self.peak = max(self.peak, self.live)
        return chunk

    def drop(self):
        with self.lock:
            self.live -= 1


BEFORE = {
    "nothing": lambda x: x,
    "x[:, 1:]": lambda x: x[:, 1:],
    "x[:, ::2]": lambda x: x[:, ::2],
    "x[1:][:, 1:]": lambda x: x[1:][:, 1:],
    "x.T": lambda x: x.T,
    "flip": lambda x: da.flip(x, axis=1),
    "+": lambda x: (x + 1)[:, 1:] * 2,
    "concatenate": lambda x: da.concatenate([x, x + 1]),
    "softmax": lambda x: twopass.softmax(x[:, 1:], axis=0),
}


@pytest.mark.parametrize("scheduler", ("synchronous", "threads"))
@pytest.mark.parametrize("fuse", (None, False), ids=("fused", "not fused"))
@pytest.mark.parametrize("before", BEFORE)
def test_no_chunk_is_kept(before, fuse, scheduler):
    """Of 40 chunks there are never more than a few, whatever precedes the softmax."""
    reader = Reader()
    x = BEFORE[before](reader.array())
    y = twopass.softmax(x).sum(), twopass.log_softmax(x).sum()
    with dask.config.set({"optimization.fuse.active": fuse}):
        dask.compute(*y, scheduler=scheduler, num_workers=2)
    assert len(reader.reads) == 2 * 40
    assert reader.peak <= 8


def test_nothing_is_read_again_before_it_is_needed():
    """One chunk is slow: the other threads do not fill the memory while it is summed."""
    reader, done = Reader(), threading.Event()

    def slow(chunk, block_info=None):
        if block_info[0]["chunk-location"] == (0, 39) and not done.is_set():
            done.wait(1)
            done.set()
        return chunk

    x = reader.array().map_blocks(slow, dtype=float, meta=np.empty((0, 0)))
    twopass.softmax(x).sum().compute(scheduler="threads", num_workers=4)
    assert reader.peak <= 8


def test_some_rows_need_no_others():
    reader = Reader()
    y = twopass.softmax(reader.array((8, 40), (2, 10))[:, 1:], axis=1)
    compute(y[:2])
    assert sorted(reader.reads) == sorted(2 * [(0, j) for j in range(4)])


def test_softmax_and_log_softmax_share_their_reads():
    reads = []
    x = counted(reads)
    both = twopass.dask.softmax(x), twopass.dask.log_softmax(x)
    y, z = dask.compute(*both, scheduler="synchronous")
    assert sorted(reads) == sorted(2 * list(range(8)))
    np.testing.assert_allclose(np.exp(z), y, rtol=1e-15)


def test_softmax_of_softmax_keeps_no_chunk():
    """Four reads for the four passes over x: none waits for a sum that another one needs."""
    reads = []
    compute(twopass.dask.softmax(twopass.dask.softmax(counted(reads))))
    assert sorted(reads) == sorted(4 * list(range(8)))


def test_lazy_and_read_twice():
    """Nothing is read until it is asked for; then every chunk twice, as none is kept."""
    reads = []
    x = counted(reads)
    y = twopass.dask.softmax(x)
    assert not reads
    assert (compute(y) == 1 / 80).all()
    assert sorted(reads) == sorted(2 * list(range(8)))
    reads.clear()
    compute(twopass.dask.logsumexp(x))
    assert sorted(reads) == list(range(8))


def test_what_is_persisted_is_not_computed_again():
    reads = []
    x = da.map_blocks(lambda: reads.append(1) or np.zeros(5), chunks=((5,) * 4,), dtype=float)
    kept = x.persist(scheduler="synchronous")
    reads.clear()
    compute(twopass.dask.softmax(kept))
    assert not reads


def test_pairs_are_all_that_meets():
    """Between the tasks that read x there is a tree of states; its fan-in is bounded."""
    y = twopass.dask.softmax(da.zeros(1000, chunks=1))
    graph = dict(y.__dask_graph__())
    tree = [task for key, task in graph.items() if "aggregate" in key[0] or "partial" in key[0]]
    assert len(tree) == math.ceil(1000 / 16) + math.ceil(1000 / 256) + 1
    assert not any("rechunk" in key[0] for key in graph)
    assert pickle.loads(pickle.dumps(y)).shape == y.shape


def test_importing_twopass_does_not_import_dask():
    code = "import sys, twopass; twopass.softmax([1, 2.0]); sys.exit('dask' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.fixture
def client():
    """Two worker processes of one thread each."""
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "60s"}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")  # of the cluster, about ports
def test_cluster(client):
    x = hard("normal_3", N, "float32")
    chunked = da.from_array(x, chunks=SEGMENT)
    lazy = [getattr(twopass.dask, function)(chunked) for function in FUNCTIONS]
    for function, got in zip(FUNCTIONS, client.gather(client.compute(lazy)), strict=True):
        assert_same_bits(np.asarray(got), getattr(twopass, function)(x))


@pytest.mark.filterwarnings("ignore")  # of the cluster, about ports and restarts
def test_what_a_cluster_holds(client):
    """Futures are in no graph: they keep their names."""
    x = da.from_array(VALUES, chunks=(5, 7)).persist()
    for part in (x, x[:, 1:], da.concatenate([x + 1, x[:1]])):
        got, want = dask.compute(twopass.softmax(part, axis=1), part)
        assert_accurate("softmax", want, got)


def test_a_worker_killed_in_the_middle(client, tmp_path):
    """Half of the results are there when one of two worker processes is killed."""
    x = hard("normal_3", 8 * SEGMENT, "float32")
    chunked = da.from_array(x, chunks=SEGMENT)
    y = twopass.dask.softmax(chunked).map_blocks(
        write_slowly, str(tmp_path), dtype=np.float32, meta=np.empty(0, np.float32)
    )
    future = client.compute(y)
    while len(parts := list(tmp_path.glob("part-*"))) < 4:
        assert not future.done()
    victim = int(parts[0].name.split("-")[2])  # one that has something to lose
    os.kill(victim, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    result = future.result(timeout=120)
    client.wait_for_workers(2, timeout=60)
    assert victim not in client.run(os.getpid).values()
    blocks = [part.name.split("-")[1] for part in tmp_path.iterdir()]
    assert len(blocks) > len(set(blocks)) == 8, "nothing that the victim had was computed again"
    assert_same_bits(result, twopass.softmax(x))


def write_slowly(y, folder, block_id=None):
    """A chunk that others can see coming."""
    import time
    from pathlib import Path

    Path(folder, f"part-{block_id[0]}-{os.getpid()}").touch()
    time.sleep(0.2)
    return y
