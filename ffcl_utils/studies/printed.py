"""Figures printed by the papers' authors, for comparison only.

Hoyer sparsity of layers 1, 2, 3: lowest and highest of the printed notebook outputs of
arXiv 2305.18353. The authors selected their rows by accuracy: they are no unbiased means.
"""

Ranges = list[tuple[float, float]]
HOYER: dict[str, dict[str, Ranges]] = {
    "mnist": {
        "FF": [(0.630, 0.901), (0.385, 0.633), (0.391, 0.756)],
        "BP/FF": [(0.907, 0.963), (0.690, 0.810), (0.038, 0.320)],
        "BP": [(0.495, 0.600), (0.365, 0.467), (0.340, 0.392)],
        "BP, rate 0.01": [(0.966, 0.966), (0.857, 0.857), (0.781, 0.781)],
    },
    "fashion_mnist": {
        "FF": [(0.725, 0.725), (0.512, 0.512), (0.479, 0.479)],
        "BP/FF": [(0.880, 0.880), (0.826, 0.826), (0.016, 0.016)],
        "BP": [(0.347, 0.347), (0.238, 0.238), (0.246, 0.246)],
    },
}
