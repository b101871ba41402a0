"""Importing twopass starts nothing, waits for nothing, writes nothing, and needs little."""

import json
import sys

import pytest
from child import copy_package, output, run

from twopass import _cpu
from twopass._detect import decode, detect
from twopass._targets import NAMES, choose

# numpy comes first, as only what twopass adds is on trial.
WATCHED = """
import sys, time, numpy

FORBIDDEN = (
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn",
    "os.spawn", "os.startfile", "_winapi.CreateProcess", "pty.spawn", "time.sleep",
    "socket.", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.chmod",
    "os.putenv", "os.unsetenv", "tempfile.",
)

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if writes or event.startswith(FORBIDDEN):
        sys.stderr.write(f"{event} {arguments}")
        sys.stderr.flush()
        import os
        os._exit(3)

time.sleep = lambda seconds: watch("time.sleep", seconds)
sys.addaudithook(watch)
"""
ACTIVE = "import twopass; print(twopass.active_target().name)"
HEAVY = (  # each costs milliseconds, or starts processes
    *("asyncio", "concurrent.futures", "cpuinfo", "importlib.metadata", "logging"),
    *("multiprocessing", "numpy.ma", "pathlib", "scipy", "subprocess", "twopass.bench"),
)
REPORT = """
import json, sys, twopass
from twopass._detect import detect
print(json.dumps([twopass.active_target().name, detect().source, sorted(detect().features)]))
"""


@pytest.fixture
def package(tmp_path):
    """A copy, as an editable install would start a compiler."""
    return copy_package(tmp_path).parent


def report(*folders, code=REPORT, path=None):
    name, source, features = json.loads(output(code, *folders, path=path))
    assert name == choose(detect()._replace(features=frozenset(features)), None, NAMES).name
    return source, features


def probed():
    """Return what must come out when the probe alone decides."""
    if _cpu.machine() == "x86_64":
        return ["probe", sorted(decode(_cpu.cpuid, _cpu.xcr0()).features)]
    return ["probe", sorted(detect().features)]


def test_import_is_quiet(package):
    report(package, code=WATCHED + REPORT)


