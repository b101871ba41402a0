"""The first call of a process, of each kind: it imports nothing, and a fork finds no point to harm.

Each runs in a process of its own in which twopass has been imported and nothing has been called.
"""

import os

import pytest
from child import RUNNABLE, output

import twopass

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

START = """
import atexit, os, pickle, signal, sys, threading, time
import numpy as np, twopass
from twopass import active_target, get_num_threads, set_num_threads, targets
from twopass import apply, finish, merge, pair_sum
from twopass import log_softmax, logsumexp, softmax

x, square = np.arange(6.0), np.arange(12.0).reshape(3, 4)
big = np.cos(np.arange(2_000_000)).astype(np.float32)

def said(call):
    try:
        result = eval(call)
    except Exception as error:
        return type(error).__name__
    data = result.tobytes()[:64].hex() if hasattr(result, "tobytes") else repr(result)
    return f"{type(result).__name__}={data}"
"""
CALLS = {
    "list": "softmax([1.0, 2.0])",
    "number": "log_softmax(1.0)",
    "integers": "softmax(np.arange(3))",
    "bool": "logsumexp([True, False])",
    "small": "softmax(x)",
    "nothing": "softmax(x[:0])",
    "float16": "softmax(x.astype(np.float16))",
    "other byte order": "softmax(x.astype('>f8'))",
    "strided": "log_softmax(x[::-2])",
    "several axes": "softmax(square.T, axis=(0, 1))",
    "long row": "softmax(big, threads=4)",
    "long row, usual threads": "log_softmax(big)",
    "rows": "logsumexp(big.reshape(-1, 100), axis=1, threads=4)",
    "columns": "softmax(big.reshape(-1, 100), axis=0, threads=3)",
    "in place": "softmax(big, out=big.copy(), threads=2)",
    "out": "softmax(x, out=np.empty(6))",
    "strided out": "softmax(x, out=np.empty(12)[::2])",
    "matrix out": "softmax(square, out=np.empty((3, 4)).view(np.matrix))",
    "keepdims": "logsumexp(square, axis=1, keepdims=True)",
    "weights": "logsumexp(x, b=x)",
    "weight": "logsumexp(x, b=2)",
    "sign": "logsumexp(x, b=-x, return_sign=True)",
    "longdouble": "softmax(x.astype(np.longdouble)).astype(float)",
    "complex": "log_softmax(x + 1j)",
    "complex weights": "logsumexp(x + 1j, b=1j, return_sign=True)",
    "masked": "softmax(masked)",
    "masked out": "softmax(x, out=masked)",
    "memmap out": "softmax(x, out=memmap)",
    "text": "softmax('a')",
    "object": "softmax([1, None])",
    "wrong axis": "softmax(x, axis=5)",
    "wrong algorithm": "softmax([1.0], algorithm='slow')",
    "wrong out": "softmax(x, out=x[:1])",
    "pair_sum": "pair_sum(x)",
    "parts of a pair": "pair_sum(x).hi + pair_sum(x).shift",
    "merge": "finish(merge(pair_sum(x), pair_sum(x)))",
    "merge with shifts": "finish(merge(pair_sum(x[:1] + 1e14), pair_sum(x[:1] + 1e14 + 4)))",
    "finish": "finish(pair_sum(square, axis=0), keepdims=True)",
    "apply": "apply(square, pair_sum(square, axis=1), 'log_softmax')",
    "threads": "get_num_threads()",
    "set threads": "set_num_threads(3)",
    "targets": "targets()",
    "active target": "active_target()",
    "its function": "active_target().softmax([1.0, 2.0])",
    "pickling": "pickle.loads(pickle.dumps(softmax)) is softmax",
}
PREPARATIONS = {  # what brings modules along by itself
    "masked": "masked = np.ma.array(x)",
    "masked out": "masked = np.ma.array(x)",
    "memmap out": (
        "import tempfile; file = tempfile.TemporaryFile();"
        "memmap = np.memmap(file, float, 'w+', shape=(6,))"
    ),
}

