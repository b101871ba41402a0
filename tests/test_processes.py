"""Threads, forks, interrupts, exits and shortages of memory: no call hangs, crashes or goes wrong.

What may hang or die does so in a child process.
"""

import mmap
import os
import sys
import threading

import numpy as np
import pytest
from child import output
from oracle import DTYPES, FUNCTIONS, assert_same_bits, call, hard

import twopass
from twopass import _threads

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits of memory")

# A large call on threads and its right answer, for the children.
START = """
import os, signal, sys, threading, time
import numpy as np, twopass
from twopass import _threads

x = np.cos(np.arange(2_000_000)).astype(np.float32)
want = twopass.softmax(x, threads=1).tobytes()

def right(threads=4):
    return twopass.softmax(x, threads=threads).tobytes() == want

def fork_and_call():
    pid = os.fork()
    if not pid:
        signal.alarm(60)  # a child that hangs is killed
        os._exit(0 if right() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def child(code: str, **variables: str) -> str:
    return output("import warnings; warnings.simplefilter('ignore')" + START + code, **variables)


# ---- Forks, spawns, exits -----------------------------------------------------------------------


@needs_fork
def test_fork_after_a_call_on_threads():
    assert child("right(); print(fork_and_call(), fork_and_call(), right())") == "0 0 True"


FORK_DURING_CALLS = """
ends, wrong = threading.Event(), []
def work():
    while not ends.is_set():
        right() or wrong.append(1)
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers: worker.start()
codes = {fork_and_call() for _ in range(20)}
ends.set()
for worker in workers: worker.join()
print(codes, wrong, right())
"""


@needs_fork
def test_fork_during_calls_on_threads():
    assert child("right()" + FORK_DURING_CALLS) == "{0} [] True"


@needs_fork
def test_fork_during_first_calls_on_threads():
    assert child(FORK_DURING_CALLS) == "{0} [] True"


@needs_fork
def test_fork_while_helpers_are_being_started():
    """The child inherits a locked lock."""
    assert child("_threads._lock.acquire(); print(fork_and_call())") == "0"


def test_spawned_processes():
    code = """
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
if __name__ == "__main__":
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        results = pool.map(twopass.softmax, [x, x[:1000]])
        print([y.tobytes() == twopass.softmax(s).tobytes() for y, s in zip(results, [x, x[:1000]])])
"""
    assert child(code) == "[True, True]"


def test_exit_with_helpers_and_with_calls_under_way():
    code = """
import atexit
atexit.register(lambda: print(right()))
def work():
    while True: right()
for _ in range(3): threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""
    assert child(code) == "True"


# ---- Many threads -------------------------------------------------------------------------------


def in_threads(count, work):
    """Run `work` in so many threads at once; return what they raised."""
    errors, barrier = [], threading.Barrier(count)

    def follow():
        try:
            barrier.wait()
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=follow) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def test_thirty_two_threads_on_one_array(target):
    """Long rows, batches, columns and short rows, on helpers and without, all at once."""
    x = hard("normal_3", 600_000, "float32")
    cases = [(x, 0), (x.reshape(6, -1), 1), (x.reshape(-1, 600), 0), (x[:100], 0)]
    want = {(f, i): call(target, f, *case) for f in FUNCTIONS for i, case in enumerate(cases)}

    def work():
        for threads in (None, 1, 3, 8):
            for f, i in want:
                got = call(target, f, *cases[i], threads=threads)
                assert_same_bits(got, want[f, i], f"{f} {cases[i][0].shape}")

    assert in_threads(32, work) == []


def test_first_calls_at_the_same_time():
    """Importing, choosing, loading other targets and starting helpers, by 16 threads at once."""
    code = """
import sys, threading
wrong, barrier = [], threading.Barrier(16)
def work():
    barrier.wait()
    import numpy as np, twopass
    x = np.cos(np.arange(1_000_000)).astype(np.float32)
    for target in twopass.targets().values():
        if not target.obstacle:
            y = target.softmax(x, threads=4)
            if abs(y.sum(dtype=float) - 1) > 1e-6: wrong.append(target)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(wrong)
"""
    assert output(code) == "[]"


