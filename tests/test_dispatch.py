"""The right target is chosen: as a pure function, by the environment, and past a damaged build."""

import inspect
import pickle
import sys
from collections.abc import Mapping

import pytest
from child import RUNNABLE, UNSUPPORTED, binary, copy_package, last_line, output, run
from cpus import BROADWELL, NEHALEM, ROME, SKYLAKE_WITHOUT_AVX512, SKYLAKE_X, ZMM_STATE

import twopass
from twopass import _cpu, _targets, functions
from twopass._detect import FEATURES, Cpu, decode, decode_arm, detect
from twopass._targets import AVX2, AVX512, NAMES, TABLE, choose

ACTIVE = "import twopass; print(twopass.active_target().name)"

x86 = pytest.mark.skipif(_cpu.machine() != "x86_64", reason="pretends x86-64 CPUs")


def cpu(machine) -> Cpu:
    return decode(machine.cpuid, machine.xcr0)


def best_first(machine: Cpu) -> list[str]:
    return [row.name for row in _targets._by_preference(machine)]


HERE = [name for name in best_first(detect()) if name in RUNNABLE]

NEON = decode_arm(2, {})
AMD_AVX512 = cpu(SKYLAKE_X)._replace(vendor="AuthenticAMD")
CHOICES = {
    "Skylake-X": (cpu(SKYLAKE_X), "skylake_x"),
    "Zen 4": (AMD_AVX512, "skylake_x"),
    "Skylake-X, system without AVX-512": (cpu(SKYLAKE_X._replace(xcr0=7)), "broadwell"),
    "Skylake-X, system without AVX": (cpu(SKYLAKE_X._replace(xcr0=3)), "generic"),
    "Skylake-X, AVX-512 switched off": (cpu(SKYLAKE_WITHOUT_AVX512), "broadwell"),
    "Broadwell": (cpu(BROADWELL), "broadwell"),
    "Broadwell, system without AVX": (cpu(BROADWELL._replace(xcr0=0)), "generic"),
    "Broadwell, YMM state without AVX-512's, but its XCR0": (
        cpu(BROADWELL._replace(xcr0=ZMM_STATE)),
        "broadwell",
    ),
    "Zen 2": (cpu(ROME), "zen2"),
    "Hygon": (cpu(ROME)._replace(vendor="HygonGenuine"), "zen2"),
    "another vendor": (cpu(ROME)._replace(vendor="CentaurHauls"), "broadwell"),
    "Nehalem": (cpu(NEHALEM), "generic"),
    "AArch64": (NEON, "neon"),
    "AArch64 without SIMD": (decode_arm(0, {}), "generic"),
    "another architecture": (Cpu("other"), "generic"),
}


@pytest.mark.parametrize("case", CHOICES)
@pytest.mark.parametrize("value", [None, "", "  "])
def test_best_target_of_a_cpu(case, value):
    machine, name = CHOICES[case]
    choice = choose(machine, value, NAMES)
    assert choice.name == name
    assert choice.reason.startswith("best target")


@pytest.mark.parametrize("feature", AVX512)
def test_one_missing_feature_forbids_a_target(feature):
    row = FEATURES[feature]
    machine = cpu(SKYLAKE_X.without(row.leaf, row.register, row.bit))
    assert choose(machine, None, NAMES).name == ("generic" if feature in AVX2 else "broadwell")
    with pytest.raises(ImportError, match=rf"lacks {feature}[;,]"):
        choose(machine, "skylake_x", NAMES)


@pytest.mark.parametrize(
    ("machine", "order"),
    [
        (cpu(SKYLAKE_X), ["skylake_x", "broadwell", "zen2", "generic"]),
        (AMD_AVX512, ["skylake_x", "zen2", "broadwell", "generic"]),
        (cpu(ROME), ["zen2", "broadwell", "generic"]),
        (NEON, ["neon", "generic"]),
    ],
)
def test_order_of_the_next_best(machine, order):
    available = list(NAMES)
    for name in order:
        choice = choose(machine, None, available)
        assert choice.name == name
        assert choice.reason.startswith("best" if name == order[0] else "next best")
        available.remove(name)
    with pytest.raises(ImportError, match=f"no target .* on this {machine.machine}"):
        choose(machine, None, available)


