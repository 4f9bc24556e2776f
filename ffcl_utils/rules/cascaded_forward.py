"""The Cascaded Forward algorithm, CaFo (arXiv 2303.09728): a predictor of the class in every block.

Convolutional blocks stand one on the other. Each has a linear predictor of its own, which is all
that learns where the blocks are random; nothing is propagated back across blocks.
"""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from torch import Generator, Tensor

from ffcl_utils.config import InputScaling, LayerSizes, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.learning.history import History
from ffcl_utils.learning.predictors import PredictingBlocks
from ffcl_utils.learning.process import give_back_freed_memory
from ffcl_utils.learning.training import PerSeed, Phase, State
from ffcl_utils.rules.base import Rule, right

SIDE = 28  # pixels of a row and of a column
MOST_BLOCKS = 4  # each halves the side: 14, 7, 3, 1


class Config(RuleConfig):
    """Settings of CaFo; defaults are the authors' where they are known.

    `layers` is the pixels of an image and the channels of every block. blocks: "random", never
    trained; "dfa", trained by direct feedback alignment, δ = e·B with a fixed random B, through the
    block's own convolution and batch norm. predictor: what it minimises; "mse" is solved at once,
    with `ridge` as λ, and epochs, batch size, learning rate and schedule then have no meaning.

    What deviates: Adam on mini-batches, with a learning rate that falls to 0, stands for full-batch
    steps; at the paper preset their number is the authors' 5000 for each block. Batch norm has
    nothing to learn, and for evaluation it is frozen at the statistics of the training images,
    where the authors' goes on with those of the test batch. With "mse" the blocks' scores are added
    as they are, not their softmaxes. Not known, and chosen here: e is the
    error of the softmax of the block's own predictor, which learns along with the block, one block
    after the other; how B and the convolutions are drawn, the frame of one pixel around an image,
    the scaling of images, and for "dfa" all numbers of the training.
    """

    training: ClassVar[str] = "sequential"  # the store counts the epochs of a job by it
    layers: LayerSizes = (PIXELS, 32, 128, 512)
    epochs: PositiveInt = 50
    batch_size: PositiveInt = 600
    learning_rate: PositiveFloat = 0.01
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    blocks: Literal["random", "dfa"] = "random"
    predictor: Literal["mse", "cross_entropy", "sparsemax"] = "cross_entropy"
    ridge: NonNegativeFloat = 0.0
    input_scaling: InputScaling = "standardised"

    @field_validator("layers")
    @classmethod
    def _blocks_that_fit_images(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if layers[0] != PIXELS or len(layers) > 1 + MOST_BLOCKS:
            raise ValueError(f"needs {PIXELS} pixels, then channels of 1 to {MOST_BLOCKS} blocks")
        return layers

    @field_validator("predictor")
    @classmethod
    def _an_error_to_learn_from(cls, predictor: str, info: ValidationInfo) -> str:
        if predictor == "mse" and info.data.get("blocks") == "dfa":
            raise ValueError('it is solved at once, but blocks="dfa" learns by its error in steps')
        return predictor


class CascadedForward(Rule):
    """CaFo networks of all seeds. A block that learns has a loss apart from its predictor's."""

    Config = Config
    title = "CaFo"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 4, "batch_size": 100, "layers": (PIXELS, 8, 16, 32)},
        "short": {"seeds": 3, "epochs": 5, "layers": (PIXELS, 16, 32, 64), "products": "auto"},
        "paper": {"seeds": 5, "products": "auto"},
    }

    def build(self) -> None:
        """Make the networks."""
        channels, learning = self.config.layers[1:], self.config.blocks == "dfa"
        self.network = PredictingBlocks(channels, SIDE, self.generators, learning)

    def fixed(self) -> list[Tensor]:
        """What carries the error to blocks that learn."""
        return self.network.feedback if self.network.learning else []

    def stacks(self) -> dict[str, PredictingBlocks]:
        """The one stack."""
        return {"": self.network}

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, 9 · channels below, channels) of every block."""
        return self.network.weights

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the networks see them, (N, 1, 28, 28)."""
        return super().scaled(images).unflatten(1, (1, SIDE, SIDE))

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One a block, from the first on. Evaluated while the last one learns: the test accuracy.

        The values of "train_loss/layer<k>" of blocks that learn mean nothing, so there is no total.
        """
        images, count = self.scaled(data.train_images), len(data.train_images)
        labels = data.train_labels.to(images.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            return {"image": torch.randperm(count, generator=generator)}

        for k, parameters in enumerate(self.network.learnt):
            if not self.network.learning:
                self.network.measure(k, images)
            seen = self.network.seen(k, images)
            losses = partial(self.network.batch_losses, k, seen, labels, self.config.predictor)
            evaluate = partial(self._evaluate, k, images, data)
            yield Phase(draw_epoch, count, losses, parameters, evaluate, total=False)
            seen.clear()  # before the next block's are made: two of them might not fit the memory
            give_back_freed_memory()

    def _evaluate(self, k: int, images: Tensor, data: Dataset) -> PerSeed:
        if self.network.learning:
            self.network.measure(k, images)
        return self._test_accuracy(data) if k == len(self.network.weights) - 1 else {}

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """On the first training images."""
        shown = self.scaled(data.train_images[:images])
        labels = data.train_labels[:images].to(shown.device).expand(self.config.seeds, -1)
        return self.network.losses_of_all(shown, labels, self.config.predictor)

    def fit(self, data: Dataset, after_epoch=lambda _: None, start: State | None = None) -> History:
        """As Rule has it; the predictors of "mse" are solved, in one epoch."""
        if self.config.predictor != "mse":
            return super().fit(data, after_epoch, start)
        values = start.values if start else self._solve(data)
        self.history = History(tuple(self.config.seed_list), values)
        if not start:
            # No optimiser has a state, but a checkpoint needs an entry to be read again.
            nothing = {"state": {0: {"step": torch.zeros(())}}, "param_groups": []}
            states = [generator.get_state() for generator in self.generators]
            after_epoch(State(0, 1, {}, values, [], nothing, {}, states))
        return self.history

    def _solve(self, data: Dataset) -> dict:
        images = self.scaled(data.train_images)
        found = self.network.solve(images, data.train_labels.to(images.device), self.config.ridge)
        figures = {f"train_loss/{name}": loss for name, loss in found.items()}
        figures |= self._test_accuracy(data)
        return {name: values.numpy(force=True)[None] for name, values in figures.items()}

    def _test_accuracy(self, data: Dataset) -> PerSeed:
        return {"test_accuracy/all": right(self, data).double().mean(-1)}

    def predict(self, images: Tensor) -> Tensor:
        """Scores (S, N, 10): the mean of the blocks' softmaxes, of "mse" of their scores."""
        return self.network.scores(self.scaled(images), self.config.predictor != "mse").cpu()

    def probabilities(self, images: Tensor) -> Tensor:
        """Scores (S, N, 10) that add up to 1 over the classes."""
        scores = self.predict(images)
        return scores.softmax(-1) if self.config.predictor == "mse" else scores

    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of every block before batch norm. Labels are not used."""
        return [layer.cpu() for layer in self.network.representations(self.scaled(images))]

    @classmethod
    def epochs_in_all(cls, config: Config) -> int:
        """Those of every block; what is solved at once counts as one."""
        return 1 if config.predictor == "mse" else super().epochs_in_all(config)

    @classmethod
    def work(cls, config: Config) -> float:
        """Convolutions as often as they are computed, and predictors in every epoch.

        For the same number of products a convolution was seen to take two to three times as long
        as a layer; random blocks are computed once, and once more for what is evaluated.
        """
        convolutions, predictors, below = 0, 0, 1
        for k, channels in enumerate(config.layers[1:]):
            convolutions += 9 * below * channels * (SIDE >> k) ** 2
            predictors += 10 * channels * (SIDE >> k + 1) ** 2
            below = channels
        times = 2.3 * config.epochs if config.blocks == "dfa" else 2.8
        return times * convolutions + config.epochs * predictors

    @classmethod
    def seeds_of_a_job(cls, config: RuleConfig) -> int:
        """One: nothing is faster for several."""
        return 1


RULE = CascadedForward