def test_helpers_that_cannot_start(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    x = hard("normal_3", 1_000_000, "float32")
    want = twopass.softmax(x, threads=1)
    monkeypatch.setattr(_threads, "_helpers", 0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert_same_bits(twopass.softmax(x, threads=4), want)
    assert_same_bits(twopass.softmax(x, threads=4), want)


def test_an_error_in_a_helper_reaches_the_caller():
    code = """
def task(number):
    time.sleep(0.01)
    if threading.current_thread() is not threading.main_thread():
        raise MemoryError("no space")
    return number
try:
    _threads._work(3, task, [(number,) for number in range(9)])
except MemoryError as error:
    print(error, right())
"""
    assert child(code) == "no space True"


def test_a_call_leaves_no_array_behind():
    """An idle helper holds nothing of its last call."""
    code = """
import gc, weakref
gc.disable()
out = np.empty_like(x)
died = []
weakref.finalize(out, died.append, 1)
twopass.softmax(x, out=out, threads=4)
del out
time.sleep(0.1)
print(died)
"""
    assert child(code) == "[1]"


# ---- Shortage of memory -------------------------------------------------------------------------

# What may still be allocated: some MiB more than there is now.
LIMIT = """
import resource
def allow(mib):
    pages = int(open("/proc/self/statm").read().split()[0])
    size = pages * resource.getpagesize() + (mib << 20)
    resource.setrlimit(resource.RLIMIT_AS, (size, -1))
"""


@needs_limits
def test_no_memory_for_the_stacks_of_threads():
    code = """
out = np.empty_like(x)
threading.stack_size(256 << 20)
allow(100)
twopass.softmax(x, out=out, threads=4)
print(out.tobytes() == want, threading.active_count())
"""
    assert child(LIMIT + code) == "True 1"


@needs_limits
@pytest.mark.parametrize("shape", ("(1 << 26,)", "(64, 1 << 20)", "(1 << 20, 64)"))
def test_memory_error_leaves_nothing_broken(shape):
    code = f"""
big = np.zeros({shape}, np.float32)
right()
allow(64)
for axis in range(big.ndim):
    for threads in (1, 4):
        try:
            twopass.softmax(big, axis=axis, threads=threads)
        except MemoryError:
            print("MemoryError", end=" ")
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(right(), big.any())
"""
    said = child(LIMIT + code).split()
    assert said == ["MemoryError"] * (len(said) - 2) + ["True", "False"]
    assert len(said) >= 4


# ---- Interrupts ---------------------------------------------------------------------------------

# Rows without memory of their own, that take many seconds.
LONG = {
    "one row": "np.broadcast_to(np.float32(0), (1 << 36,)), 0",
    "rows": "np.broadcast_to(np.zeros(4_000_000, np.float32), (20_000, 4_000_000)), 1",
    "short rows": "np.broadcast_to(np.zeros(1000, np.float32), (50_000_000, 1000)), 1",
}


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("threads", (1, 4))
@pytest.mark.parametrize("kind", LONG)
def test_ctrl_c_ends_a_long_call(kind, threads):
    """Within 100 ms, the best of three as machines pause; and the next call is right."""
    # A shell's background job starts with SIGINT ignored, and all its children with it.
    code = f"""
signal.signal(signal.SIGINT, signal.default_int_handler)
sent = 0
def interrupt():
    global sent
    time.sleep(0.3)
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
delays = []
for _ in range(3):
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        twopass.logsumexp({LONG[kind]}, threads={threads})
    except KeyboardInterrupt:
        delays.append(time.perf_counter() - sent)
    thread.join()
print(len(delays), right(), min(delays))
"""
    interrupted, right, delay = child(code).split()
    assert (interrupted, right) == ("3", "True")
    assert float(delay) < 0.1


# ---- More than 2^31 elements --------------------------------------------------------------------


def room(nbytes: int) -> int:
    with open("/proc/meminfo", encoding="ascii") as file:
        available = next(line for line in file if line.startswith("MemAvailable"))
    return int(available.split()[1]) * 1024 - nbytes


NORESERVE = 0x4000  # Linux: MAP_NORESERVE, which Python's mmap names from 3.13 on


def zeros(n: int, dtype: str) -> np.ndarray:
    """An array that has no memory until it is written to."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE
    size = n * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, size, flags=flags), dtype, n)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs MAP_NORESERVE")
def test_more_than_two_to_the_31_elements():
    n = 2**31 + 70_001
    if room(6 << 30) < 0:
        pytest.skip("needs 6 GiB of memory")
    x = zeros(n, "float16")
    places = [0, 5, 2**30, 2**31 - 1, 2**31, n - 1]
    x[places] = 12
    total = n - len(places) + len(places) * np.exp(12.0)
    assert abs(float(twopass.logsumexp(x)) - np.log(total)) < 0.01
    pairs = x[: n - 1].reshape(-1, 2)
    want = np.log((n - 1) // 2 + np.exp(12.0) * np.array([2, 2]))
    np.testing.assert_allclose(twopass.logsumexp(pairs, axis=0), want, atol=0.01)
    twopass.softmax(x, out=x)
    np.testing.assert_allclose(x[places].astype(float), np.exp(12.0) / total, rtol=1e-3)
    x[places] = 0
    assert not x.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_offsets_beyond_32_bits(target, dtype):
    """Strides whose products need 64 bits, in both directions, without the memory between."""
    if sys.platform != "linux":
        pytest.skip("needs MAP_NORESERVE")
    height, width = 5, 3 * 2**30 // np.dtype(dtype).itemsize
    x = zeros(height * width, dtype).reshape(height, width)[:, width - 1000 :]
    x[...] = hard("normal_3", x.size, dtype).reshape(x.shape)
    for function in FUNCTIONS:
        for view in (x, x[::-1], x.T):
            for axis in (0, 1):
                got = call(target, function, view, axis)
                want = call(target, function, np.ascontiguousarray(view), axis)
                assert_same_bits(np.ascontiguousarray(got), want, f"{function} axis {axis}")