each_call = pytest.mark.parametrize("name", CALLS)


def child(name: str, code: str) -> list[str]:
    """Run code that says what the call returned, again and again; return all it has said."""
    start = f"{START}\n{PREPARATIONS.get(name, '')}\ncall = {(CALLS | ASKING)[name]!r}\n"
    quiet = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n"
    return output(quiet + start + code, TWOPASS_TARGET=twopass.active_target().name).splitlines()


@pytest.fixture(scope="session")
def usual():
    """What each call returns where it is not the first."""
    code = f"{START}\n{chr(10).join(PREPARATIONS.values())}\nfor call in {[*CALLS.values()]}:"
    code += "\n    said(call); print(said(call))"
    lines = output(code, TWOPASS_TARGET=twopass.active_target().name).splitlines()
    return dict(zip(CALLS, lines, strict=True))


FORK_AT_EACH_LINE = """
busy, here, forked = False, threading.Semaphore(0), threading.Event()

def pause(*_):
    "Let the main thread fork now; if the fork has to wait, go on."
    global busy
    if not busy:
        busy = True
        forked.clear()
        here.release()
        forked.wait(0.2)
    return pause

def first():
    sys.settrace(pause)
    results.append(said(call))
    sys.settrace(None)

results, codes, want = [], [], {want!r}
thread = threading.Thread(target=first)
thread.start()
while not any(codes) and (thread.is_alive() or busy):
    if here.acquire(timeout=0.1):
        pid = os.fork()
        if not pid:
            signal.alarm(10)  # a child that hangs is killed
            os._exit(0 if said(call) == want else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        busy = False
        forked.set()
thread.join()
print(len(codes) > 5, set(codes), results == [want])
"""


@needs_fork
@each_call
def test_forks_at_every_line_of_a_first_call(name, usual):
    """Of twopass, NumPy, the standard library and its import system: the child makes that call."""
    assert child(name, FORK_AT_EACH_LINE.replace("{want!r}", repr(usual[name]))) == [
        "True {0} True"
    ]


@each_call
def test_first_calls_by_many_threads_at_once_import_nothing(name, usual):
    code = """
barrier, results, before = threading.Barrier(8), [], set(sys.modules)
def work():
    barrier.wait()
    results.append(said(call))
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(results), *set(results), *(set(sys.modules) - before))
"""
    assert child(name, code) == [f"8 {usual[name]}"]


@each_call
def test_a_first_call_at_exit(name, usual):
    assert child(name, "atexit.register(lambda: print(said(call)))") == [usual[name]]


# ---- Imports that a call itself asks for --------------------------------------------------------

ASKING = {
    **{
        f"target {name}": f"targets()[{name!r}].softmax([1.0, 2.0])"
        for name in RUNNABLE
        if name != twopass.active_target().name
    },
    "Dask": "softmax(lazy).shape",
    "version": "twopass.__version__",
}
PREPARATIONS["Dask"] = "import dask.array; lazy = dask.array.ones(4, chunks=2)"
FORK_DURING_AN_IMPORT = """
class Stalls:
    def find_spec(self, *_):
        begun.set()
        time.sleep(0.01)

begun, results = threading.Event(), []
sys.meta_path.insert(0, Stalls())
thread = threading.Thread(target=lambda: results.append(said(call)))
thread.start()
begun.wait()
pid = os.fork()
if not pid:
    signal.alarm(30)
    print(said(call), flush=True)
    os._exit(0)
os.waitpid(pid, 0)
thread.join()
print(*results)
"""


@needs_fork
@pytest.mark.parametrize("name", ASKING)
def test_a_fork_waits_for_an_import(name):
    if name == "Dask":
        pytest.importorskip("dask.array")
    (want,) = child(name, "print(said(call))")
    assert child(name, FORK_DURING_AN_IMPORT) == [want, want]
