"""The targets, and which one runs.

A target is a build of the kernels for a kind of CPU. Everything that twopass knows about targets
stands in one table: a new one is a row here and a line in meson.build.

A. `choose` is pure: a CPU, the value of TWOPASS_TARGET and the names that can be had go in.
B. A target runs only on a CPU with every one of its features, whoever asks for it. Its module is
   imported only after that check, as the code that initialises a module uses the target's
   instructions too.
C. Who names a target gets that one or an ImportError. Who names none gets the best one that loads,
   and a RuntimeWarning for each better one that should have loaded and did not: a broken build must
   not pass for a slow computer.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from twopass import functions
from twopass._detect import Cpu, detect
from twopass._importing import importing

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

VARIABLE = "TWOPASS_TARGET"


class Row(NamedTuple):
    """A row of the table."""

    name: str
    description: str
    features: tuple[str, ...] = ()  # exactly what its compiler flags switch on, see FEATURES
    machine: str = ""  # "" is any
    vendors: tuple[str, ...] = ()  # whose CPUs it is tuned for; () is everyone's
    tuning: Mapping[str, Any] = MappingProxyType({})  # arguments of its module's configure()


AVX2 = (
    *("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "xsave", "avx"),
    *("avx2", "fma", "f16c", "bmi", "bmi2", "lzcnt", "movbe"),
)
AVX512 = (*AVX2, "avx512f", "avx512dq", "avx512bw", "avx512vl", "avx512cd")
AMD = ("AuthenticAMD", "HygonGenuine")

# Best first. Of the rows that share their features, those for another vendor are tried last.
TABLE = (
    Row("skylake_x", "AVX-512 (F, DQ, BW, VL, CD)", AVX512, "x86_64"),
    Row("zen2", "AVX2 and FMA, tuned for AMD", AVX2, "x86_64", AMD),
    Row("broadwell", "AVX2 and FMA, tuned for Intel", AVX2, "x86_64"),
    Row("neon", "AArch64 Advanced SIMD", ("neon",), "aarch64"),
    # Without FMA, two exponentials take longer than moving one to memory and back (`twopass tune`).
    Row(
        "generic",
        "the baseline that every CPU of the architecture has",
        tuning={"stream": float("inf")},
    ),
)
NAMES = tuple(row.name for row in TABLE)

# What a process can count on of a last-level cache: a server's hundreds of MiB serve all its cores.
LLC_SHARE = 32 << 20


class Softmax(Protocol):
    """The signature of softmax and log_softmax."""

    def __call__(
        self,
        x: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        *,
        out: NDArray[Any] | None = None,
        algorithm: str = "auto",
        threads: int | None = None,
        scale: float | None = None,
        bias: ArrayLike | None = None,
        where: ArrayLike | None = None,
        return_lse: bool = False,
    ) -> Any: ...


class LogSumExp(Protocol):
    """The signature of logsumexp."""

    def __call__(
        self,
        a: ArrayLike,
        axis: int | tuple[int, ...] | None = None,
        b: ArrayLike | None = None,
        keepdims: bool = False,
        return_sign: bool = False,
        *,
        out: NDArray[Any] | None = None,
        algorithm: str = "auto",
        threads: int | None = None,
        scale: float | None = None,
        bias: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Any: ...


# What the compiled modules export. tests/test_signatures.py holds them to it.


class Kernels(Protocol):
    """The module of a target."""

    softmax: Softmax
    log_softmax: Softmax
    logsumexp: LogSumExp

    def configure(self, *, llc: int, stream: float = ...) -> None: ...
    def sum_pairs(self, x: NDArray[Any], states: NDArray[Any]) -> None: ...
    def apply_pairs(
        self, function: int, x: NDArray[Any], states: NDArray[Any], y: NDArray[Any]
    ) -> None: ...
    def finish_pairs(self, states: NDArray[Any], y: NDArray[Any]) -> None: ...
    def split_pairs(
        self, states: NDArray[Any], hi: NDArray[Any], lo: NDArray[Any], exponent: NDArray[Any]
    ) -> None: ...


class Probe(Protocol):
    """The probe of a target: what benchmarks and tests need beside its functions."""

    PASSES: tuple[str, ...]
    OPERATIONS: tuple[str, ...]

    def configure(self, *, llc: int, **tuning: Any) -> None: ...
    def limit(self, x: NDArray[Any], out: NDArray[Any]) -> float: ...
    def run_pass(self, name: str, x: NDArray[Any], out: NDArray[Any]) -> float: ...
    def extexp(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]: ...
    def vector(
        self,
        name: str,
        dtype: str,
        out: NDArray[Any],
        x: NDArray[Any] | None = None,
        y: NDArray[Any] | None = None,
        z: NDArray[Any] | None = None,
    ) -> None: ...


class Choice(NamedTuple):
    """The name of a target, and why this one."""

    name: str
    reason: str


def choose(cpu: Cpu, value: str | None, available: Collection[str]) -> Choice:
    """Return the target to run.

    Parameters
    ----------
    cpu : Cpu
        The CPU.
    value : str or None
        What TWOPASS_TARGET holds; case and surrounding blanks do not matter, blank is unset.
    available : collection of str
        The names of the targets that can be had.

    Raises
    ------
    ImportError
        If the target that `value` names is unknown or cannot run; or if none can.
    """
    runnable = [row for row in _by_preference(cpu) if not _obstacle(row, cpu, available)]
    if not runnable:
        raise ImportError(f"no target of twopass can be loaded on this {cpu.machine} machine")
    wanted = (value or "").strip().lower()
    if not wanted:
        return Choice(runnable[0].name, _why(runnable[0], cpu))
    names = [row.name for row in runnable]
    if wanted in names:
        return Choice(wanted, f"{VARIABLE} asks for it")
    obstacles = {row.name: _obstacle(row, cpu, available) for row in TABLE}
    raise ImportError(
        f"{VARIABLE}={_shorten(wanted)} cannot be used, as "
        f"{obstacles.get(wanted, 'there is no such target')}; "
        f"the targets that run here are {', '.join(names)}"
    )


def _by_preference(cpu: Cpu) -> list[Row]:
    features = [row.features for row in TABLE]
    return sorted(TABLE, key=lambda row: (features.index(row.features), not _tuned(row, cpu)))


def _tuned(row: Row, cpu: Cpu) -> bool:
    return not row.vendors or cpu.vendor in row.vendors


def _why(row: Row, cpu: Cpu) -> str:
    best = next(row for row in _by_preference(cpu) if not _unsupported(row, cpu))
    if row is not best:
        return f"next best target, as {best.name} is not available"
    tuned = f", tuned for {cpu.vendor}" if cpu.vendor in row.vendors else ""
    return f"best target that this CPU supports{tuned}"


def _unsupported(row: Row, cpu: Cpu) -> str:
    """Return why this CPU cannot run a target, "" if it can."""
    if row.machine not in ("", cpu.machine):
        return f"it is for {row.machine} and this machine is {cpu.machine}"
    missing = [name for name in row.features if name not in cpu.features]
    return f"this CPU or its operating system lacks {', '.join(missing)}" if missing else ""


def _obstacle(row: Row, cpu: Cpu, available: Collection[str]) -> str:
    """Return why a target cannot run here, "" if it can."""
    absent = "" if row.name in available else "this build of twopass does not have it"
    return _unsupported(row, cpu) or absent


def _shorten(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


@cache
def compiled() -> frozenset[str]:
    """Return the names of the targets that this build has; imports none of them."""
    return frozenset(name for name in NAMES if find_spec(f"twopass._{name}"))


@cache
def load(name: str) -> Kernels:
    """Import the module of a target that this CPU supports, and tell it the size of the cache."""
    try:
        module = _import(f"twopass._{name}", name)
        for function in functions.NAMES:
            getattr(module, function).__module__ = "twopass"
            getattr(module, function).__reduce_ex__ = partial(_reduce, name, function)
    except Exception as error:  # a corrupt file can fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise ImportError(f"twopass's target {name} cannot be loaded ({reason})") from error
    return cast(Kernels, module)


@cache
def load_probe(name: str) -> Probe:
    """Import the probe of a target that this CPU supports."""
    return cast(Probe, _import(f"twopass.bench._probe_{name}", name))


def _import(module: str, target: str) -> Any:
    with importing:
        imported = import_module(module)
    imported.configure(**settings(TABLE[NAMES.index(target)], detect()))
    return imported


def _reduce(target: str, function: str, protocol: int) -> str | tuple[Any, ...]:
    """Say how a function of a target is pickled.

    ``twopass.softmax`` becomes that of the process that unpickles it, whatever target is active
    there; a function of another target becomes that of the target of this name.
    """
    return function if target == active().name else (getattr, (_TARGETS[target], function))


def settings(row: Row, cpu: Cpu) -> dict[str, Any]:
    """Return what a target's module is told about a CPU: the arguments of its configure()."""
    return {"llc": min(cpu.llc, LLC_SHARE), **row.tuning}


