"""Deep twins: twin networks of any depth, dense or convolutional, with what helps deep networks.

Improved FFCL (arXiv 2405.03432) asks whether twins learn in deeper and other architectures. Here
every hidden block of one twin has the same block of the other as its guide, as there, and may have
a head of its own besides, a linear classifier. No gradient of a block's loss reaches another block.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator
from torch import Generator, Tensor

from ffcl_utils.config import ConfigError, InputScaling, RuleConfig
from ffcl_utils.data.datasets import PIXELS, Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, take
from ffcl_utils.learning.blocks import Shape, TwinBlocks
from ffcl_utils.learning.losses import (
    CLASSIFICATION_LOSSES,
    class_mean_loss,
    cosine_embedding_loss,
    cross_entropy_loss,
)
from ffcl_utils.learning.mutual import mutual_loss
from ffcl_utils.learning.pairing import balanced_partners, random_partners
from ffcl_utils.learning.shifts import framed, moved, windows
from ffcl_utils.learning.training import PerSeed, Phase
from ffcl_utils.learning.twins import with_mean
from ffcl_utils.rules._classifier import ClassifierLayers
from ffcl_utils.rules._twins import TwinRule

CHUNK = 500  # images evaluated at once: bounds the memory, changes no figure
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits (S, B, 10) and labels (S, B), each (S,)
PARTNERS = {"random": random_partners, "balanced": balanced_partners}


class Config(RuleConfig):
    """Settings of deep twins. The defaults are improved FFCL's with half of the pairs of one class.

    contrast: of a block with its guide's: the cosine embedding loss of pairs (`pairing`, `margin`),
    each image against the class means of the guide's batch (`temperature`), or none. guide: the
    twin, or each network itself (one half of its batch against the other). head: how much the
    cross-entropy of the heads of a pair of blocks, a sum over both, counts beside it, a mean.
    read_out: whether a twin has heads and output for itself, or both have them together ("joint"),
    whose logits are the sums of both twins' parts. mutual: how much each head, and the output,
    learns from the twin's opinion of the same image (`mutual_loss`). across: a control, in which
    gradients of the same losses cross the blocks. prediction: by the output, or by it and all
    heads. pools: the convolutional blocks that end with pooling. dropout: of what a block passes
    on. shift: by how many pixels at most an image is moved in training.
    """

    layers: ClassifierLayers = (PIXELS, 64, 64, 10)
    convolutional: bool = False
    pools: tuple[PositiveInt, ...] = Field(default=(), strict=False)
    skip: bool = False
    norm: Literal["none", "length", "batch"] = "none"
    slope: float = Field(default=0.0, ge=0, lt=1)
    contrast: Literal["cosine_embedding", "class_means", "none"] = "cosine_embedding"
    pairing: Literal["random", "balanced"] = "balanced"
    margin: float = Field(default=0.0, ge=-1, le=1)
    temperature: PositiveFloat = 0.035
    guide: Literal["twin", "itself"] = "twin"
    head: NonNegativeFloat = 0.0
    read_out: Literal["own", "joint"] = "own"
    mutual: NonNegativeFloat = 0.0
    across: bool = False
    classification_loss: Literal["bce", "cross_entropy"] = "bce"
    prediction: Literal["output", "heads"] = "output"
    predictor: Literal["first", "second", "mean"] = "mean"
    epochs: PositiveInt = 30
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-4
    schedule: Literal["one_cycle", "constant"] = "constant"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    shift: int = Field(default=0, ge=0, le=8)
    input_scaling: InputScaling = "unit"

    @model_validator(mode="after")
    def _possible(self) -> "Config":
        if self.pools and not self.convolutional:
            raise ValueError("pools: only convolutional blocks have images to pool")
        if len(self.pools) > 4 or any(k > len(self.layers) - 2 for k in self.pools):
            raise ValueError("pools: the numbers of at most four hidden blocks, from 1")
        if self.prediction == "heads" and not self.head:
            raise ValueError('prediction="heads" needs head above 0')
        if self.contrast == "none" and not self.head and not self.across:
            raise ValueError(
                'contrast="none" needs head above 0: blocks would have nothing to learn'
            )
        if self.guide == "itself" and (self.contrast != "class_means" or self.batch_size < 2):
            raise ValueError(
                'guide="itself" needs contrast="class_means" and a batch of two or more'
            )
        if self.norm == "batch" and self.batch_size < 2:
            raise ValueError('norm="batch" needs a batch of two or more')
        if self.read_out == "joint" and self.predictor != "mean":
            raise ValueError('read_out="joint" needs predictor="mean": a twin alone has half of it')
        if self.mutual and self.read_out == "joint":
            raise ValueError(
                'mutual above 0 needs read_out="own": of a joint read-out there is no other one'
            )
        if self.same_images and self.contrast == "cosine_embedding":
            raise ValueError(
                'read_out="joint" and mutual above 0 show both twins the same images: they need '
                'contrast="class_means" or "none"'
            )
        return self

    @property
    def same_images(self) -> bool:
        """Whether the twins see the same images, each with pixels dropped, or shifted, anew."""
        return self.read_out == "joint" or self.mutual > 0


class DeepTwins(TwinRule):
    """Twin networks of all seeds."""

    Config = Config
    title = "deep twins"
    local = True
    backward_pass = False
    presets = {
        "smoke": {"seeds": 2, "epochs": 3, "batch_size": 128, "learning_rate": 1e-3},
        "short": {"seeds": 3, "epochs": 10},
        "paper": {"seeds": 3},
    }

    def build(self) -> None:
        """Make both twins."""
        settings = self.config
        shape = Shape(
            settings.layers[:-1],
            settings.convolutional,
            settings.pools,
            settings.skip,
            settings.norm,
            settings.slope,
            settings.head > 0,
            settings.across,
        )
        self.twins = TwinBlocks(shape, self.generators)
        self.local, self.backward_pass = not settings.across, settings.across

    def phases(self, data: Dataset) -> Iterator[Phase]:
        """One: all blocks learn at once. Evaluated: the test accuracy of each twin and of both."""
        settings, count = self.config, len(data.train_labels)
        alone = count % settings.batch_size == 1
        if alone and (settings.guide == "itself" or settings.norm == "batch"):
            raise ConfigError(
                f"batch_size={settings.batch_size}: {count} training images leave a last batch of "
                f"one, which has nothing to be compared with; choose another size"
            )
        frames = self.scaled(framed(data.train_images, settings.shift))
        places = windows(PIXELS, settings.shift).to(frames.device)
        labels = data.train_labels.to(frames.device)
        kept = {"pixels": pixel_masks(MASKS, PIXELS, settings.input_dropout)}
        kept |= {
            f"block{k}": pixel_masks(MASKS, units, settings.dropout)
            for k, units in enumerate(settings.layers[1:-1])
        }
        masks = {name: table.to(frames.device) for name, table in kept.items()}
        dropped = ["pixels"] * (settings.input_dropout > 0)
        dropped += [name for name in masks if name != "pixels" and settings.dropout]
        drawing = dict.fromkeys(dropped, MASKS) | ({"shift": len(places)} if settings.shift else {})

        def draw_epoch(generator: Generator) -> PerSeed:
            first = torch.randperm(count, generator=generator)
            if settings.same_images:
                second = first
            elif settings.contrast == "cosine_embedding":
                second = PARTNERS[settings.pairing](data.train_labels, generator)[first]
            else:
                second = torch.randperm(count, generator=generator)
            drawn = {"first": first, "second": second}
            for name, number in drawing.items():
                one, other = torch.randint(number, (2, count), generator=generator)
                drawn |= {f"first_{name}": one, f"second_{name}": other}
            return drawn

        def losses(batch: PerSeed) -> PerSeed:
            def of_both(name: str) -> Tensor:
                return torch.cat([batch[f"first{name}"], batch[f"second{name}"]])

            rows = of_both("")
            if settings.shift:
                seen = moved(frames, places, rows, of_both("_shift"))
            else:
                seen = take(frames, rows)
            met = {name: take(masks[name], of_both(f"_{name}")) for name in dropped}
            if "pixels" in met:
                seen *= met.pop("pixels")
            of_blocks = list(met.values()) or None
            found = self.twins.both.forward(seen, masks=of_blocks, learn=True)
            return self.losses_of_pairs(found, take(labels, rows))

        evaluate = partial(self.test_accuracies, data)
        yield Phase(draw_epoch, count, losses, self.twins.both.parameters(), evaluate)

    def losses_of_pairs(self, seen: list[Tensor], labels: Tensor) -> PerSeed:
        """One loss (S,) a pair of blocks, and the output's; arguments as TwinRule's."""
        both, settings, found = self.twins.both, self.config, {}
        for k, block in enumerate(seen[:-1]):
            features = both.features(block)
            loss = self._contrast(*features.chunk(2), *labels.chunk(2))
            if settings.head:
                read = self._read_out(both.classify(k, features), labels, cross_entropy_loss)
                loss = loss + settings.head * read
            found[f"layer{k + 1}"] = loss
        output = CLASSIFICATION_LOSSES[settings.classification_loss]
        return found | {"output": self._read_out(seen[-1], labels, output)}

    def _read_out(self, logits: Tensor, labels: Tensor, of: Loss) -> Tensor:
        """Loss (S,) of the read-outs of a pair of blocks, from logits (2S, B, 10) of each twin."""
        one, other = logits.chunk(2)
        if self.config.read_out == "joint":
            return 2 * of(one + other, labels.chunk(2)[0])  # twice, as two that each have their own
        loss = of(logits, labels).unflatten(0, (2, -1)).sum(0)
        if self.config.mutual:
            loss = loss + self.config.mutual * mutual_loss(one, other)
        return loss

    def _contrast(self, one: Tensor, other: Tensor, labels: Tensor, theirs: Tensor) -> Tensor:
        settings = self.config
        if settings.contrast == "none":
            return one.new_zeros(len(one))
        if settings.contrast == "cosine_embedding":
            contrast = partial(cosine_embedding_loss, margin=settings.margin)
        else:
            contrast = partial(class_mean_loss, temperature=settings.temperature)
        if settings.guide == "twin":
            return contrast(one, other, labels, theirs)
        half = labels.shape[1] // 2
        alone = [
            contrast(own[:, :half], own[:, half:], seen[:, :half], seen[:, half:])
            for own, seen in ((one, labels), (other, theirs))
        ]
        return (alone[0] + alone[1]) / 2

    def example_losses(self, data: Dataset, images: int = 256) -> PerSeed:
        """As TwinRule has it, but of the same images for both where the twins see the same ones."""
        if not self.config.same_images:
            return super().example_losses(data, images)
        seen = self.twins.both.forward(self.scaled(data.train_images[:images]))
        labels = data.train_labels[:images].to(seen[-1].device)
        return self.losses_of_pairs(seen, labels.expand(2 * self.config.seeds, -1))

    @torch.no_grad()
    def twin_probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """As TwinRule has it; of heads the normalised geometric mean, with the output's. "mean" is
        of a joint read-out its own opinion, not a mean of two."""
        both, joint = self.twins.both, self.config.read_out == "joint"
        alone, together = [], []
        for chunk in images.split(CHUNK):
            *blocks, logits = both.forward(self.scaled(chunk))
            read = [logits]
            if self.config.prediction == "heads":
                read += [both.classify(k, both.features(block)) for k, block in enumerate(blocks)]
            alone.append(_opinion(read).cpu())
            if joint:
                together.append(_opinion([sum(one.chunk(2)) for one in read]).cpu())
        found = with_mean(*torch.cat(alone, 1).chunk(2))
        return found | ({"mean": torch.cat(together, 1).softmax(-1)} if joint else {})

    @torch.no_grad()
    def hidden_layers(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """As TwinRule has it; of a convolution all numbers of an image."""
        parts = [self.twins.both.forward(self.scaled(chunk))[:-1] for chunk in images.split(CHUNK)]
        layers = [
            torch.cat([b.flatten(2).cpu() for b in block], 1) for block in zip(*parts, strict=True)
        ]
        halves = [layer.chunk(2) for layer in layers]
        return [first for first, _ in halves], [second for _, second in halves]

    @classmethod
    def work(cls, config: Config) -> float:
        """Of both twins, in a dense layer's products: a convolution's are ten times as quick, but
        each of its sums takes as long as 60 besides (batch norm, ReLU, pooling)."""
        if not config.convolutional:
            return 2 * super().work(config)
        side, below, work = 28, 1, 0
        for k, channels in enumerate(config.layers[1:-1], start=1):
            work += (0.9 * below + 60) * channels * side**2
            side, below = side // (2 if k in config.pools else 1), channels
        return 2 * work * config.epochs

    @classmethod
    def seeds_of_a_job(cls, config: Config) -> int:
        """One where convolutions are computed network by network."""
        return 1 if config.convolutional else super().seeds_of_a_job(config)


def _opinion(read: list[Tensor]) -> Tensor:
    """Mean log-softmax of all read-outs, from the logits (S, N, 10) of each."""
    return torch.stack([logits.log_softmax(-1) for logits in read]).mean(0)


RULE = DeepTwins
