"""The worked batches of notebooks 01, 03, 08 and 12, term by term.

Each table repeats by hand what a function of `learning` computes at once; of a loss, the mean of
the last column is what that function returns.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize, softplus


def pairs(
    first: Tensor, second: Tensor, labels: Tensor, partner_labels: Tensor, margin: float
) -> pd.DataFrame:
    """The representation loss of improved FFCL, pair by pair, as `cosine_embedding_loss` has it.

    first, second: activations (B, U) of the twins. labels, partner_labels: (B,).
    """
    cosine = (normalize(first, dim=-1) * normalize(second, dim=-1)).sum(-1)
    same = labels == partner_labels
    return pd.DataFrame(
        {
            "class of x": labels,
            "class of x'": partner_labels,
            "h": _vectors(first),
            "h'": _vectors(second),
            "cos(h, h')": cosine,
            "rule": np.where(same, "1 - cos", f"max(0, cos - {margin:g})"),
            "loss": [
                float(1 - c if s else max(0, c - margin)) for c, s in zip(cosine, same, strict=True)
            ],
        }
    ).rename_axis("pair")


def goodness(positive: Tensor, negative: Tensor, threshold: float) -> pd.DataFrame:
    """The loss of a layer of FF, image by image, as `goodness_loss` has it.

    positive, negative: activations (B, U) for the right label and for a wrong one.
    """
    good, bad = positive.norm(dim=-1), negative.norm(dim=-1)
    terms = softplus(threshold - good), softplus(bad - threshold)
    return pd.DataFrame(
        {
            "h, right label": _vectors(positive),
            "g+": good,
            "log(1 + exp(θ - g+))": terms[0],
            "h, wrong label": _vectors(negative),
            "g-": bad,
            "log(1 + exp(g- - θ))": terms[1],
            "loss": (terms[0] + terms[1]) / 2,
        }
    ).rename_axis("image")


def class_means(first: Tensor, second: Tensor, labels: Tensor, temperature: float) -> pd.DataFrame:
    """The loss of mirror contrast, image by image of the first twin, against the second's means.

    first, second: activations (B, U); labels: (B,) of both. One of the two directions of
    `class_mean_loss`.
    """
    present = labels.unique()
    means = {
        int(c): normalize(normalize(second, dim=-1)[labels == c].sum(0), dim=0) for c in present
    }
    cosines = {c: normalize(first, dim=-1) @ mean for c, mean in means.items()}
    scores = pd.DataFrame(cosines).div(temperature)
    shares = np.exp(scores.sub(scores.max(axis=1), axis=0))
    shares = shares.div(shares.sum(axis=1), axis=0)
    right = np.array([shares.loc[k, int(c)] for k, c in enumerate(labels)])
    table = {"class": labels, "h": _vectors(first)}
    table |= {f"cos(h, μ'{c})": cosine for c, cosine in cosines.items()}
    return pd.DataFrame(
        table | {"share of the right class": right, "loss": -np.log(right)}
    ).rename_axis("image")


def errors(
    error: Tensor, activations: Tensor, weights: Tensor, random: Tensor, sweeps: int, step: float
) -> pd.DataFrame:
    """What reaches a hidden layer of one image by four ways back, and the cosine with backprop's.

    error: (classes,), of the output. activations: (units,), of the ReLU layer. weights, random:
    (units, classes), those of the output, and fixed ones. sweeps, step: of activation relaxation,
    from 0. A silent unit gets nothing.
    """
    active = activations > 0
    wanted = weights @ error
    relaxed = torch.zeros_like(wanted)
    for _ in range(sweeps):
        relaxed = relaxed - step * (relaxed - wanted)
    ways = {
        "backpropagation": wanted,
        "feedback alignment": random @ error,
        f"activation relaxation, {sweeps} sweeps": relaxed,
        "a local loss": torch.zeros_like(wanted),
    }
    rows = {}
    for way, found in ways.items():
        found = found * active
        cosine = cosine_similarity(found, wanted * active, dim=0).item()
        rows[way] = {f"unit {k}": value for k, value in enumerate(found.tolist())}
        rows[way]["cosine"] = cosine if found.any() else np.nan
    return pd.DataFrame(rows).T


def _vectors(rows: Tensor) -> list[str]:
    return [f"({', '.join(f'{value:g}' for value in row)})" for row in rows.tolist()]
