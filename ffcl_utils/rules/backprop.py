"""Plain backpropagation: a linear head and cross-entropy, as in arXiv 2305.18353.

Dropped pixels and a schedule are there for a fair comparison with mirror contrast.
"""

from functools import partial

import torch
from torch import Generator, Tensor

from ffcl_utils.config import BackpropConfig
from ffcl_utils.data.datasets import Dataset
from ffcl_utils.data.pixels import MASKS, pixel_masks, scale, take
from ffcl_utils.learning.history import History
from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.losses import cross_entropy_loss
from ffcl_utils.learning.training import PerSeed, generators_for, optimiser_for, train


class Backprop:
    """Multi-layer perceptrons of all seeds."""

    def __init__(self, config: BackpropConfig):
        self.config = config
        self.generators = generators_for(config.seed_list)
        self.layers = Layers(config.layers, self.generators)

    def fit(self, data: Dataset) -> History:
        """Train all seeds; the test accuracy after every epoch."""
        images, all_labels = (
            self.scaled(data.train_images),
            data.train_labels.to(self.layers.device),
        )
        optimiser, after_step = optimiser_for(self.layers.parameters(), self.config, data)
        dropout = self.config.input_dropout
        masks = None
        if dropout:
            masks = pixel_masks(MASKS, images.shape[1], dropout).to(images.device)

        def draw_epoch(generator: Generator) -> PerSeed:
            drawn = {"image": torch.randperm(len(images), generator=generator)}
            if masks is not None:
                drawn["mask"] = torch.randint(MASKS, (len(images),), generator=generator)
            return drawn

        def losses(batch: PerSeed) -> PerSeed:
            seen = take(images, batch["image"])
            if masks is not None:
                seen *= take(masks, batch["mask"])
            logits = self.layers.forward(seen, local=False)[-1]
            labels = take(all_labels, batch["image"])
            return {"cross_entropy": cross_entropy_loss(logits, labels)}

        def evaluate() -> PerSeed:
            right = self.predict(data.test_images).argmax(-1) == data.test_labels
            return {"test_accuracy/all": right.double().mean(-1)}

        return train(
            [partial(draw_epoch, generator) for generator in self.generators],
            losses,
            evaluate,
            optimiser,
            self.config.seed_list,
            self.config,
            "BP",
            after_step,
        )

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Logits (S, N, 10) for images (N, 784) uint8."""
        chunks = self.scaled(images).split(2000)
        return torch.cat([self.layers.forward(chunk)[-1].cpu() for chunk in chunks], 1)

    @torch.no_grad()
    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Activations (S, N, units) of every hidden layer. Labels are not used."""
        return [layer.cpu() for layer in self.layers.forward(self.scaled(images))[:-1]]

    def scaled(self, images: Tensor) -> Tensor:
        """Images (N, 784) uint8 as the networks see them, on their device."""
        return scale(images.to(self.layers.device), self.config.input_scaling)
