"""The peers: what each one computes, and a new one, added as docs/contributing.md says."""

import re
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import test_bench
import test_paper
from child import output

from twopass.bench import peer as peer_module
from twopass.bench import peers
from twopass.bench.cases import OPERANDS, WEIGHTS, Case
from twopass.bench.peer import Peer
from twopass.bench.run import AUTO, Measured, contenders
from twopass.bench.timing import Result
from twopass.functions import DTYPES, NAMES

pytestmark = test_bench.pytestmark


@pytest.mark.parametrize("name", peers.PEERS)
@pytest.mark.parametrize("function", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((300,), 0), ((7, 40), 1), ((40, 7), 0)])
def test_peer_computes_the_function(name, function, dtype, shape, axis):
    pytest.importorskip(name)
    special = pytest.importorskip("scipy.special")
    peer = peers.PEERS[name]
    if not peer.offers(function, dtype):
        pytest.skip(f"{name} does not compute it")
    case = Case(function, shape, axis, dtype)
    x, out = case.arrays()
    result = peer.answer(case, x, out)
    expected = getattr(special, function)(x.astype(np.float64), axis=axis)
    assert (result.dtype, result.shape) == (out.dtype, out.shape)
    tolerance = 8 * float(np.finfo(dtype).eps) * max(1, np.abs(expected).max())
    np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("function", NAMES)
@pytest.mark.parametrize("operands", OPERANDS)
@pytest.mark.parametrize("axis", [0, 1])
def test_scipy_does_the_same_with_operands(target, function, operands, axis):
    pytest.importorskip("scipy.special")
    case = Case(function, (30, 40), axis, "float64", operands=operands)
    if operands in WEIGHTS and not case.reduces:
        pytest.skip("takes no weights")
    x, out = case.arrays()
    expected = getattr(target, function)(x, axis, **case.beside())
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(peers.PEERS["scipy"].call(case, x, out)(), expected, rtol=1e-11)


def test_a_peer_without_operands_is_left_out(monkeypatch):
    peer = Peer("plain", {"softmax": lambda *case: pytest.fail("called")}, {})
    case = Case("softmax", (8, 8), 1, operands="scale, bias row")
    assert left_out(peer, case, monkeypatch) == [("plain", "plain is not measured with operands")]


@pytest.mark.parametrize("name", ["scipy", "torch", "onnxruntime"])
def test_peers_that_offer_everything(name):
    """One that stopped to offer something would only be skipped elsewhere."""
    assert all(peers.PEERS[name].offers(*pair) for pair in product(NAMES, DTYPES))


def test_openvino_offers_half_of_it():
    offered = [pair for pair in product(NAMES, DTYPES) if peers.PEERS["openvino"].offers(*pair)]
    assert offered == [*product(("softmax", "log_softmax"), ("float16", "float32"))]


def test_installed_peers_are_those_that_can_be_found(monkeypatch):
    monkeypatch.setattr(peer_module, "find_spec", {"torch": object()}.get)
    assert peers.installed() == ["torch"]


def test_lines_can_be_told_apart():
    looks = [
        tuple(str(peer.line.get(key)) for key in ("color", "linestyle", "marker"))
        for peer in peers.PEERS.values()
    ]
    assert len(set(looks)) == len(looks)


def test_peers_import_no_library():
    libraries = {*peers.PEERS, "onnx", "matplotlib"}
    assert output(f"import sys, twopass.bench.peers; print(*{libraries} & set(sys.modules))") == ""


def left_out(peer, case, monkeypatch):
    """Return what is told of a peer that cannot run a case."""
    monkeypatch.setitem(peers.PEERS, peer.name, peer)
    skipped = []
    targets = [test_bench.FakeTarget("one")]
    entries = contenders(
        case, targets, [peer.name], *case.arrays(), lambda *told: skipped.append(told)
    )
    assert peer.name not in [entry.name for entry in entries]
    return [(name, str(error)) for name, error in skipped]


def test_a_peer_that_fails_is_named_and_left_out(monkeypatch):
    def fails(case, x, out):
        raise RuntimeError("no such kernel")

    broken = Peer("broken", {"softmax": fails}, {})
    assert left_out(broken, Case("softmax", (64,)), monkeypatch) == [("broken", "no such kernel")]


