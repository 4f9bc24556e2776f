"""The ledger: every claim as data, read from ledger.toml."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ffcl_utils.claims.judges import NOT, PARTLY, REPRODUCED, AnyJudge
from ffcl_utils.claims.record import in_one_line
from ffcl_utils.errors import UserError

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
    metrics.json. unit: how its figures are shown, "%" of images, "seeds" (1 where a seed passes,
    else 0) or "number". fixed: when the rule was fixed, and what had been seen by then.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Z]\d+[a-z]?$")
    paper: Literal["improved FFCL", "emergent representations", "ours"]
    where: Literal["abstract", "method", "experiments", "printed outputs", "–"]
    statement: str = Field(min_length=1)
    paper_says: str = Field(min_length=1)
    run: str = Field(pattern=r"^\d\d_\w+(-\w+)?$")
    metric: str = Field(min_length=1)
    unit: Literal["%", "seeds", "number"]
    dataset: Literal["mnist", "fashion_mnist"]
    judge: AnyJudge
    fixed: str = Field(min_length=1)

    @property
    def ours(self) -> bool:
        """Whether this is a question of our own."""
        return self.paper == OURS

    @property
    def notebook(self) -> str:
        """The notebook of the run: a variant's name follows a hyphen."""
        return self.run.partition("-")[0]

    @property
    def rule(self) -> str:
        """The judge's rule as a sentence, in the claim's unit and words."""
        return self.judge.rule(self.unit, SUPPORTED if self.ours else REPRODUCED)

    def verdict(self, values: np.ndarray) -> str:
        """The judge's verdict on one figure per seed (S,), in the claim's words."""
        verdict = self.judge.verdict(values)
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