@cache
def active() -> Choice:
    """Choose and load the target of this process, once."""
    value = os.environ.get(VARIABLE, "")
    if not value.strip():
        return _best_that_loads()
    choice = choose(detect(), value, compiled())
    load(choice.name)
    return choice


def _best_that_loads() -> Choice:
    available = list(NAMES)  # not compiled(): a module that is missing is worth the warning as well
    choice = choose(detect(), None, available)
    while True:
        try:
            load(choice.name)
            return choice
        except ImportError as error:
            available.remove(choice.name)
            choice = choose(detect(), None, available)
            warnings.warn(f"{error}; using {choice.name}", RuntimeWarning, stacklevel=2)


class Target:
    """One build of the kernels.

    Its functions run this build and leave the active target alone:
    ``twopass.targets()["broadwell"].softmax(x)``. A pickled target becomes the target of that name
    of the process that unpickles it, and so do its functions; but those of the active target are
    `twopass.softmax` and its siblings themselves, and become what these are there.
    """

    __slots__ = ("_row",)

    def __init__(self, row: Row) -> None:
        self._row = row

    def __repr__(self) -> str:
        return f"<twopass target {self.name}: {self.obstacle or 'runs here'}>"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _target, (self.name,)

    @property
    def name(self) -> str:
        """What it is called."""
        return self._row.name

    @property
    def description(self) -> str:
        """What it is."""
        return self._row.description

    @property
    def features(self) -> tuple[str, ...]:
        """The instruction sets that it uses, by the names of the compiler's flags."""
        return self._row.features

    @property
    def compiled(self) -> bool:
        """Whether this build of twopass has it."""
        return self.name in compiled()

    @property
    def supported(self) -> bool:
        """Whether this CPU and its operating system can run it."""
        return not _unsupported(self._row, detect())

    @property
    def obstacle(self) -> str:
        """Why it cannot run here, empty if it can."""
        return _obstacle(self._row, detect(), compiled())

    def _check(self) -> None:
        if self.obstacle:
            raise RuntimeError(f"target {self.name} cannot run here: {self.obstacle}")

    @property
    def module(self) -> Kernels:
        """Its compiled module; RuntimeError if it cannot run here."""
        self._check()
        return load(self.name)

    @property
    def probe(self) -> Probe:
        """Its compiled probe, for benchmarks and tests; RuntimeError if it cannot run here."""
        self._check()
        return load_probe(self.name)

    @property
    def softmax(self) -> Softmax:
        """Its `twopass.softmax`."""
        return self.module.softmax

    @property
    def log_softmax(self) -> Softmax:
        """Its `twopass.log_softmax`."""
        return self.module.log_softmax

    @property
    def logsumexp(self) -> LogSumExp:
        """Its `twopass.logsumexp`."""
        return self.module.logsumexp


_TARGETS = MappingProxyType({row.name: Target(row) for row in TABLE})


def _target(name: str) -> Target:
    return _TARGETS[name]


def targets() -> Mapping[str, Target]:
    """Return every target of twopass by its name, the best first, also those that cannot run here.

    Returns
    -------
    Mapping of str to Target
        Read-only.

    Examples
    --------
    >>> list(twopass.targets())
    ['skylake_x', 'zen2', 'broadwell', 'neon', 'generic']
    """
    return _TARGETS


def active_target() -> Target:
    """Return the target that ``twopass.softmax`` and its siblings run.

    It was chosen when twopass was imported: TWOPASS_TARGET names it, else it is the best one that
    the CPU supports.
    """
    return _TARGETS[active().name]
