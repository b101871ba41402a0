"""The benchmark: its race, its record and its pictures, mostly on invented kernels."""

import io
import json
import struct

import numpy as np
import pytest

import twopass
from twopass import get_num_threads
from twopass._detect import Cpu, detect
from twopass._targets import NAMES, TABLE, settings
from twopass.bench import cases, timing
from twopass.bench.cases import Case, Ki, Mi
from twopass.bench.portability import portability
from twopass.bench.record import Record, write, write_json
from twopass.bench.run import AUTO, LIMIT, Measured, limit, run
from twopass.bench.timing import Contender, Result, race
from twopass.functions import ALGORITHMS

# matplotlib writes its font cache without an encoding, at its first import on a machine.
pytestmark = pytest.mark.filterwarnings("ignore::EncodingWarning:matplotlib.font_manager")

CPU = Cpu("x86_64", "GenuineIntel", 6, 85, "Invented CPU", frozenset({"avx2", "fma"}))


class Clock:
    """Stands still but for what `spend` adds."""

    def __init__(self):
        self.now = 0.0
        self.log = []

    def __call__(self):
        return self.now

    def spend(self, name, seconds):
        def call():
            self.log.append(name)
            self.now += seconds

        return Contender(name, call)


class FakeTarget:
    """Has the face of a target and of its probe; remembers the calls."""

    def __init__(self, name):
        self.name = name
        self.probe = self
        self.calls = []

    def softmax(self, x, axis, *, out, algorithm="auto", **beside):
        self.calls.append((algorithm, x.shape, axis, out.shape, get_num_threads()))

    log_softmax = logsumexp = softmax

    def limit(self, x, out):
        assert x.shape == out.shape
        assert x.dtype == out.dtype
        assert x.dtype in (np.float32, np.float64)
        self.calls.append(("limit", x.shape))

    def run_pass(self, name, x, out):
        self.calls.append((name, x.size))


def invented_record(function="softmax", targets=("skylake_x", "generic"), quick=True, shapes=False):
    """Return a record of numbers that look like a run: slower targets, algorithms, longer rows."""

    def seconds(case, rank):
        ns = 0.1 * (1 + 0.2 * rank) + 500 / case.size
        return tuple(ns * case.size * 1e-9 * (1 + wobble) for wobble in (0.02, 0, 0.1))

    def measure(case):
        names = [
            (name, target, t * 3 + a)
            for t, target in enumerate(targets)
            for a, name in enumerate((LIMIT, AUTO, *ALGORITHMS))
        ]
        names += [("scipy", "", 20), ("onnxruntime", "", 9)]
        return Measured(case, tuple(Result(n, t, 4, seconds(case, rank)) for n, t, rank in names))

    inputs = cases.row_cases(function, quick=quick)
    inputs += cases.shape_cases(function) if shapes else []
    measured = [measure(case) for case in inputs]
    return Record(function, quick, targets, ("scipy", "onnxruntime"), CPU, measured, complete=True)


# ---- timing


def test_race_visits_everybody_each_round_in_changing_order():
    clock = Clock()
    results = race(
        [clock.spend(name, 1.0) for name in "abcde"], rounds=6, min_seconds=0.5, clock=clock
    )
    timed = clock.log[10:]  # each one was warmed up and calibrated first
    rounds = ["".join(timed[i : i + 5]) for i in range(0, 30, 5)]
    assert ["".join(sorted(names)) for names in rounds] == ["abcde"] * 6
    assert len(set(rounds)) > 1
    assert [result.name for result in results] == list("abcde")
    assert all(result.rounds == (1.0,) * 6 for result in results)


def test_race_repeats_short_calls():
    clock = Clock()
    short, long = race(
        [clock.spend("short", 1e-4), clock.spend("long", 1.0)],
        rounds=2,
        min_seconds=1e-2,
        clock=clock,
    )
    assert (short.calls, long.calls) == (128, 1)
    assert short.best == pytest.approx(1e-4)


def test_race_starts_no_round_past_the_budget():
    clock = Clock()
    (result,) = race([clock.spend("slow", 1.0)], rounds=9, budget=4.5, clock=clock)
    assert len(result.rounds) == 3
    (result,) = race([clock.spend("slow", 1.0)], rounds=9, budget=0, clock=clock)
    assert len(result.rounds) == timing.MIN_ROUNDS


def test_race_ticks_once_a_step():
    clock, ticks = Clock(), []
    race([clock.spend(n, 1.0) for n in "ab"], rounds=3, tick=lambda: ticks.append(1), clock=clock)
    assert len(ticks) == 2 * (3 + 1)


def test_best_and_spread():
    result = Result("x", "", 1, (3.0, 2.0, 2.2))
    assert result.best == 2.0
    assert result.spread == pytest.approx(0.1)