@pytest.mark.parametrize("value", ["zen2", "ZEN2", " Zen2\n"])
def test_a_named_target(value):
    assert choose(cpu(SKYLAKE_X), value, NAMES) == ("zen2", "TWOPASS_TARGET asks for it")


@pytest.mark.parametrize(
    ("machine", "value", "available", "obstacle"),
    [
        (cpu(ROME), "nonsense", NAMES, "there is no such target"),
        (cpu(ROME), "zen2,generic", NAMES, "there is no such target"),
        (cpu(ROME), "neon", NAMES, "it is for aarch64 and this machine is x86_64"),
        (NEON, "zen2", NAMES, "it is for x86_64 and this machine is aarch64"),
        (cpu(ROME), "skylake_x", NAMES, "lacks avx512f, avx512dq, avx512bw, avx512vl, avx512cd"),
        (cpu(ROME), "zen2", {"broadwell", "generic"}, "this build of twopass does not have it"),
    ],
)
def test_refusals_say_why_and_what_would_run(machine, value, available, obstacle):
    with pytest.raises(ImportError) as caught:
        choose(machine, value, available)
    message = str(caught.value)
    assert message.startswith(f"TWOPASS_TARGET={value!r} cannot be used, as ")
    assert obstacle in message
    runnable = message.partition("the targets that run here are ")[2].split(", ")
    assert runnable == [
        name for name in best_first(machine) if choose_or_none(machine, name, available) == name
    ]


def choose_or_none(machine, name, available):
    try:
        return choose(machine, name, available).name
    except ImportError:
        return None


@pytest.mark.parametrize("value", ["x" * 2**20, "\0\n\x1b[2J", "\udcff", "🦀"])
def test_refusals_are_one_short_printable_line(value):
    with pytest.raises(ImportError) as caught:
        choose(cpu(ROME), value, NAMES)
    message = str(caught.value)
    assert len(message) < 250
    assert message.isprintable()


def test_table():
    assert len(set(NAMES)) == len(NAMES)
    assert all(name == name.lower().strip() for name in NAMES)
    assert TABLE[-1].features == ()
    assert TABLE[-1].machine == ""
    known = {*FEATURES, "neon"}
    assert all(known.issuperset(row.features) for row in TABLE)
    assert all(row.description for row in TABLE)


def test_choosing_asks_nobody():
    """It is pure: all it knows stands in its arguments and in the table."""
    names = set(inspect.getclosurevars(choose).globals)
    assert names.isdisjoint({"os", "detect", "load", "compiled"})


# ---- This process -------------------------------------------------------------------------------


def test_targets_lists_all():
    targets = twopass.targets()
    assert isinstance(targets, Mapping)
    assert tuple(targets) == NAMES
    assert all(name == target.name for name, target in targets.items())
    with pytest.raises(TypeError):
        targets["mine"] = targets["generic"]


def test_the_active_target_runs():
    active = twopass.active_target()
    assert active is twopass.targets()[active.name]
    assert active.compiled
    assert active.supported
    assert twopass.softmax is active.softmax
    assert twopass.log_softmax is active.log_softmax
    assert twopass.logsumexp is active.logsumexp


def test_a_target_runs_its_own_build(target):
    assert target.module is sys.modules[f"twopass._{target.name}"]
    for function in functions.NAMES:
        assert getattr(target, function) is getattr(target.module, function)
    assert target.softmax([0.0, 0.0]).tolist() == [0.5, 0.5]
    assert repr(target) == f"<twopass target {target.name}: runs here>"


