"""Rows that were hard once, in hard.json: each is held for ever against every law."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("hard.json")


@dataclass(frozen=True)
class Hard:
    """Why it is here, rows side by side, weights if that matters, and what a law draws from."""

    why: str
    rows: np.ndarray
    weights: np.ndarray | None = None
    seed: int = 0

    def line(self) -> str:
        """As it stands in the file: floats in hexadecimal, so that they are the same numbers."""
        entry = {"why": self.why, "dtype": self.rows.dtype.name, "rows": _hex(self.rows)}
        if self.weights is not None:
            entry["weights"] = _hex(self.weights)
        if self.seed:
            entry["seed"] = self.seed
        return json.dumps(entry)


def stored() -> list[Hard]:
    return [
        Hard(
            entry["why"],
            _floats(entry["rows"], entry["dtype"]),
            _floats(entry["weights"], entry["dtype"]) if "weights" in entry else None,
            entry.get("seed", 0),
        )
        for entry in json.loads(FILE.read_text(encoding="ascii"))
    ]


def add(*rows: Hard) -> None:
    """A row that is there already is not added again."""
    lines = dict.fromkeys(entry.line() for entry in (*stored(), *rows))
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="ascii")


def _hex(rows: np.ndarray) -> list[str]:
    """A string for each row, without trailing zeros."""
    text = (" ".join(map(float.hex, row)) for row in rows.astype(float).tolist())
    return [re.sub(r"\.?0*p", "p", row) for row in text]


def _floats(rows: list[str], dtype: str) -> np.ndarray:
    return np.array([[*map(float.fromhex, row.split())] for row in rows], dtype)