# ---- cases


@pytest.mark.parametrize("quick", [True, False])
def test_rows_reach_from_the_cost_of_a_call_to_beyond_the_caches(quick):
    lengths = [case.size for case in cases.row_cases("softmax", quick=quick)]
    assert lengths == sorted(lengths)
    assert lengths[0] == 64
    assert lengths[-1] == (16 * Mi if quick else 64 * Mi)
    assert all(case.is_row for case in cases.row_cases("softmax", quick=quick))


def test_full_run_has_the_other_inputs(monkeypatch):
    monkeypatch.setattr(cases, "usable_cpus", lambda: 2)
    found = cases.shape_cases("softmax")
    assert not any(case.is_row for case in found)
    assert {case.dtype for case in found} == {"float32", "float64", "float16"}
    assert {(case.shape, case.axis) for case in found} > {
        *(((16384, 64), 1), ((4096, 1000), 1), ((256, 32000), 1)),
        *(((1000, 4096), 0), ((1000, 4096), 1), ((4096, 64), 0), ((4096, 64), 1)),
    }
    everything = cases.row_cases("softmax", quick=False) + found
    pairs = list(cases.comparisons(everything))
    assert {pair.reference for pair in pairs} <= set(everything)
    assert len(pairs) == 2 + 2 + 2  # columns, float16, two threads
    monkeypatch.setattr(cases, "usable_cpus", lambda: 1)
    assert all(case.threads == 1 for case in cases.shape_cases("softmax"))


@pytest.mark.parametrize(
    ("case", "label"),
    [
        (Case("softmax", (64 * Ki,)), "64 Ki"),
        (Case("softmax", (16 * Mi,), dtype="float64"), "16 Mi float64"),
        (Case("softmax", (4096, 1000), 1, threads=2), "(4096, 1000), 2 threads"),
        (Case("softmax", (4096, 64), 0), "(4096, 64) axis 0"),
        (Case("softmax", (8, 64), 1, operands="b row"), "(8, 64), b row"),
    ],
)
def test_label(case, label):
    assert case.label == label


@pytest.mark.parametrize("function", ["softmax", "logsumexp"])
def test_each_operand_is_judged_by_none(function):
    found = cases.operand_cases(function)
    assert {case.operands for case in found} == {
        *("", "scale, bias row"),
        *(cases.WEIGHTS if function == "logsumexp" else ()),
    }
    pairs = [pair for pair in cases.comparisons(found) if pair.case.operands]
    assert {pair.reference for pair in pairs} == {case for case in found if not case.operands}
    assert not any(case.is_row for case in found)
    assert all(case.axis for case in found if case.shape == (100_000, 10))


def test_arrays():
    x, out = Case("logsumexp", (7, 3), 1, "float16").arrays()
    assert (x.shape, out.shape) == ((7, 3), (7,))
    assert x.dtype == out.dtype == np.float16
    assert Case("softmax", (7, 3), 1).arrays()[1].shape == (7, 3)


def test_fits():
    assert cases.fits(Case("softmax", (64,)))
    if cases.os.path.exists("/proc/meminfo"):
        assert not cases.fits(Case("softmax", (1 << 60,)))


# ---- the metric


def test_portability_is_the_harmonic_mean():
    assert portability([0.5, 0.5]) == pytest.approx(0.5)
    assert portability([1.0, 0.25]) == pytest.approx(0.4)
    assert portability([0.9, None]) == 0.0
    assert portability([0.9, 0.0]) == 0.0
    with pytest.raises(ValueError, match="at least one platform"):
        portability([])


def test_portability_of_a_record_uses_the_limit_of_each_target():
    item = invented_record().measured[0]
    rows = Record.to_dict(invented_record())["portability"]
    value = next(row["value"] for row in rows if row["algorithm"] == "two_pass")
    shares = [item.ns(LIMIT, t) / item.ns("two_pass", t) for t in ("skylake_x", "generic")]
    assert value == pytest.approx(2 / sum(1 / share for share in shares))


# ---- runs


def test_run_measures_every_algorithm_on_every_target():
    targets, threads = [FakeTarget("one"), FakeTarget("two")], get_num_threads()
    (item,) = run([Case("softmax", (64,))], targets, [], rounds=2, budget=0)
    assert item.targets == ["one", "two"]
    assert item.algorithms("one") == [AUTO, *ALGORITHMS]
    assert item.has(LIMIT, "two")
    assert item.best_peer() is None
    assert set(targets[1].calls) == {
        *((name, (64,), 0, (64,), 1) for name in (AUTO, *ALGORITHMS)),
        ("limit", (64,)),
    }
    assert get_num_threads() == threads
    with pytest.raises(KeyError, match="not measured"):
        item.ns("scipy")


