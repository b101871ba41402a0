"""Dask arrays: any chunks, any scheduler; NumPy's bits where chunks end at segments."""

import math
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from oracle import DTYPES, FUNCTIONS, SEGMENT, assert_accurate, assert_same_bits, hard

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
    if function != "logsumexp":
        assert got.chunks == chunked.chunks
    else:
        kept = twopass.dask.logsumexp(chunked, axis, keepdims=True)
        assert kept.shape == twopass.logsumexp(x, axis, keepdims=True).shape
        assert compute(kept).shape == kept.shape


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
    with pytest.raises(TypeError, match="complex128"):
        call(da.zeros(3, dtype=complex))
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
