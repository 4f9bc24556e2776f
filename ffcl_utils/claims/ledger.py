"""The ledger: every claim as data, read from ledger.toml."""

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ffcl_utils.claims.conditions import Conditions
from ffcl_utils.claims.judges import NOT, PARTLY, REPRODUCED, AnyJudge
from ffcl_utils.errors import UserError
from ffcl_utils.records.metrics import in_one_line

LEDGER = Path(__file__).with_name("ledger.toml")
OURS = "ours"
# The words for our own questions: there is nothing to reproduce.
SUPPORTED, NOT_SUPPORTED = "supported", "not supported"
_OUR_WORDS = {REPRODUCED: SUPPORTED, PARTLY: PARTLY, NOT: NOT_SUPPORTED}


class LedgerError(UserError):
    """The ledger has a mistake, or no such claim; the message names the claim."""


class Claim(BaseModel):
    """One claim of a paper, or one question of our own: what is measured, and who judges it.

    run: the name of the run, which is that of its results folder. metric: its name in the run's
    metrics.json. unit: how its figures are shown, "%" of images, "points" (a difference of two such
    shares), "seeds" (1 where a seed passes, else 0) or "number". judge: what gives the verdict from
    that metric; or, instead, conditions, which may look at several. presets: those whose run
    measures it. fixed: when the rule was fixed, and what had been seen by then.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z]\d+([a-z]|-[a-z]+)?$")
    paper: Literal["improved FFCL", "emergent representations", "ours", "other papers"]
    where: Literal["abstract", "method", "experiments", "printed outputs", "–"]
    statement: str = Field(min_length=1)
    paper_says: str = Field(min_length=1)
    run: str = Field(pattern=r"^\d\d_\w+(-\w+)?$")
    metric: str = Field(min_length=1)
    unit: Literal["%", "points", "seeds", "number"]
    dataset: Literal["mnist", "fashion_mnist", "synthetic"]
    judge: AnyJudge | None = None
    conditions: Conditions | None = None
    presets: list[Literal["short", "paper"]] = ["short", "paper"]
    fixed: str = Field(min_length=1)

    @property
    def ours(self) -> bool:
        """Whether this is a question of our own."""
        return self.paper == OURS

    @property
    def notebook(self) -> str:
        """The notebook of the run: a variant's name follows a hyphen."""
        return self.run.partition("-")[0]

    @model_validator(mode="after")
    def _one_way_to_judge(self):
        if (self.judge is None) == (self.conditions is None):
            raise ValueError("either a judge or conditions")
        return self

    @property
    def metrics(self) -> list[str]:
        """The names of all figures that the verdict needs, the one that is shown first."""
        more = self.conditions.metrics if self.conditions else []
        return list(dict.fromkeys([self.metric, *more]))

    @property
    def by_interval(self) -> bool:
        """Whether the verdict depends on where the 95 % interval of `metric` lies."""
        if self.judge:
            return self.judge.name == "interval_above"
        conditions = self.conditions.named.values()
        return any(c.metric == self.metric and c.test.startswith("interval") for c in conditions)

    @property
    def needs_interval(self) -> bool:
        """Whether the verdict depends on where an interval lies, of `metric` or of another."""
        if self.judge:
            return self.by_interval
        return any(c.test.startswith("interval") for c in self.conditions.named.values())

    @property
    def rule(self) -> str:
        """The rule as a sentence, in the claim's unit and words."""
        word = SUPPORTED if self.ours else REPRODUCED
        return self.judge.rule(self.unit, word) if self.judge else self.conditions.rule(word)

    def verdict(self, figures: Mapping[str, np.ndarray]) -> str:
        """The verdict on one figure per seed (S,) of each of `metrics`, in the claim's words."""
        verdict = (
            self.judge.verdict(figures[self.metric])
            if self.judge
            else self.conditions.verdict(figures)
        )
        return _OUR_WORDS[verdict] if self.ours else verdict


def ledger() -> list[Claim]:
    """Every claim, in the order of the tables."""
    return list(_committed())


def claim(id: str) -> Claim:
    """The claim with this id; raises LedgerError with the known ones."""
    claims = {claim.id: claim for claim in _committed()}
    if id not in claims:
        raise LedgerError(f"there is no claim {id!r}: the ledger has {', '.join(claims)}")
    return claims[id]


def missing(
    notebook: str, found: Collection[str], seeds: int, ending: str = ""
) -> dict[str, np.ndarray]:
    """NaN (S,) for every metric that a claim of a notebook needs and that is not among `found`.

    A run with other parameters measures less; its record has the names all the same. ending: only
    of metrics whose names end so.
    """
    asked = {name for claim in _committed() if claim.notebook == notebook for name in claim.metrics}
    return {
        name: np.full(seeds, np.nan) for name in sorted(asked - set(found)) if name.endswith(ending)
    }


def read_ledger(path: Path) -> tuple[Claim, ...]:
    """The claims in a ledger's file; raises LedgerError naming the claim and what is wrong."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise LedgerError(f"{path} is not TOML: {error}") from None
    if set(tables) != {"claim"} or not isinstance(tables["claim"], list):
        raise LedgerError(f"{path} must hold [[claim]] tables and nothing else")
    claims = {}
    for number, table in enumerate(tables["claim"], start=1):
        name = f"claim {table.get('id', f'number {number}')} in {path}"
        try:
            found = Claim.model_validate(table)
        except ValidationError as error:
            raise LedgerError(f"{name}: {in_one_line(error)}") from None
        if found.id in claims:
            raise LedgerError(f"{name} stands there twice")
        claims[found.id] = found
    return tuple(claims.values())


@cache
def _committed() -> tuple[Claim, ...]:
    return read_ledger(LEDGER)