@pytest.mark.parametrize(
    ("case", "calls"),
    [
        (Case("softmax", (64,)), [("limit", (64,))]),
        (Case("softmax", (4, 16), 0, "float64"), [("limit", (16, 4))]),
        (Case("softmax", (64,), dtype="float16"), [("limit", (32,))]),
        (Case("softmax", (64,), threads=2), [("limit", (32,))] * 2),
        (Case("softmax", (4, 16), 1, threads=2), [("limit", (2, 16))] * 2),
        (Case("logsumexp", (8, 8), 1), [("max", 64)]),
    ],
)
def test_limit_moves_the_bytes_of_the_case(case, calls):
    target = FakeTarget("one")
    limit(target, case, *case.arrays())()
    assert target.calls == calls


@pytest.mark.parametrize(
    "case",
    [
        Case("softmax", (64,)),
        Case("log_softmax", (100, 64), 0, threads=2),
        Case("logsumexp", (16, 64), 1),
        Case("softmax", (128,), dtype="float16"),
        Case("softmax", (4, 128), 1, "float64"),
    ],
    ids=lambda case: f"{case.function} {case.label}",
)
def test_run_on_a_real_target(target, case):
    (item,) = run([case], [target], [], rounds=2, budget=0)
    assert item.targets == [target.name]
    assert item.algorithms(target.name) == [AUTO, *ALGORITHMS]
    assert all(item.ns(result.name, result.group) > 0 for result in item.results)


# ---- the record


def test_json_schema(tmp_path):
    path = tmp_path / "bench.json"
    write_json(path, invented_record(shapes=True).to_dict())
    document = json.loads(path.read_text(encoding="utf-8"))
    assert set(document) == {
        *("schema", "kind", "date", "function", "quick", "complete", "machine", "versions"),
        *("targets", "noise", "results", "portability"),
    }
    assert document["schema"] == 1
    assert document["machine"]["brand"] == "Invented CPU"
    assert document["machine"]["features"] == ["avx2", "fma"]
    assert document["versions"]["numpy"] == np.__version__
    assert document["noise"] == {"median": pytest.approx(0.02), "worst": pytest.approx(0.02)}
    result = document["results"][0]
    assert result["case"] == {
        "function": "softmax", "shape": [64], "axis": 0, "dtype": "float32", "threads": 1,
        "operands": "",
    }  # fmt: skip
    assert (result["target"], result["name"], result["calls"]) == ("skylake_x", LIMIT, 4)
    assert result["best_ns"] == min(result["rounds_ns"])
    assert {row["target"] for row in document["results"]} == {"skylake_x", "generic", None}


def test_write_leaves_the_old_file_when_it_fails(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old", encoding="ascii")

    def fails(temporary):
        temporary.write_text("half", encoding="ascii")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        write(path, fails)
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text(encoding="ascii") == "old"
    write(path, lambda temporary: temporary.write_text("new", encoding="ascii"))
    assert path.read_text(encoding="ascii") == "new"


# ---- the tables


@pytest.fixture
def printed():
    """Return a function that prints a record at some width and returns the text."""
    console_module = pytest.importorskip("rich.console")
    report = pytest.importorskip("twopass.bench.report")

    def print_record(record, width):
        console = console_module.Console(width=width, record=True, file=io.StringIO())
        report.print_report(console, record)
        return console.export_text()

    return print_record


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_tables_fit_the_terminal(printed, width):
    text = printed(invented_record(quick=False, shapes=True), width)
    assert max(map(len, text.splitlines())) <= width
    for word in (*ALGORITHMS, "scipy", "onnxruntime", "limit", "skylake_x", "generic", "64 Mi"):
        assert word in text


def test_tables_say_what_is_best(printed):
    record = invented_record()
    text = printed(record, 100)
    assert text.count("*  ") + text.count("* 1") >= len(record.measured)
    assert "Pennycook" in text
    assert "onnxruntime" in text
    assert "On skylake_x, 16 Mi takes 0.120 ns an element: 4.2x as fast as scipy" in text
    assert "Noise: a median round is 2.0% over the best one" in text


def test_tables_do_without_peers(printed):
    record = invented_record()
    record.peers = ()
    record.measured = [
        Measured(item.case, tuple(result for result in item.results if result.group))
        for item in record.measured
    ]
    assert "none" in printed(record, 80)


def test_worst_auto():
    report = pytest.importorskip("twopass.bench.report")
    results = (
        Result(AUTO, "t", 1, (3.0,)),
        Result("a", "t", 1, (2.0,)),
        Result("b", "t", 1, (4.0,)),
    )
    assert report.worst_auto([Measured(Case("softmax", (64,)), results)], "t") == (1.5, "64")


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.1234, 3, "0.123"), (0.03456, 3, "0.035"), (12.345, 3, "12.3"), (1234.5, 3, "1234"),
     (1.5678, 2, "1.57"), (0.5, 1, "0.5"), (0.0, 3, "0")],
)  # fmt: skip
def test_digits(value, decimals, text):
    report = pytest.importorskip("twopass.bench.report")
    assert report.digits(value, decimals) == text


