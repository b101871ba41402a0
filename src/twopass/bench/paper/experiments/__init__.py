"""The experiments: a file each, which defines its ``EXPERIMENT``."""

from twopass.bench.folder import modules
from twopass.bench.paper.claims import Claim
from twopass.bench.paper.experiment import Experiment
from twopass.bench.paper.race import Race

ORDER = (  # of the report; new ones follow
    *("three_pass", "two_pass", "bandwidth", "traffic", "breakdown", "threads", "libraries"),
    *("two_pass_reload", "stores", "accuracy", "portability"),
)


def find() -> tuple[Experiment, ...]:
    """Return the experiments of this folder, in the order of the report."""
    return tuple(module.EXPERIMENT for module in modules(__name__, __path__, ORDER))


EXPERIMENTS = find()


def races() -> list[Race]:
    """Return the races that the experiments look at, each one once."""
    return list(dict.fromkeys(e.race for e in EXPERIMENTS if e.race))


def claims() -> list[Claim]:
    """Return the paper's claims by their numbers."""
    found = [claim for experiment in EXPERIMENTS for claim in experiment.claims]
    return sorted(found, key=lambda claim: claim.number)
