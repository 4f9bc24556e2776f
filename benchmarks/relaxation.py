"""What a sweep of activation relaxation and predictive coding costs, against its products alone.

Five seeds at batch 64, with the networks of notebook 12. All of it takes turns in one process of
one thread. Writes results/benchmarks.json.

    python benchmarks/relaxation.py
"""

from functools import partial
from itertools import pairwise

import torch
from common import interleaved, report

from ffcl_utils import rules
from ffcl_utils.learning.process import prepare_process
from ffcl_utils.learning.relaxation import Sweeps, relaxed_errors

SEEDS, BATCH, SWEEPS = 5, 64, 200
RULES = {"AR": "activation_relaxation", "PC": "predictive_coding"}


def parts(rule: str) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Activations (S, B, units) of every layer above the input, and the weights between them."""
    layers = rules.configure(rule, "short").layers[1:]
    generator = torch.Generator().manual_seed(0)
    active = [torch.randn(SEEDS, BATCH, units, generator=generator).relu() for units in layers]
    weights = [
        torch.randn(SEEDS, below, above, generator=generator) / below**0.5
        for below, above in pairwise(layers)
    ]
    return active, weights


def sweeps(rule: str, active: list[torch.Tensor], weights: list[torch.Tensor]) -> None:
    """As many sweeps as there may be, of all seeds."""
    never = Sweeps(0.1, SWEEPS, 0.0)
    relaxed_errors(active, active, weights, never, downwards=rule == RULES["AR"])


def products(active: list[torch.Tensor], weights: list[torch.Tensor]) -> None:
    """The products of as many sweeps, network by network; that with the output is made once."""
    for seed in range(SEEDS):
        pairs = [
            (above[seed], weight[seed].mT.contiguous())
            for above, weight in zip(active[1:-1], weights[:-1], strict=True)
        ]
        for _ in range(SWEEPS):
            for above, weight in pairs:
                above @ weight


def main() -> None:
    prepare_process()
    rivals = {}
    for name, rule in RULES.items():
        active, weights = parts(rule)
        rivals[name] = partial(sweeps, rule, active, weights)
        rivals[f"{name}, products"] = partial(products, active, weights)
    times = interleaved(rivals)
    measured = {}
    for name in RULES:
        measured[f"times_its_products_{name}"] = round(times[name] / times[f"{name}, products"], 2)
        measured[f"ms_a_sweep_{name}"] = round(1e3 * times[name] / SWEEPS, 3)
    report("relaxation", measured)


if __name__ == "__main__":
    main()