# ---- the chart


@pytest.mark.parametrize(
    "targets", [("generic",), ("zen2", "generic"), ("skylake_x", "zen2", "broadwell", "generic")]
)
def test_chart_is_a_png_of_sensible_size(tmp_path, targets):
    plot = pytest.importorskip("twopass.bench.plot")
    path = tmp_path / "chart.png"
    plot.save_chart(invented_record(targets=targets, quick=False), path)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert 800 <= width <= 2000
    assert 600 <= height <= 2000
    assert [file.name for file in tmp_path.iterdir()] == ["chart.png"]


def test_chart_has_a_line_an_algorithm_and_marks_caches():
    plot = pytest.importorskip("twopass.bench.plot")
    figure = plot.chart(invented_record())
    assert [axes.get_title("left") for axes in figure.axes] == [
        "softmax on skylake_x",
        "softmax on generic",
    ]
    for axes in figure.axes:
        labels = {line.get_label() for line in axes.get_lines()}
        assert labels >= {AUTO, *ALGORITHMS, "scipy", "onnxruntime"}
        assert [text.get_text() for text in axes.texts] == ["L1", "L2", "last level"]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_chart_suffixes(tmp_path):
    plot = pytest.importorskip("twopass.bench.plot")
    assert {"png", "svg", "pdf"} <= set(plot.formats())
    path = tmp_path / "chart.svg"
    plot.save_chart(invented_record(function="logsumexp", targets=("generic",)), path)
    assert "<svg" in path.read_text(encoding="utf-8")


@pytest.fixture
def command():
    for package in ("matplotlib", "rich", "threadpoolctl"):
        pytest.importorskip(package)
    from twopass.bench import command

    return command


def test_a_case_is_measured_again_where_auto_lags(command):
    case, lags = Case("softmax", (64,)), iter([2.0, 1.0])

    def race():
        results = Result(AUTO, "t", 1, (next(lags),)), Result("two_pass", "t", 1, (1.0,))
        yield Measured(case, results)

    item = command._until_sure(race)
    assert item.results[0].rounds == (2.0, 1.0)
    assert item.lag("t") == 1


def test_interrupted_run_keeps_what_is_complete(tmp_path, monkeypatch, capsys, command):
    target = FakeTarget("generic")
    sizes = [Case("softmax", (n,)) for n in (64, 256, 1024)]
    monkeypatch.setattr(command, "row_cases", lambda function, quick: sizes)
    monkeypatch.setattr(command.peers, "installed", list)

    def softmax(x, **options):
        if x.size == 1024:
            raise KeyboardInterrupt

    target.softmax = softmax
    paths = {"plot_path": tmp_path / "a.png", "json_path": tmp_path / "a.json"}
    assert command.bench([target], "softmax", quick=True, **paths) == command.INTERRUPTED
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert document["complete"] is False
    assert {row["size"] for row in document["results"]} == {64, 256}
    assert (tmp_path / "a.png").exists()
    assert "2 of 3 inputs were measured" in capsys.readouterr().err

    monkeypatch.setattr(command, "row_cases", lambda function, quick: sizes[2:])
    (tmp_path / "a.png").unlink()
    assert command.bench([target], "softmax", quick=True, **paths) == command.INTERRUPTED
    assert not (tmp_path / "a.png").exists()


def test_crossing_is_where_the_newcomer_is_faster_for_good():
    from twopass.bench.tune import crossing

    old = {16: 1.0, 64: 1.0, 256: 1.0}
    assert crossing(old, {16: 0.5, 64: 2.0, 256: 0.5}) == 128
    assert crossing(old, {16: 0.5, 64: 0.5, 256: 0.99}) == float("inf")  # within the margin
    assert crossing(old, {16: 0.5, 64: 0.5, 256: 0.5}) == 16


def test_tune_prints_rows_that_configure_takes(monkeypatch, capsys):
    from twopass import _cli
    from twopass.bench import tune

    monkeypatch.setattr(tune, "LENGTHS", (Ki, 2 * Ki))
    target = twopass.active_target()
    assert _cli.main(["tune", "--target", target.name]) == 0
    name, _, found = capsys.readouterr().out.partition(", ..., tuning=")
    assert name == f'Row("{target.name}"'
    usual = settings(TABLE[NAMES.index(target.name)], detect())
    try:
        target.module.configure(**usual | eval(found.strip().removesuffix(")"), {"inf": np.inf}))
    finally:
        target.module.configure(**usual)