@pytest.mark.parametrize("name", UNSUPPORTED)
@pytest.mark.parametrize("attribute", ["module", "probe", *functions.NAMES])
def test_an_unsupported_target_refuses(name, attribute):
    target = twopass.targets()[name]
    with pytest.raises(RuntimeError, match=f"target {name} cannot run here: .*(lacks|is for)"):
        getattr(target, attribute)
    assert not {f"twopass._{name}", f"twopass.bench._probe_{name}"} & set(sys.modules)


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_pickled_by_name(name):
    target = twopass.targets()[name]
    assert pickle.loads(pickle.dumps(target)) is target


def test_targets_cannot_be_changed():
    with pytest.raises(AttributeError):
        twopass.active_target().name = "mine"
    with pytest.raises(AttributeError):
        twopass.active_target().mine = 1


@pytest.mark.parametrize("function", functions.NAMES)
def test_a_pickled_function_names_no_target(function):
    """It may be unpickled on a CPU that lacks this one's instructions."""
    data = pickle.dumps(getattr(twopass, function))
    assert pickle.loads(data) is getattr(twopass, function)
    assert twopass.active_target().name.encode() not in data


PICKLE = """
import pickle, twopass
pair = twopass.targets()[{name!r}].{function}, twopass.{function}
print([pickle.dumps(pair, protocol).hex() for protocol in range(6)])
"""
UNPICKLE = """
import pickle, twopass
target = twopass.targets()[{name!r}]
for data in {pickled}:
    function, active = pickle.loads(bytes.fromhex(data))
    assert function is target.{function} is target.module.{function}
    assert active is twopass.{function} is not function
"""


@pytest.mark.skipif(len(RUNNABLE) < 3, reason="needs three targets that run here")
@pytest.mark.parametrize("function", functions.NAMES)
@pytest.mark.parametrize("name", RUNNABLE)
def test_functions_of_a_target_are_pickled_by_its_name(name, function):
    """And twopass's own, beside them, are those of the process that unpickles them."""
    here, there = [other for other in RUNNABLE if other != name][:2]
    pickled = output(PICKLE.format(**locals()), TWOPASS_TARGET=here)
    assert output(UNPICKLE.format(**locals()), TWOPASS_TARGET=there) == ""


# ---- TWOPASS_TARGET in a fresh process ----------------------------------------------------------


@pytest.mark.parametrize("name", RUNNABLE)
@pytest.mark.parametrize("spelling", [str, str.upper, "\t {} ".format])
def test_environment_names_a_target(name, spelling):
    code = (
        "import sys, twopass; target = twopass.active_target();"
        "assert twopass.softmax is target.softmax is target.module.softmax;"
        "assert twopass.softmax([1.0]).tolist() == [1.0];"
        f"print(*[name for name in {NAMES} if f'twopass._{{name}}' in sys.modules])"
    )
    assert output(code, TWOPASS_TARGET=spelling(name)) == name


@pytest.mark.parametrize("value", ["", " ", None])
def test_environment_without_a_target(value):
    variables = {} if value is None else {"TWOPASS_TARGET": value}
    assert output(ACTIVE, **variables) == choose(detect(), None, NAMES).name


@pytest.mark.parametrize("value", ["nonsense", "generic;zen2", "/tmp/_generic.so", "_generic"])
def test_environment_names_no_target(value):
    line = last_line("import twopass", TWOPASS_TARGET=value)
    assert line == (
        f"ImportError: TWOPASS_TARGET={value!r} cannot be used, as there is no such target; "
        f"the targets that run here are {', '.join(HERE)}"
    )


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_environment_names_an_unsupported_target(name):
    line = last_line("import twopass", TWOPASS_TARGET=name)
    assert line.startswith(f"ImportError: TWOPASS_TARGET={name!r} cannot be used, as ")
    assert line.endswith(", ".join(HERE))


