"""Arrays in, figures out; the style and saving of figures. What the figures show is computed in
`analysis` and `studies`, and `records` decides which files are written.

Every figure carries a `note` below its title: data, preset and number of seeds.
"""

from ffcl_utils.plots.curves import (
    accuracy_curves,
    error_curves,
    goodness_curves,
    loss_decay,
    similarity_curves,
)
from ffcl_utils.plots.diagrams import two_comparisons, what_losses_change
from ffcl_utils.plots.rules import error_over_cost, likeness_matrix
from ffcl_utils.plots.study import study_summary
from ffcl_utils.plots.style import save, show_in_notebook
from ffcl_utils.plots.tables import (
    accuracy_of_models,
    confusion,
    effects,
    heat_map,
    per_class,
    per_layer,
    scatter,
)
from ffcl_utils.plots.units import (
    activation_maps,
    class_matrices,
    digits,
    receptive_fields,
    unit_scatter,
    weight_histograms,
)

__all__ = [
    "accuracy_curves",
    "accuracy_of_models",
    "activation_maps",
    "class_matrices",
    "confusion",
    "digits",
    "effects",
    "error_curves",
    "error_over_cost",
    "goodness_curves",
    "heat_map",
    "likeness_matrix",
    "loss_decay",
    "per_class",
    "per_layer",
    "receptive_fields",
    "save",
    "scatter",
    "show_in_notebook",
    "similarity_curves",
    "study_summary",
    "two_comparisons",
    "unit_scatter",
    "weight_histograms",
    "what_losses_change",
]