@pytest.mark.parametrize(
    "deed",
    [
        "import subprocess; subprocess.run([sys.executable, '-V'])",
        "import os; os.system('true')",
        "time.sleep(0)",
        "open('written', 'w')",
    ],
)
def test_the_watch_is_awake(deed, tmp_path):
    done = run(WATCHED + f"import os; os.chdir({str(tmp_path)!r}); {deed}", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert list(tmp_path.iterdir()) == []


def test_import_starts_no_thread(package):
    code = f"import threading; {ACTIVE}; print(threading.active_count())"
    assert output(code, package).split() == [choose(detect(), None, NAMES).name, "1"]


def test_import_loads_nothing_heavy(package):
    code = (
        "import sys, numpy; before = set(sys.modules); import twopass;"
        f"print(*(set({HEAVY}) & (set(sys.modules) - before)))"
    )
    assert output(code, package) == ""


def test_import_takes_at_most_30_ms_over_numpy(tmp_path):
    """Of a CPU's time, once the bytecode is stored; at best, as machines have more to do."""
    code = f"""
import sys, time, numpy
sys.dont_write_bytecode, sys.pycache_prefix = False, {str(tmp_path)!r}
begin = time.process_time()
import twopass
print(time.process_time() - begin)
"""
    assert any(float(output(code)) < 0.03 for _ in range(20))


def test_without_proc(package):
    code = """
import builtins, io, os
def absent(path, *arguments, real=open, **options):
    if str(path).startswith("/proc"):
        raise FileNotFoundError(path)
    return real(path, *arguments, **options)
builtins.open = io.open = absent
"""
    assert list(report(package, code=code + REPORT)) == probed()


def test_without_a_path(package):
    report(package, path="")


# ---- py-cpuinfo in bad shape --------------------------------------------------------------------

# The parts that twopass asks for, saying what they are told to say.
ANSWER = """
class DataSource: pass
def _get_cpu_info_from_proc_cpuinfo():
    return {answer}
"""
CHILD_PROCESSES = """
import subprocess, sys
subprocess.run([sys.executable, "-V"])
"""
BROKEN = {
    "absent": None,
    "empty": "",
    "no Python": "def",
    "raises": "1 / 0",
    "exits": "raise ImportError('no cpuinfo here')",
    "answers nothing": ANSWER.format(answer=None),
    "answers nonsense": ANSWER.format(answer={"flags": 3, "family": "x"}),
    "raises when asked": ANSWER.format(answer="1 / 0"),
    "starts processes": CHILD_PROCESSES + ANSWER.format(answer={}),
    "py-cpuinfo2": "import datetime, io, shutil, subprocess, time\n" + ANSWER.format(answer={}),
    "another machine": ANSWER.format(
        answer={"vendor_id_raw": "A stranger", "family": 1, "model": 1, "flags": ["avx512f"]}
    ),
}


def cpuinfo(folder, text):
    """Put a package cpuinfo, made like py-cpuinfo, before the installed one."""
    package = folder / "cpuinfo"
    package.mkdir()
    package.joinpath("__init__.py").write_text("from cpuinfo.cpuinfo import *", encoding="utf-8")
    if text is not None:
        package.joinpath("cpuinfo.py").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("kind", BROKEN)
def test_the_probe_decides_without_pycpuinfo(kind, package):
    cpuinfo(package, BROKEN[kind])
    assert list(report(package, code=WATCHED + REPORT)) == probed()


@pytest.mark.skipif(sys.platform != "linux", reason="py-cpuinfo is asked on Linux alone")
def test_pycpuinfo_adds_no_feature(package):
    cpu = detect()
    everything = ["abm", "bmi1", "pni", "sse4_1", "sse4_2", *cpu.features, "avx2", "avx512f"]
    told = {
        "vendor_id_raw": cpu.vendor,
        "family": cpu.family,
        "model": cpu.model,
        "flags": [*everything, "asimd"],
    }
    cpuinfo(package, ANSWER.format(answer=told))
    source, features = report(package)
    assert [source, features] == ["py-cpuinfo+probe", probed()[1]]


def test_get_cpu_info_may_hang(package):
    """It is not called at import; show_config, which calls it, loses patience."""
    hanging = "import time\ndef get_cpu_info(): time.sleep(1e6)\n"
    cpuinfo(package, hanging)
    start = "import cpuinfo; cpuinfo.get_cpu_info()"
    (package / "cpuinfo" / "__main__.py").write_text(start, encoding="utf-8")
    code = """
import json, twopass, twopass._config as config
config._PATIENCE = 0.5
shown = twopass.show_config("dicts")
assert shown["py-cpuinfo"] == {}
assert shown["Active target"]["name"] == twopass.active_target().name
cpu = shown["CPU"]
print(json.dumps([shown["Active target"]["name"], cpu["source"], cpu["features"]]))
"""
    assert list(report(package, code=code)) == probed()


# ---- show_config --------------------------------------------------------------------------------

SHOW = "import twopass, twopass._config as config; config._pycpuinfo_section = dict;"


def test_show_config_prints():
    shown = output(SHOW + "twopass.show_config()")
    active = choose(detect(), None, NAMES)
    for text in (*NAMES, active.reason, detect().brand, "numpy", "cython", "compiler", "Threads"):
        assert text in shown


def test_show_config_returns_what_json_can_hold():
    code = "import json; print(json.dumps(twopass.show_config('dicts')))"
    shown = json.loads(output(SHOW + code))
    assert shown["Active target"]["name"] == choose(detect(), None, NAMES).name
    assert tuple(shown["Targets"]) == NAMES
    assert [name for name, row in shown["Targets"].items() if row["active"]] == [
        shown["Active target"]["name"]
    ]


def test_show_config_knows_its_modes():
    done = run(SHOW + "twopass.show_config('xml')")
    assert "ValueError: mode must be 'stdout' or 'dicts', not 'xml'" in done.stderr
