"""The command line: what it prints, and how it refuses."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

import twopass
from twopass import _cli

# matplotlib writes its font cache without an encoding, at its first import on a machine.
pytestmark = pytest.mark.filterwarnings("ignore::EncodingWarning:matplotlib.font_manager")

needs_extra = pytest.mark.skipif(
    any(find_spec(package) is None for package in _cli.EXTRA), reason="needs twopass[bench]"
)


def refusal(capsys, *arguments):
    """Run the command line, expect it to refuse, and return its one line."""
    with pytest.raises(SystemExit) as stop:
        _cli.main(arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def pretend_missing(monkeypatch, *packages):
    monkeypatch.setattr(_cli, "find_spec", lambda n: None if n in packages else find_spec(n))


def test_no_command_shows_the_help(capsys):
    assert _cli.main([]) == 0
    out = capsys.readouterr().out
    assert "info" in out
    assert "bench" in out


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        _cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == twopass.__version__


@pytest.mark.parametrize("rich", [False, True])
def test_info_fits_a_narrow_terminal(capsys, monkeypatch, rich):
    if rich:
        pytest.importorskip("rich")
    else:
        pretend_missing(monkeypatch, "rich")
    monkeypatch.setenv("COLUMNS", "60")
    assert _cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 60
    first_words = [line.split()[0] for line in lines if line.strip()]
    for name, target in twopass.targets().items():
        assert name in first_words
        line = lines[[line.startswith(name) for line in lines].index(True)]
        assert line.split()[1] == ("yes" if target.compiled else "no")
        assert line.split()[2] == ("yes" if target.supported else "no")
        assert ("active:" in line) == (name == twopass.active_target().name)


def test_module_runs(target):
    result = subprocess.run(
        [sys.executable, "-m", "twopass", "info"],
        env=os.environ | {"TWOPASS_TARGET": target.name},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    line = next(line for line in result.stdout.splitlines() if line.startswith(target.name))
    assert "active: TWOPASS_TARGET" in line


def test_unknown_command_and_function(capsys):
    assert "'benhc'" in refusal(capsys, "benhc")
    line = refusal(capsys, "bench", "--function", "softmin")
    assert "'softmin'" in line
    assert "logsumexp" in line


def test_missing_extra_names_the_command(capsys, monkeypatch):
    pretend_missing(monkeypatch, "rich", "scipy")
    line = refusal(capsys, "bench", "--quick")
    assert line.endswith("bench needs rich, scipy: pip install 'twopass[bench]'\n")


@needs_extra
def test_targets_that_cannot_run(capsys):
    line = refusal(capsys, "bench", "--target", "pentium")
    assert "there is no target 'pentium'" in line
    assert "the targets that run here are" in line
    other = next(name for name, target in twopass.targets().items() if not target.supported)
    assert f"target {other!r} cannot run" in refusal(capsys, "bench", "--target", other)


@needs_extra
def test_files_that_cannot_be_written(capsys, tmp_path):
    missing = tmp_path / "missing"
    assert f"create the folder {str(missing)!r}" in refusal(
        capsys, "bench", "--json", str(missing / "a.json")
    )
    assert "it is a folder" in refusal(capsys, "bench", "--json", str(tmp_path))
    line = refusal(capsys, "bench", "--plot", str(tmp_path / "chart.doc"))
    assert "'.doc'" in line
    assert "png" in line


@needs_extra
def test_bench(capsys, monkeypatch, tmp_path, target):
    from twopass.bench import cases

    monkeypatch.setattr(cases, "QUICK_ROWS", (64, 1024))
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.chdir(tmp_path)
    arguments = ["bench", "--quick", "--target", target.name, "--function", "log_softmax"]
    assert _cli.main([*arguments, "--json", "bench.json"]) == 0
    out, _ = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 60
    assert f"log_softmax on {target.name}" in out
    assert out.endswith("Chart: twopass-bench.png\nData: bench.json\n")
    assert (tmp_path / "twopass-bench.png").stat().st_size > 10_000
    document = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert document["complete"] is True
    assert document["targets"] == [target.name]
    assert {row["size"] for row in document["results"]} == {64, 1024}
    assert {row["name"] for row in document["results"]} >= {"scipy", "limit", "auto", "two_pass"}


@needs_extra
def test_bench_of_operands(capsys, monkeypatch, tmp_path, target):
    from twopass.bench import cases

    monkeypatch.setattr(cases, "OPERAND_SHAPES", (((8, 16), 0), ((8, 16), 1)))
    monkeypatch.chdir(tmp_path)
    arguments = ["bench", "--operands", "--target", target.name, "--function", "logsumexp"]
    assert _cli.main([*arguments, "--json", "bench.json"]) == 0
    assert capsys.readouterr().out.endswith("\nData: bench.json\n")
    assert [file.name for file in tmp_path.iterdir()] == ["bench.json"]
    document = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    measured = {row["case"]["operands"] for row in document["results"] if row["name"] == "scipy"}
    assert measured == {"", *cases.OPERANDS}
    assert "not allowed with" in refusal(capsys, "bench", "--operands", "--quick")


@pytest.mark.slow
def test_accuracy(capsys, tmp_path):
    assert _cli.main(["accuracy", "--quick", "--json", str(tmp_path / "errors.json")]) == 0
    out = capsys.readouterr().out
    assert "| softmax float32 | ULP | 8 |" in out
    assert "All targets keep the promise." in out
    errors = json.loads((tmp_path / "errors.json").read_text(encoding="utf-8"))
    assert list(errors) == [t.name for t in twopass.targets().values() if not t.obstacle]
    assert all(row["share"] <= 1 for rows in errors.values() for row in rows)