def test_environment_of_a_megabyte():
    code = "import os; os.environ['TWOPASS_TARGET'] = 'x' * 2**20; import twopass"
    line = last_line(code)
    assert line.startswith(f"ImportError: TWOPASS_TARGET='{'x' * 40}...' cannot be used")
    assert len(line) < 300


def test_the_environment_is_read_once():
    code = "import os, twopass; os.environ['TWOPASS_TARGET'] = 'nonsense';"
    assert output(code + ACTIVE) == choose(detect(), None, NAMES).name


# ---- Damaged builds -----------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path):
    return copy_package(tmp_path)


def missing(file):
    file.unlink()


def corrupt(file):
    file.write_bytes(b"not a module\n" * 1000)


def empty(file):
    file.write_bytes(b"")


def unwilling(file):
    file.with_name(file.name.partition(".")[0] + ".py").write_text("1 / 0\n", encoding="utf-8")
    file.unlink()


DAMAGES = [missing, corrupt, empty, unwilling]
needs_a_next_best = pytest.mark.skipif(len(RUNNABLE) < 2, reason="only one target runs here")


@needs_a_next_best
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_next_best_replaces_a_damaged_target_and_says_so(damage, package):
    best, second = HERE[:2]
    damage(binary(package, best))
    done = run(ACTIVE + "; print(twopass.softmax([1.0]).tolist())", package.parent)
    assert (done.returncode, done.stdout.split()) == (0, [second, "[1.0]"])
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"target {best} cannot be loaded (" in done.stderr
    assert f"; using {second}" in done.stderr


@needs_a_next_best
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_target_is_not_replaced_for_who_asked_for_it(damage, package):
    best = HERE[0]
    damage(binary(package, best))
    line = last_line("import twopass", package.parent, TWOPASS_TARGET=best)
    assert line.startswith("ImportError: ")
    assert best in line


@needs_a_next_best
def test_a_damaged_target_that_nobody_needs_is_not_touched(package):
    best, second = HERE[:2]
    corrupt(binary(package, second))
    assert output(ACTIVE, package.parent) == best
    code = f"import twopass; twopass.targets()[{second!r}].softmax"
    line = last_line(code, package.parent)
    assert line.startswith(f"ImportError: twopass's target {second} cannot be loaded (")


def test_a_build_without_any_good_target(package):
    for name in RUNNABLE:
        corrupt(binary(package, name))
    done = run("import twopass", package.parent)
    assert done.returncode == 1
    last = f"no target of twopass can be loaded on this {_cpu.machine()} machine"
    assert done.stderr.splitlines()[-1] == f"ImportError: {last}"
    assert "_generic" in done.stderr  # the last failure is there with its cause


# ---- Pretended CPUs, whole import ---------------------------------------------------------------


@x86
@pytest.mark.parametrize(
    ("machine", "name"),
    [
        (NEHALEM, "generic"),
        (BROADWELL._replace(xcr0=0), "generic"),
        (BROADWELL, "broadwell"),
        (SKYLAKE_WITHOUT_AVX512, "broadwell"),
        (ROME, "zen2"),
        (SKYLAKE_X, "skylake_x"),
    ],
)
def test_import_on_another_cpu(machine, name, package):
    """No module of a target beyond that CPU is imported; py-cpuinfo still reads about the host."""
    if name not in RUNNABLE:
        pytest.skip(f"this CPU cannot run {name}")
    binary(package, "cpu").unlink()
    package.joinpath("_cpu.py").write_text(
        f"leaves = {machine.leaves}\n"
        "def machine(): return 'x86_64'\n"
        "def cpuid(leaf, subleaf): return leaves.get((leaf, subleaf), (0, 0, 0, 0))\n"
        f"def xcr0(): return {machine.xcr0}\n",
        encoding="utf-8",
    )
    code = f"print(*[name for name in {NAMES} if f'twopass._{{name}}' in sys.modules])"
    assert output(f"import sys; {ACTIVE}; {code}", package.parent).split() == [name, name]