@pytest.mark.parametrize(
    "case", [Case("softmax", (64,), dtype="float64"), Case("logsumexp", (64,))], ids=str
)
def test_a_peer_is_not_asked_for_what_it_does_not_offer(case, monkeypatch):
    peer = Peer("few", {"softmax": lambda *case: pytest.fail("called")}, {}, dtypes=("float32",))
    said = f"few does not compute {case.function} in {case.dtype}"
    assert left_out(peer, case, monkeypatch) == [("few", said)]


# ---- a new peer

LIBRARY = """
import numpy as np

def set_num_threads(number):
    assert number == 1

def softmax(x, axis, out):
    np.exp(x - x.max(axis, keepdims=True), out=out)
    out /= out.sum(axis, keepdims=True)
"""


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """A library, and the file that docs/contributing.md shows: nothing else knows of it."""
    docs = Path(__file__).parents[1] / "docs" / "contributing.md"
    section = docs.read_text(encoding="utf-8").partition("### Adding a peer")[2]
    (tmp_path / "libraries").mkdir()
    (tmp_path / "libraries" / "fastmax.py").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "files").mkdir()
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    (tmp_path / "files" / "fastmax.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "libraries")
    monkeypatch.setattr(peers, "__path__", [*peers.__path__, str(tmp_path / "files")])
    found = peers.find()
    assert list(found) == [*peers.PEERS, "fastmax"]
    monkeypatch.setitem(peers.PEERS, "fastmax", found["fastmax"])
    yield found["fastmax"]
    for module in ("fastmax", "twopass.bench.peers.fastmax"):
        sys.modules.pop(module, None)
    del peers.fastmax


def test_a_planted_peer_is_raced(planted):
    case = Case("softmax", (4, 16), 1)
    x, out = case.arrays()
    assert "fastmax" in peers.installed()
    assert "fastmax" in [entry.name for entry in contenders(case, [], ["fastmax"], x, out)]
    np.testing.assert_allclose(planted.answer(case, x, out).sum(1), 1, rtol=1e-6)
    assert not planted.offers("logsumexp", "float32")


def lines(figure):
    return {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}


@pytest.mark.parametrize("slow", [0, 1], ids=["whole", "not on the first row"])
def test_a_planted_peer_is_in_the_chart(planted, slow):
    plot = pytest.importorskip("twopass.bench.plot")
    record = test_bench.invented_record()
    new = Result("fastmax", "", 1, (1e-3,))
    record.measured[slow:] = [
        Measured(item.case, (*item.results, new)) for item in record.measured[slow:]
    ]
    drawn = lines(plot.chart(record))
    assert len(drawn["fastmax"].get_xdata()) == len(record.measured) - slow
    assert drawn["fastmax"].get_color() == planted.line["color"]
    assert drawn["fastmax"].get_marker() == planted.line["marker"]


def test_the_chart_has_all_that_was_measured():
    """Even what has no style of its own: an algorithm that is new, a peer whose file is gone."""
    plot = pytest.importorskip("twopass.bench.plot")
    record = test_bench.invented_record()
    new = (Result("four_pass", "generic", 1, (1e-3,)), Result("gone", "", 1, (1e-3,)))
    record.measured = [Measured(item.case, (*item.results, *new)) for item in record.measured]
    assert {"four_pass", "gone", AUTO} <= lines(plot.chart(record)).keys()


class TestReport:
    """The report of a run in which the planted peer took part."""

    pytestmark = test_paper.pytestmark

    @pytest.fixture
    def findings(self, planted, monkeypatch):
        from twopass.bench.paper.accuracy import Accuracy

        monkeypatch.setitem(test_paper.OF_NO_TARGET, "fastmax", 1.5)
        findings = test_paper.invented()
        findings.peers = (*findings.peers, "fastmax")
        findings.accuracy.append(Accuracy(64, "fastmax", "", 77.0))
        return findings

    def test_it_is_written(self, findings, tmp_path):
        from twopass.bench.paper import command

        (tmp_path / "figures").mkdir()
        command._publish(findings, tmp_path)
        assert "<th>fastmax</th>" in (tmp_path / "report.html").read_text(encoding="utf-8")
        assert (tmp_path / "figures" / "libraries-wide.png").exists()
        assert '"fastmax"' in (tmp_path / "data.json").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["libraries", "accuracy"])
    def test_it_is_in_the_pictures(self, findings, planted, name):
        _, drawn = test_paper.report_of(findings)
        for picture in drawn[name]:
            line = lines(picture.figure)["fastmax"]
            assert (line.get_color(), line.get_marker()) == ("0.5", planted.line["marker"])
