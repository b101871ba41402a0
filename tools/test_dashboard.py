"""Prove the dashboard: Chromium draws every view without a network, and a planted slowdown shows.

Run by `tox -e dashboard-proof`. Nothing is timed: the numbers are synthesised, in asv's own files,
for a repository of nine commits, the last three of which have one combination 1.3 times slower.
"""

import functools
import http.server
import itertools
import json
import re
import shutil
import subprocess
import threading
import urllib.parse
from html import unescape
from pathlib import Path

import dashboard
import pytest
from asv import util
from asv.benchmarks import Benchmarks
from asv.config import Config
from asv.machine import Machine
from asv.results import Results
from asv.runner import BenchmarkResult
from asv_results import MACHINE

ROOT = Path(__file__).parents[1]
COMMITS, SLOW, FACTOR = 9, 3, 1.3
TARGETS = ["skylake_x", "broadwell", "zen2", "generic"]
PARAMETERS = {
    "target": TARGETS,
    "algorithm": ["auto", "two_pass", "three_pass_reload", "scipy", "limit"],
    "dtype": ["float32"],
    "shape": ["4Ki", "16Mi"],
}
NAMES = ["functions.Softmax.time_softmax", "functions.LogSoftmax.time_log_softmax"]
PLANTED = NAMES[0], ("'zen2'", "'two_pass'", "'float32'", "'16Mi'")

# Looks into the page as a script beside it may: what it says, and what its graph holds.
PROBE = """<!doctype html><meta charset=utf-8><iframe width=1200 height=900></iframe><pre></pre>
<script>
const frame = document.querySelector("iframe")
frame.src = decodeURIComponent(location.search.slice(1))
setTimeout(() => {
  const page = frame.contentWindow
  const plot = page.$ && page.$("#main-graph").data("plot")
  const series = plot ? plot.getData() : []
  document.querySelector("pre").textContent = JSON.stringify({
    text: page.document.body.innerText,
    ticks: series.length ? series[0].xaxis.ticks.map(tick => tick.label) : [],
    lines: series.filter(line => line.lines.show).map(line => line.data.length),
    bars: series.filter(line => line.bars.show).map(line => line.data.length),
  })
}, 8000)
</script>
"""

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(not BROWSER, reason="Chromium is not installed"),
    pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The published page of the synthesised history."""
    folder = tmp_path_factory.mktemp("synthesised")
    shutil.copy(ROOT / "asv.conf.json", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        record(history())
        page = folder / dashboard.publish()
    (page / "probe.html").write_text(PROBE)
    return page


def history() -> list[str]:
    """Make commits that change nothing, and return them, the oldest first."""
    git("init", "--quiet")
    for number in range(COMMITS):
        message = ("--allow-empty", "--quiet", "--message", f"synthesised {number}")
        date = f"{1_700_000_000 + 86_400 * number} +0000"
        git("commit", *message, "--date", date)
    return git("log", "--reverse", "--format=%H").split()


def git(*arguments: str) -> str:
    identity = ("-c", "user.name=proof", "-c", "user.email=proof@localhost")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def record(commits: list[str]) -> None:
    """Write what `asv run` would have: benchmarks, machine, and a file for each commit."""
    conf = Config.load("asv.conf.json")
    parameters = [[repr(value) for value in values] for values in PARAMETERS.values()]
    suite = [benchmark(name, parameters) for name in NAMES]
    Path(conf.results_dir, MACHINE).mkdir(parents=True)
    Benchmarks(conf, suite).save()
    machine = {"machine": MACHINE, "arch": "", "cpu": "", "num_cpu": "", "os": "", "ram": ""}
    util.write_json(f"{conf.results_dir}/{MACHINE}/machine.json", machine, Machine.api_version)
    for number, commit in enumerate(commits):
        date = 1000 * (1_700_000_000 + 86_400 * number)
        results = Results({**machine, "python": ""}, {}, commit, date, "", "synthesised", {})
        for row in suite:
            results.add_result(row, numbers(row, number))
        results.save(conf.results_dir)


def benchmark(name: str, parameters: list[list[str]]) -> dict:
    common = {"type": "time", "unit": "seconds", "version": "1", "code": "synthesised"}
    return {"name": name, "params": parameters, "param_names": list(PARAMETERS), **common}


def numbers(row: dict, commit: int) -> BenchmarkResult:
    """Return times within a percent of each other, but for what is planted."""
    times = []
    for place, combination in enumerate(itertools.product(*row["params"])):
        planted = (row["name"], combination) == PLANTED and commit >= COMMITS - SLOW
        wobble = 1 + 0.01 * ((7 * commit + 3 * place) % 5 - 2) / 2
        times.append((3 + place) * 1e-10 * wobble * (FACTOR if planted else 1))
    nothing = [None] * len(times)
    return BenchmarkResult(times, nothing, nothing, 0, "", None)


@pytest.fixture(scope="module")
def address(site) -> str:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def look(address, tmp_path):
    """Return a function that opens a view of the page and returns what the probe found there."""

    def open_view(view: str) -> dict:
        found = browse(f"{address}/probe.html?{urllib.parse.quote(view, safe='')}", tmp_path)
        return json.loads(unescape(re.search(r"<pre>(.*?)</pre>", found, re.DOTALL)[1]))

    return open_view


def browse(address: str, profile: Path) -> str:
    """Return the document of an address, from a browser that reaches this computer alone."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    alone = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    task = (f"--user-data-dir={profile}", "--virtual-time-budget=20000", "--dump-dom", address)
    done = subprocess.run(
        [BROWSER, *options, *quiet, alone, *task], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def graph(**choice: str) -> str:
    shown = {"p-algorithm": "'two_pass'", "p-dtype": "'float32'", "p-shape": "'16Mi'"}
    return f"index.html#{NAMES[0]}?{urllib.parse.urlencode({**shown, **choice})}"


def test_the_summary_names_the_benchmarks(look):
    text = look("index.html")["text"]
    assert "Softmax.time_softmax" in text
    assert "LogSoftmax.time_log_softmax" in text


def test_history_has_a_line_for_each_target(look):
    view = look(graph())
    assert view["lines"] == [COMMITS] * len(TARGETS)


def test_bars_stand_over_the_targets(look):
    view = look(graph(**{"x-axis": "target"}))
    assert view["bars"]
    assert all(target in " ".join(view["ticks"]) for target in TARGETS)


def test_the_planted_slowdown_alone_is_a_regression(site, look):
    name, combination = PLANTED
    regressions = json.loads((site / "regressions.json").read_text())["regressions"]
    assert [entry[0] for entry in regressions] == [f"{name}({', '.join(combination)})"]
    text = look("index.html#regressions")["text"]
    assert re.findall(r"\w+\.time_\w+\(.*?\)", text) == [
        f"Softmax.time_softmax({', '.join(combination)})"
    ]


def test_targets_and_algorithms_are_compared(address, tmp_path):
    page = browse(f"{address}/comparison.html", tmp_path)
    assert all(target in page for target in TARGETS)
    assert "softmax, float32, 16Mi" in page
    assert all(re.search(rf"\d\.\d\d {ratio}", page) for ratio in ("limit", "target", "algorithm"))
