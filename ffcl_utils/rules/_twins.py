"""What rules of twin networks have in common: their networks, prediction and representations."""

import torch
from torch import Tensor

from ffcl_utils.learning.layers import Layers
from ffcl_utils.learning.training import PerSeed
from ffcl_utils.learning.twins import accuracies, with_mean
from ffcl_utils.rules.base import Rule

CHUNK = 10_000  # images evaluated at once: bounds the memory, changes no figure


class TwinRule(Rule):
    """Twin networks of all seeds: `twins`. `config.predictor` says which of them predicts."""

    def stacks(self) -> dict[str, Layers]:
        """Both twins."""
        return {"first": self.twins.first, "second": self.twins.second}

    def layers(self) -> dict[str, list[Tensor]]:
        """Parameters (2S, …) of both twins by layer, named as the layers' losses."""
        return self.twins.layers()

    @torch.no_grad()
    def twin_probabilities(self, images: Tensor) -> dict[str, Tensor]:
        """Softmax outputs (S, N, 10) of each twin and their mean, for images (N, 784) uint8."""
        chunks = images.split(CHUNK)
        twins = (self.twins.first, self.twins.second)
        logits = (
            torch.cat([twin.forward(self.scaled(chunk))[-1].cpu() for chunk in chunks], 1)
            for twin in twins
        )
        return with_mean(*logits)

    def predict(self, images: Tensor) -> Tensor:
        """Softmax outputs (S, N, 10) of the network that the settings let predict."""
        return self.twin_probabilities(images)[self.config.predictor]

    def probabilities(self, images: Tensor) -> Tensor:
        """The same: softmax outputs add up to 1."""
        return self.predict(images)

    @torch.no_grad()
    def hidden_layers(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Activations (S, N, units) of each hidden layer of both twins, on the CPU."""
        return tuple(
            [layer.cpu() for layer in network[:-1]]
            for network in self.twins.forward(self.scaled(images))
        )

    def representations(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """As Rule has it; for `predictor="mean"` the units of both twins side by side."""
        first, second = self.hidden_layers(images)
        both = [torch.cat(pair, -1) for pair in zip(first, second, strict=True)]
        return {"first": first, "second": second, "mean": both}[self.config.predictor]

    def predicting(self) -> Layers:
        """The twin that predicts; the first where both do."""
        return self.twins.second if self.config.predictor == "second" else self.twins.first

    def hidden_weights(self) -> list[Tensor]:
        """Weights (S, in, out) of the hidden layers of the twin that predicts."""
        return self.predicting().weights[:-1]

    def losses_of_pairs(self, seen: list[Tensor], labels: Tensor) -> PerSeed:
        """Local losses (S,) from the layers of both twins, (2S, B, units), and labels (2S, B)."""
        raise NotImplementedError

    def example_losses(self, data, images: int = 256) -> PerSeed:
        """On pairs of the first training images, each with the one after it."""
        seeds, device = self.config.seeds, self.twins.first.device
        rows = torch.stack([torch.arange(images), torch.arange(1, images + 1)])
        rows = rows.repeat_interleave(seeds, 0)
        pairs = self.scaled(data.train_images[: images + 1])[rows.to(device)]
        labels = data.train_labels.to(device)[rows.to(device)]
        return self.losses_of_pairs(self.twins.both.forward(pairs), labels)

    def test_accuracies(self, data) -> PerSeed:
        """Test accuracy (S,) of each twin and of their mean, as the history names them."""
        found = accuracies(self.twin_probabilities(data.test_images), data.test_labels)
        return {f"test_accuracy/{twin}": accuracy for twin, accuracy in found.items()}
