"""One batch of a new learning rule: a mistake in it is found before any training."""

from collections.abc import Callable

import torch
from torch import Tensor

from ffcl_utils.data.datasets import Dataset
from ffcl_utils.errors import NotebookError
from ffcl_utils.learning.training import PerSeed, Phase, generators_for, visits_of
from ffcl_utils.rules.base import Rule

FEW = 4  # images whose scores are looked at


def first_batch(rule: Rule, data: Dataset) -> str:
    """Ask a rule for the losses and gradients of its first batch, and for a few scores.

    Returns what it found, in a sentence; the rule and its random draws stay as they were. Raises
    NotebookError that names the method, the loss or the parameter, and what is wrong with it.
    """
    before = [generator.get_state() for generator in rule.generators]
    phase = _asked("phases", lambda: next(iter(rule.phases(data))))
    for generator, state in zip(rule.generators, before, strict=True):
        generator.set_state(state)  # a phase may draw from them as it begins
    visits = _asked("draw_epoch", lambda: visits_of(phase, generators_for(rule.config.seed_list)))
    batch = {name: rows[:, : rule.config.batch_size] for name, rows in visits.items()}
    losses = _asked("losses", lambda: phase.losses(batch))
    _check_losses(losses, rule.config.seeds)
    _check_gradients(losses, phase, rule)
    _check_scores(rule, data)
    means = ", ".join(f"{name} {loss.mean().item():.3g}" for name, loss in losses.items())
    images = next(iter(batch.values())).shape[1]
    return f"One batch of {images}: {means}. Every parameter of the first phase gets a gradient."


def _asked(method: str, call: Callable):
    """What a call gives; any error as one that says in which method it was."""
    try:
        return call()
    except StopIteration:
        raise NotebookError(f"{method}: there is none; yield at least one Phase") from None
    except Exception as error:
        where = _line(error)
        raise NotebookError(f"{method}{where}: {type(error).__name__}: {error}") from error


def _line(error: Exception) -> str:
    """ ", line 12 of losses", for the last step of the error in code that the reader wrote."""
    steps, found = error.__traceback__, ""
    while steps is not None:
        code = steps.tb_frame.f_code
        if "ipykernel" in code.co_filename or code.co_filename.startswith("<"):
            found = f", line {steps.tb_lineno} of {code.co_name}"
        steps = steps.tb_next
    return found


def _check_losses(losses: PerSeed, seeds: int) -> None:
    if not isinstance(losses, dict) or not losses:
        raise NotebookError("losses: return a dict, such as {'layer1': loss}")
    for name, loss in losses.items():
        if not isinstance(loss, Tensor):
            raise NotebookError(f"losses: {name!r} is a {type(loss).__name__}, not a tensor")
        if loss.shape != (seeds,):
            raise NotebookError(
                f"losses: {name!r} has the shape {tuple(loss.shape)}, not ({seeds},): one loss for "
                "each seed, so take the mean over all other axes"
            )
        if not loss.isfinite().all():
            raise NotebookError(f"losses: {name!r} is {loss.tolist()} on the first batch")


def _check_gradients(losses: PerSeed, phase: Phase, rule: Rule) -> None:
    total = torch.stack(list(losses.values())).sum()
    if not total.requires_grad:
        raise NotebookError("losses: no loss depends on a parameter: is one detached, or no_grad?")
    gradients = torch.autograd.grad(total, phase.parameters, allow_unused=True)
    names = {id(value): name for name, value in rule.tensors().items()}
    for k, (parameter, gradient) in enumerate(zip(phase.parameters, gradients, strict=True)):
        name = names.get(id(parameter), f"parameter {k} of shape {tuple(parameter.shape)}")
        if gradient is None:
            raise NotebookError(f"{name} gets no gradient: no loss depends on it")
        if not gradient.isfinite().all():
            raise NotebookError(f"the gradient of {name} is not finite on the first batch")


def _check_scores(rule: Rule, data: Dataset) -> None:
    images = data.test_images[:FEW]
    scores = _asked("predict", lambda: rule.predict(images))
    expected = (rule.config.seeds, len(images), 10)
    if tuple(scores.shape) != expected:
        raise NotebookError(
            f"predict: the scores have the shape {tuple(scores.shape)}, not {expected}: (seeds, "
            "images, classes)"
        )
    if not scores.isfinite().all():
        raise NotebookError("predict: a score is not finite before the training")
