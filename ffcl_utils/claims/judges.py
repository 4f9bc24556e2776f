"""The judges: each turns one figure per seed into a verdict, and writes its rule as a sentence.

A judge's verdict and its sentence are made from the same numbers. Figures of accuracy are fractions
of 1; the sentence shows them in per cent where the claim's unit is "%".

A seed may have no figure (NaN), because it diverged. The judge then looks at the others, and the
verdict is one step lower than theirs: "partly" for "reproduced", else "not reproduced".
`share_of_seeds` and `exactly` count such a seed as failed instead; "reproduced" needs a figure of
every seed there too.
"""

from itertools import combinations
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

from ffcl_utils.claims.summary import DECIMALS, interval, mean

REPRODUCED, PARTLY, NOT = "reproduced", "partly", "not reproduced"
ONE_STEP_LOWER = {REPRODUCED: PARTLY, PARTLY: NOT, NOT: NOT}

Share = Annotated[float, Field(ge=0, le=1)]


class Judge(BaseModel):
    """What all judges have in common: numbers that are checked and never change."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    def verdict(self, values: ArrayLike) -> str:
        """ "reproduced", "partly" or "not reproduced", from one figure per seed (S,); NaN: none."""
        values = np.asarray(values, dtype=float)
        figures = values[~np.isnan(values)]
        if not figures.size:
            return NOT
        verdict = self._of(figures)
        return verdict if figures.size == values.size else ONE_STEP_LOWER[verdict]

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        """The rule as a sentence without its full stop.

        unit: of the claim, "%", "points", "seeds" or "number". word: for a claim that holds.
        """
        raise NotImplementedError

    def _of(self, values: np.ndarray) -> str:
        """The verdict on figures (S,) without NaN, at least one."""
        raise NotImplementedError


class _Band(Judge):
    low: float
    high: float

    @model_validator(mode="after")
    def _in_order(self):
        if self.low > self.high:
            raise ValueError(f"low = {self.low:g} is above high = {self.high:g}")
        return self


class BestSeedWithin(_Band):
    """For "up to": reproduced where the best seed is within the band, partly where it is above."""

    name: Literal["best_seed_within"] = "best_seed_within"

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        band = _range(self.low, self.high, unit)
        return f"best seed within {band}: {word}; above: partly; otherwise not"

    def _of(self, values: np.ndarray) -> str:
        best = values.max()
        if best > self.high:
            return PARTLY
        return REPRODUCED if best >= self.low else NOT


class BestOfSubsetWithin(_Band):
    """For the best of a few runs, where there are more: the best seed of every set of `runs` seeds.

    Reproduced where the median of these best seeds is within the band. Of twice as many seeds as
    `runs`, that is halfway between the highest and the second highest.
    """

    name: Literal["best_of_subset_within"] = "best_of_subset_within"
    runs: int = Field(ge=1)

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        band = _range(self.low, self.high, unit)
        return (
            f"median, over all sets of {self.runs} seeds, of the best seed within {band}: {word}; "
            "otherwise not"
        )

    def _of(self, values: np.ndarray) -> str:
        if len(values) < self.runs:
            return NOT
        best = [max(few) for few in combinations(values.tolist(), self.runs)]
        return REPRODUCED if self.low <= float(np.median(best)) <= self.high else NOT


class MeanWithin(_Band):
    """Reproduced where the mean over seeds is within the band, partly where it is off by up to
    `margin`."""

    name: Literal["mean_within"] = "mean_within"
    margin: NonNegativeFloat

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        band, margin = _range(self.low, self.high, unit), _points(self.margin, unit)
        return (
            f"mean over the seeds within {band}: {word}; off by up to {margin}: partly; "
            "otherwise not"
        )

    def _of(self, values: np.ndarray) -> str:
        off = round(max(self.low - mean(values), mean(values) - self.high, 0.0), DECIMALS)
        if off == 0:
            return REPRODUCED
        return PARTLY if off <= self.margin else NOT


class MeanNear(Judge):
    """For one printed run: reproduced where the mean over seeds is at most `near` away from its
    figure, partly where it is at most `margin` away."""

    name: Literal["mean_near"] = "mean_near"
    figure: float
    near: NonNegativeFloat
    margin: NonNegativeFloat

    @model_validator(mode="after")
    def _in_order(self):
        if self.near >= self.margin:
            raise ValueError(f"near = {self.near:g} is not below margin = {self.margin:g}")
        return self

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        near, margin = (_points(value, unit) for value in (self.near, self.margin))
        return (
            f"mean over the seeds at most {near} from {in_unit(self.figure, unit)}: {word}; at "
            f"most {margin}: partly; otherwise not"
        )

    def _of(self, values: np.ndarray) -> str:
        off = round(abs(mean(values) - self.figure), DECIMALS)
        if off <= self.near:
            return REPRODUCED
        return PARTLY if off <= self.margin else NOT


class _Steps(Judge):
    reproduced: Share
    partly: Share

    @model_validator(mode="after")
    def _in_order(self):
        if self.partly > self.reproduced:
            raise ValueError(f"partly = {self.partly:g} is above reproduced = {self.reproduced:g}")
        return self

    def _of(self, values: np.ndarray) -> str:
        share = mean(values)
        if share >= self.reproduced:
            return REPRODUCED
        return PARTLY if share >= self.partly else NOT


class MeanAtLeast(_Steps):
    """For a share that each seed has: reproduced and partly from these means over seeds upwards."""

    name: Literal["mean_at_least"] = "mean_at_least"

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        reproduced, partly = (in_unit(x, unit) for x in (self.reproduced, self.partly))
        return (
            f"mean over the seeds at least {reproduced}: {word}; at least {partly}: partly; "
            "otherwise not"
        )


class ShareOfSeeds(_Steps):
    """For a criterion that each seed meets (1) or not (0); criterion: in words."""

    name: Literal["share_of_seeds"] = "share_of_seeds"
    criterion: str = Field(min_length=1)

    def verdict(self, values: ArrayLike) -> str:
        """As of every judge; a seed without a figure (NaN) does not meet the criterion."""
        values = np.asarray(values, dtype=float)
        missing = np.isnan(values)
        if missing.all():
            return NOT
        verdict = self._of(np.where(missing, 0.0, values))
        return PARTLY if verdict == REPRODUCED and missing.any() else verdict

    def rule(self, unit: str = "seeds", word: str = REPRODUCED) -> str:
        reproduced, partly = (in_unit(x, "%") for x in (self.reproduced, self.partly))
        return (
            f"at least {reproduced} of the seeds pass ({self.criterion}): {word}; at least "
            f"{partly}: partly; otherwise not"
        )


class Exactly(Judge):
    """Reproduced where every seed gives this very figure, to the last bit."""

    name: Literal["exactly"] = "exactly"
    expected: float

    def verdict(self, values: ArrayLike) -> str:
        """As of every judge; a seed without a figure (NaN) does not give the expected one."""
        values = np.asarray(values, dtype=float)
        return REPRODUCED if values.size and (values == self.expected).all() else NOT

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        met = " (met)" if unit == "seeds" and self.expected == 1 else ""
        return f"exactly {in_unit(self.expected, unit)}{met} for every seed: {word}; otherwise not"


class IntervalAbove(Judge):
    """For a difference per seed: reproduced where its 95 % interval lies above the bound, partly
    where it only lies above 0. Of a single seed there is no interval."""

    name: Literal["interval_above"] = "interval_above"
    bound: NonNegativeFloat

    def rule(self, unit: str = "number", word: str = REPRODUCED) -> str:
        partly = " above 0: partly;" if self.bound > 0 else ""
        bound = _points(self.bound, unit)
        return f"{_INTERVAL} above {bound}: {word};{partly} otherwise not"

    def _of(self, values: np.ndarray) -> str:
        low, _ = ends(values)
        if low > self.bound:
            return REPRODUCED
        return PARTLY if low > 0 else NOT


AnyJudge = Annotated[
    BestSeedWithin
    | BestOfSubsetWithin
    | MeanWithin
    | MeanNear
    | MeanAtLeast
    | ShareOfSeeds
    | Exactly
    | IntervalAbove,
    Field(discriminator="name"),
]
_INTERVAL = "95 % interval of the difference over seeds"


def ends(values: np.ndarray) -> tuple[float, float]:
    """The ends of the 95 % interval of (S,), to 12 decimals; of one seed alone, infinite."""
    low, high = interval(values) or (-np.inf, np.inf)
    return round(low, DECIMALS), round(high, DECIMALS)


def _number(value: float) -> str:
    return f"{value:.10g}"


def in_unit(value: float, unit: str) -> str:
    """A figure as the sentences show it: in per cent where the unit is "%" of images."""
    if unit == "points":
        return _points(value, unit)
    return f"{_number(100 * value)} %" if unit == "%" else _number(value)


def _range(low: float, high: float, unit: str) -> str:
    if unit == "%":
        return f"{_number(100 * low)}–{_number(100 * high)} %"
    return f"{_number(low)}–{_number(high)}"


def _points(value: float, unit: str) -> str:
    """A difference of two figures: percentage points where these are in per cent."""
    if unit not in ("%", "points"):
        return _number(value)
    points = round(100 * value, 10)
    return f"{_number(points)} point{'s' * (abs(points) != 1)}"
