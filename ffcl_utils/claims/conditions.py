"""Conditions: named tests of several figures of a run, and which of them a verdict needs.

For a claim that one figure cannot decide. A judge (judges.py) looks at a single one.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ffcl_utils.claims.judges import NOT, ONE_STEP_LOWER, PARTLY, REPRODUCED, ends, in_unit
from ffcl_utils.claims.summary import mean

# By name: whether the figures (S,) of the seeds that have one meet the bound, and how that is said.
_TESTS: dict[str, tuple[Callable[[np.ndarray, float], bool], str]] = {
    "mean_at_least": (lambda v, bound: mean(v) >= bound, "at least {}"),
    "mean_at_most": (lambda v, bound: mean(v) <= bound, "at most {}"),
    "mean_above": (lambda v, bound: mean(v) > bound, "above {}"),
    "size_at_least": (lambda v, bound: abs(mean(v)) >= bound, "at least {} away from 0"),
    "interval_above": (lambda v, bound: ends(v)[0] > bound, "95 % interval above {}"),
    "interval_below": (lambda v, bound: ends(v)[1] < bound, "95 % interval below {}"),
    "seeds_at_least": (lambda v, bound: len(v) >= bound, "from at least {} seeds"),
    "interval_without": (
        lambda v, bound: ends(v)[0] > bound or ends(v)[1] < bound,
        "95 % interval without {}",
    ),
}


class Condition(BaseModel):
    """A figure of the run, one value per seed, and a test of it.

    says: what the figure is, for the sentence of the rule. test: of the mean over seeds, or of its
    95 % interval (Student). bound: in the figure's own unit, for "%" and "points" as a fraction of
    1.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    metric: str = Field(min_length=1)
    says: str = Field(min_length=1)
    test: Literal[tuple(_TESTS)]
    bound: float
    unit: Literal["%", "points", "number"] = "number"

    def holds(self, values: np.ndarray) -> bool:
        """Whether the figures (S,) meet it; a seed without one (NaN) is left out."""
        known = values[~np.isnan(values)]
        return bool(known.size) and bool(_TESTS[self.test][0](known, self.bound))

    @property
    def sentence(self) -> str:
        """The condition in words."""
        return f"{self.says} {_TESTS[self.test][1].format(in_unit(self.bound, self.unit))}"


class Conditions(BaseModel):
    """What "reproduced" and "partly" need: any of several sets of conditions, by their names."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    named: dict[str, Condition] = Field(min_length=1)
    reproduced: list[list[str]] = []
    partly: list[list[str]] = []

    @model_validator(mode="after")
    def _all_named_and_used(self):
        used = {name for sets in (self.reproduced, self.partly) for one in sets for name in one}
        if used != set(self.named):
            wrong = ", ".join(sorted(used ^ set(self.named)))
            raise ValueError(f"{wrong}: every condition must be named, and asked for by a verdict")
        if any(not one for sets in (self.reproduced, self.partly) for one in sets):
            raise ValueError("an empty set of conditions would always hold")
        return self

    @property
    def metrics(self) -> list[str]:
        """The names of the figures that are looked at."""
        return list(dict.fromkeys(condition.metric for condition in self.named.values()))

    def verdict(self, figures: Mapping[str, np.ndarray]) -> str:
        """ "reproduced", "partly" or "not reproduced", from figures (S,) by metric.

        One step lower where a seed has none of a figure (NaN) that the verdict rests on.
        """
        for word, sets in ((REPRODUCED, self.reproduced), (PARTLY, self.partly)):
            for one in sets:
                asked = [self.named[name] for name in one]
                values = [np.asarray(figures[c.metric], dtype=float) for c in asked]
                if all(c.holds(v) for c, v in zip(asked, values, strict=True)):
                    whole = not any(np.isnan(v).any() for v in values)
                    return word if whole else ONE_STEP_LOWER[word]
        return NOT

    def rule(self, word: str = REPRODUCED) -> str:
        """The rule as a sentence without its full stop. word: for a claim that holds."""
        parts = []
        for verdict, sets in ((word, self.reproduced), (PARTLY, self.partly)):
            if sets:
                either = "; or ".join(
                    ", and ".join(self.named[name].sentence for name in one) for one in sets
                )
                parts.append(f"{either}: {verdict}")
        return "; ".join([*parts, "otherwise not"])
