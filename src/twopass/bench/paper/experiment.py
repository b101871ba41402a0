"""What an experiment is: a section of the report, and the race and the claims behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twopass.bench.paper.claims import Claim
from twopass.bench.paper.figures import Draw, Picture, picture
from twopass.bench.paper.findings import Findings
from twopass.bench.paper.race import Race
from twopass.bench.paper.tables import Table


@dataclass(frozen=True)
class Experiment:
    """A question, and how its answer is shown.

    Parameters
    ----------
    name : str
        What its pictures' files begin with.
    title, text : str
        What the report says.
    race : Race or None
        What it looks at; another experiment may look at the same.
    claims : sequence of Claim
        The paper's claims that it tests.
    draw : callable or None
        Draws a panel.
    per_target : bool
        Whether there is a panel for each target, or one for all of them.
    table : callable or None
        Makes the table.
    """

    name: str
    title: str
    text: str
    race: Race | None
    claims: Sequence[Claim] = ()
    draw: Draw | None = None
    per_target: bool = True
    table: Callable[[Findings], Table] | None = None

    def pictures(self, findings: Findings) -> list[Picture]:
        """Draw all panels; `Missing` if there is nothing to draw."""
        if self.draw is None:
            return []
        if not self.per_target:
            return [picture(self.name, self.title, self.draw, findings, "")]
        names = [target.name for target in findings.targets]
        return [
            picture(f"{self.name}-{name}", f"{self.title}, {name}", self.draw, findings, name)
            for name in names
        ]
