"""Plants one-line defects in a copy of the package and says which of them the tests notice.

    python -m tests.planted_defects           # all; exits with 1 where one passes unnoticed
    python -m tests.planted_defects margin    # those whose name holds this word

Each defect is tried against the tests of its own folder, so that a run stays short; these have to
pass without a defect first. The test
`test_planted_defects.py` checks that every line still is where it is looked for.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "ffcl_utils", "tests", "notebooks", "studies", "docs", "results/studies", "pyproject.toml",
    "results/validation_plasticity.csv",
    "Makefile", "README.md",
)  # fmt: skip


@dataclass(frozen=True)
class Defect:
    """A line of a file of ffcl_utils, what stands there instead, and the tests that must fail."""

    name: str
    file: str
    before: str
    after: str
    tests: str


LOSSES, RULES, STORE = "tests/learning/test_losses.py", "tests/rules", "tests/store"
DEFECTS = [
    Defect("margin has the wrong sign", "learning/losses.py",
           "(cosine - margin).clamp(min=0)", "(cosine + margin).clamp(min=0)", LOSSES),
    Defect("pairs of one class are pushed apart", "learning/losses.py",
           "torch.where(same, 1 - cosine,", "torch.where(~same, 1 - cosine,", LOSSES),
    Defect("temperature multiplies", "learning/losses.py",
           "similarity = cosine / temperature", "similarity = cosine * temperature", LOSSES),
    Defect("a diverged network looks healthy", "learning/losses.py",
           "losses.masked_fill(diverged, torch.nan)", "losses", LOSSES),
    Defect("gradients cross layers", "learning/layers.py",
           "inputs = outputs[-1].detach() if local else outputs[-1]", "inputs = outputs[-1]",
           RULES),
    Defect("FF's gradient crosses layers", "learning/goodness.py",
           "below = found[-1][0].detach() if local else found[-1][0]", "below = found[-1][0]",
           RULES),
    Defect("goodness is not compared with the threshold", "learning/goodness.py",
           "(threshold - positive, negative - threshold)", "(threshold - positive, negative)",
           RULES),
    Defect("what is drawn apart repeats a seed's own draws", "learning/apart.py",
           "APART = 2**31", "APART = 2**32", "tests/learning"),
    Defect("a batch of one is compared with nothing", "rules/mirror_contrast.py",
           "smallest = count % settings.batch_size or settings.batch_size",
           "smallest = count % settings.batch_size", "tests/rules/test_mirror_contrast.py"),
    Defect("an image is its own partner", "learning/pairing.py",
           "torch.randint(1, count, (count,), generator=generator)",
           "torch.randint(0, count, (count,), generator=generator)", "tests/learning"),
    Defect("wrong labels may be right", "data/pixels.py",
           "steps = torch.randint(1, len(present)", "steps = torch.randint(0, len(present)", RULES),
    Defect("pixels are scaled by 256", "data/pixels.py", ".div_(255)", ".div_(256)", RULES),
    Defect("the schedule stands still", "learning/training.py",
           "            schedule.step()\n", "", RULES),
    Defect("a seed's last bit depends on its place", "learning/layers.py",
           "LANES = 32", "LANES = 1", "tests/rules/test_contract.py"),
    Defect("twins share their weights", "learning/twins.py",
           "self.second = Layers(sizes, generators, normalised)", "self.second = self.first",
           RULES),
    Defect("the key forgets the settings", "store/keys.py",
           '"settings": settings,', '"settings": {},', STORE),
    Defect("the key forgets the code", "store/keys.py",
           '"code": code_hash(PACKAGE / "rules" / f"{config.rule}.py"),', '"code": "",',
           STORE),
    Defect("the key follows no imports", "store/keys.py",
           "waiting += _imported(path, package)", "pass", STORE),
    Defect("a checksum is not compared", "store/networks.py",
           'if header.get("sha256") != _digest(arrays):', "if False:", STORE),
    Defect("one network in the store stands for all seeds elsewhere", "store/jobs.py",
           "if all(is_stored(store / name, s, job.snapshots)",
           "if any(is_stored(store / name, s, job.snapshots)", STORE),
    Defect("a file of another seed is taken", "store/networks.py",
           "if header.get(name) != value:", "if False:", STORE),
    Defect("snapshots are views of live weights", "store/jobs.py",
           "t.numpy(force=True).copy() for name, t in tensors",
           "t.numpy(force=True) for name, t in tensors",
           "tests/rules/test_contract.py"),
    Defect("resuming forgets the optimiser", "learning/training.py",
           "            optimiser.load_state_dict(start.optimiser)\n", "",
           "tests/learning/test_training.py"),
    Defect("resuming forgets the generators", "learning/training.py",
           "                generator.set_state(state)\n", "                pass\n",
           "tests/learning/test_training.py"),
    Defect("a checkpoint of other settings is used", "store/checkpoint.py",
           "load_arrays(self.path, **self.expected)", "load_arrays(self.path)",
           "tests/rules/test_contract.py"),
    Defect("the seconds before an interruption are forgotten", "store/checkpoint.py",
           '        self.started -= header.get("elapsed", 0.0)  # earlier code kept none\n', "",
           "tests/store/test_jobs.py"),
    Defect("a damaged checkpoint is dropped without a word", "store/checkpoint.py",
           '            warnings.warn(f"{error}: this training begins anew", stacklevel=2)\n', "",
           "tests/store/test_jobs.py"),
    Defect("no table shows the interval that its rule asks for", "claims/tables.py",
           'if not ends or not row["by_interval"]:', "if True:",
           "tests/claims/test_tables.py"),
    Defect("a figure above the printed one is always near", "claims/judges.py",
           "off = round(abs(mean(values) - self.figure), DECIMALS)",
           "off = round(self.figure - mean(values), DECIMALS)", "tests/claims/test_judges.py"),
    Defect("what cannot be judged at paper hides what was judged at short", "claims/presets.py",
           "if not _is_judged(row):", "if False:",
           "tests/claims/test_presets.py"),
    Defect("the band of the best seed has no floor", "claims/judges.py",
           "return REPRODUCED if best >= self.low else NOT", "return REPRODUCED", "tests/claims"),
    Defect("a missing seed does not count", "claims/judges.py",
           "return verdict if figures.size == values.size else ONE_STEP_LOWER[verdict]",
           "return verdict", "tests/claims"),
    Defect("any curve is exponential", "analysis/decay.py",
           "return self.falls and fits_well and self.exponential_is_best", "return True",
           "tests/analysis"),
    Defect("a power law is no rival", "analysis/decay.py",
           'RIVALS = ("power law", "linear")', 'RIVALS = ("linear",)', "tests/analysis"),
    Defect("effects are not standardised", "analysis/ensembles.py",
           "return (means - others) / np.where(deviation > 0, deviation, 1)",
           "return means - others", "tests/analysis"),
    Defect("an ensemble compares with all units", "analysis/ensembles.py",
           "others = (means.sum(1, keepdims=True) - means) / (units - 1)",
           "others = means.mean(1, keepdims=True)", "tests/analysis"),
    Defect("empty ensembles count as not shared", "analysis/ensembles.py",
           "kept = ensembles[ensembles.any(1)]", "kept = ensembles", "tests/analysis"),
    Defect("a new run falls where the mean does", "analysis/statistics.py",
           "* (1 + 1 / count) ** 0.5", "* (1 / count) ** 0.5", "tests/analysis"),
    Defect("a negative keeps its own image", "data/negatives.py",
           "images, steps = drawn // wrong, drawn % wrong + 1",
           "images, steps = torch.arange(len(labels)), drawn % wrong + 1", RULES),
    Defect("one condition is enough", "claims/conditions.py",
           "if all(c.holds(v)", "if any(c.holds(v)", "tests/claims"),
    Defect("Hoyer sparsity forgets the root", "analysis/sparsity.py",
           "root = activations.shape[-1] ** 0.5", "root = activations.shape[-1]",
           "tests/analysis"),
    Defect("unknown parameters pass", "workflow/parameters.py",
           "if name not in defaults:", "if False:", "tests/workflow/test_parameters.py"),
    Defect("ranges of parameters are not checked", "workflow/parameters.py",
           "problems += _field_problem(notebook, name, value)", "pass",
           "tests/workflow/test_parameters.py"),
    Defect("HTML of a result is shown as it is", "site/notebooks.py",
           '{"text/html": cleaned(shown)}', '{"text/html": shown}', "tests/site/test_build.py"),
    Defect("an equation brings in whatever it likes", "site/equations.py",
           "if all(map(_is_mathml, ElementTree.fromstring(made).iter())):", "if made:",
           "tests/site/test_equations.py"),
    Defect("all figures have one text alternative", "site/notebooks.py",
           "_figure(place + address, alternative(name, figure))",
           '_figure(place + address, "A figure")',
           "tests/site/test_build.py"),
    Defect("the best seed of a sentence is the mean", "claims/findings.py",
           'ours["max"]', 'ours["mean"]', "tests/claims/test_findings.py"),
    Defect("promoting one result drops the others", "records/promote.py",
           '(reference / entry.name / "provenance.json").is_file()', "not entry",
           "tests/records/test_promote.py"),
    Defect("an error passes silent units", "learning/feedback.py",
           "error = errors[-1] * (activations > 0)", "error = errors[-1]",
           "tests/rules/test_feedback_alignment.py"),
    Defect("all feedback is layerwise", "rules/feedback_alignment.py",
           'self.direct = self.config.feedback == "direct"', "self.direct = False",
           "tests/rules/test_feedback_alignment.py"),
    Defect("labels of two classes are unrelated, not opposed", "learning/heads.py",
           "wanted = (CLASSES * same - 1) / (CLASSES - 1)", "wanted = same",
           "tests/rules/test_local_losses.py"),
    Defect("dropout changes what the heads see", "learning/heads.py",
           "outputs.append(sums.relu())",
           "outputs.append(sums.relu() * (1 if masks is None else masks[k]))",
           "tests/rules/test_local_losses.py"),
    Defect("batch norm never freezes", "learning/heads.py",
           "batch_norm(own, m[0], v[0], training=learn)",
           "batch_norm(own, m[0], v[0], training=True)", "tests/rules/test_local_losses.py"),
    Defect("layers below batch norm have lengths evened out too", "learning/heads.py",
           'normalised=norm == "length")', "normalised=True)", "tests/rules/test_local_losses.py"),
    Defect("plain backpropagation stops at every layer", "rules/local_losses.py",
           "self.network.forward(images, self.local, masks, learn)",
           'self.network.forward(images, self.config.local_loss == "none" or self.local, '
           "masks, learn)", "tests/rules/test_local_losses.py"),
    Defect("all images of local losses are shifted alike", "rules/local_losses.py",
           'moved(frames, places, rows, batch["shift"])',
           'moved(frames, places, rows, 0 * batch["shift"])', "tests/rules/test_local_losses.py"),
    Defect("a unit below batch norm is not silent", "studies/silencing.py",
           "*means[layer : layer + 1]]", "]", "tests/explore/test_explore.py"),
    Defect("Hinton's goodness is not squared", "rules/hinton_ff.py",
           "positive, negative = lengths.square().chunk(2, -1)",
           "positive, negative = lengths.chunk(2, -1)", "tests/rules/test_hinton_ff.py"),
    Defect("the first layer searches for the label too", "rules/hinton_ff.py",
           "label_goodness(images)[:, 1:]", "label_goodness(images)",
           "tests/rules/test_hinton_ff.py"),
    Defect("a rounded layer's gradient forgets the length", "learning/rounded.py",
           "(gradient / found.clamp_min(SMALLEST)).bfloat16()", "gradient.bfloat16()",
           "tests/learning/test_rounded.py"),
    Defect("a layer sees negative data as positive", "rules/forward_forward.py",
           "both = torch.cat([rows.expand(len(labels), -1), images[:, part]], 1)",
           "both = rows.expand(len(labels), -1).repeat(1, 2)", "tests/learning/test_rounded.py"),
    Defect("a hybrid is shown as the image", "rules/hinton_ff.py",
           "seen = torch.cat([images, mixed], 1)", "seen = torch.cat([mixed, images], 1)",
           "tests/rules/test_hinton_ff.py"),
    Defect("a label is in the image beside a hybrid", "rules/hinton_ff.py",
           "none = torch.full_like(lengths, NO_LABEL)", "none = torch.full_like(lengths, 0)",
           "tests/rules/test_hinton_ff.py"),
    Defect("a mask is blurred in one direction", "learning/hybrids.py",
           "blurred = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4",
           "blurred = rows[..., 1:-1]", "tests/learning/test_hybrids.py"),
    Defect("an image is mixed with itself", "learning/hybrids.py",
           "random_partners(labels, generator)[order]", "random_partners(labels, generator)",
           "tests/learning/test_hybrids.py"),
    Defect("an image is joined with itself alone", "learning/self_contrast.py",
           "halves.roll(1, 1)", "halves", "tests/rules/test_self_contrastive_ff.py"),
    Defect("a joined image has the bias twice", "rules/self_contrastive_ff.py",
           "biases[0] / 2", "biases[0]", "tests/rules/test_self_contrastive_ff.py"),
    Defect("backward weights do not learn", "rules/_relaxation.py",
           "return gradient, gradient", "return gradient, 0 * gradient",
           "tests/rules/test_activation_relaxation.py"),
    Defect("f' is used where it is to be left out", "rules/activation_relaxation.py",
           "outputs if settings.derivative else None", "outputs",
           "tests/rules/test_activation_relaxation.py"),
    Defect("a relaxation that diverges looks settled", "learning/relaxation.py",
           "torch.nan) for x in found[:-1]]", "0.0) for x in found[:-1]]",
           "tests/rules/test_activation_relaxation.py"),
    Defect("dense error weights learn upwards", "rules/predictive_coding.py",
           "found[k] + mixed.detach() - mixed", "found[k] - mixed.detach() + mixed",
           "tests/rules/test_predictive_coding.py"),
    Defect("recomputed predictions are held fixed", "learning/inference.py",
           "out=found[k])\n            predict()\n", "out=found[k])\n",
           "tests/rules/test_predictive_coding.py"),
    Defect("losses are looked at on images of one class", "data/parts.py",
           "evenly(len(data.train_images), images)",
           "torch.arange(images)", "tests/data/test_parts.py"),
    Defect("a model has another colour in each figure", "plots/style.py",
           "known = {name: _colour_of(name) for name in names}",
           "known = dict.fromkeys(names)", "tests/plots/test_style.py"),
    Defect("a printed range is drawn elsewhere", "plots/tables.py",
           "(x - 0.55 * width, low - grown)", "(x - 0.55 * width, high - grown)",
           "tests/plots/test_tables.py"),
    Defect("a diagram leaves an arrow out", "plots/diagrams.py",
           "for layer in changed:", "for layer in changed[:1]:", "tests/plots/test_diagrams.py"),
    Defect("a worked loss has no margin", "studies/worked.py",
           "max(0, c - margin)", "max(0, c)", "tests/studies/test_worked.py"),
    Defect("text is taken over although code has changed", "workflow/reword.py",
           "if _code(ran) != _code(now):", "if False:", "tests/workflow/test_reword.py"),
    Defect("the time left is the time gone", "workflow/schedule.py",
           "minutes = elapsed * ahead / behind / 60", "minutes = elapsed / 60",
           "tests/workflow/test_schedule.py"),
    Defect("the copies of a tree's weights are not counted", "related/binary_pac_bayes.py",
           "return [math.prod(hidden[k + 1 :]) for k in range(len(hidden))] + [1]",
           "return [1] * (len(hidden) + 1)", "tests/related/test_binary_pac_bayes.py"),
    Defect("GraSP keeps what it should remove", "related/pruning.py",
           "return [w.detach() * product for w, product in zip(leaves, products, strict=True)]",
           "return [-w.detach() * p for w, p in zip(leaves, products, strict=True)]",
           "tests/related/test_pruning.py"),
    Defect("the way back takes the wrong transition", "related/bayesian_recurrence.py",
           "from_zero = after[:-1] * (1 - chain.p1) / (1 - before[1:])",
           "from_zero = after[:-1] * (1 - chain.p2) / (1 - before[1:])",
           "tests/related/test_bayesian_recurrence.py"),
    Defect("the energy score is biased", "related/scoring_rules.py",
           "apart.sum((-2, -1)) / (m * (m - 1))", "apart.sum((-2, -1)) / (m * m)",
           "tests/related/test_scoring_rules.py"),
    Defect("Thompson sampling does not sample", "related/trajectory_feedback.py",
           "guess = estimate + scale *", "guess = estimate + 0 *",
           "tests/related/test_trajectory_feedback.py"),
    Defect("random layers learn", "rules/random_layers.py",
           "yield replace(phase, parameters=output)", "yield phase",
           "tests/rules/test_random_layers.py"),
    Defect("random layers stop too soon", "rules/random_layers.py",
           "learning_rate: PositiveFloat = 0.1", "learning_rate: PositiveFloat = 1e-3",
           "tests/rules/test_random_layers.py"),
    Defect("nobody says which rules get no more than random layers", "claims/neighbours.py",
           "if len(below):", "if False:", "tests/claims/test_neighbours.py"),
    Defect("a variant that diverged is left out of the worst", "studies/neighbours.py",
           "np.nan_to_num(relaxed, nan=0).min(0)", "np.fmin.reduce(relaxed)",
           "tests/studies/test_neighbours.py"),
    Defect("what has diverged has reached its accuracy", "studies/neighbour_costs.py",
           "(curve >= mark) & ~np.isnan(accuracy)", "curve >= mark",
           "tests/studies/test_neighbour_costs.py"),
    Defect("twins are asked about the other one's images", "studies/neighbour_updates.py",
           "rows = rows.repeat_interleave(", "rows = rows.roll(1, 0).repeat_interleave(",
           "tests/studies/test_neighbour_updates.py"),
    Defect("a run of other settings is promoted", "records/promote.py",
           "if entry.networks and given != wanted:", "if False:",
           "tests/records/test_promote.py"),
    Defect("a rule's angle is that to itself", "studies/neighbour_updates.py",
           "theirs = torch.autograd.grad(loss_of_output(logits, labels).sum(), hidden)",
           "theirs = ours", "tests/studies/test_neighbour_updates.py"),
    Defect("predictive coding is held against another loss", "studies/neighbour_updates.py",
           'getattr(rule, "loss_of_output", cross_entropy_loss)', "cross_entropy_loss",
           "tests/studies/test_neighbour_updates.py"),
    Defect("backpropagation is relaxed all the same", "rules/predictive_coding.py",
           'if self.config.errors == "backpropagated":', "if False:",
           "tests/rules/test_activation_relaxation.py"),
    Defect("redrawn negatives are kept", "rules/forward_forward.py",
           "rounded = native and self.config.keeps_bfloat16", "rounded = native",
           "tests/learning/test_rounded.py"),
    Defect("the worst relaxation is the best", "studies/neighbours.py",
           "np.nan_to_num(relaxed, nan=0).min(0)", "np.nan_to_num(relaxed, nan=0).max(0)",
           "tests/studies/test_neighbours.py"),
    Defect("a view is new memory", "analysis/cost.py",
           "if storage in self._known:", "if False:", "tests/analysis/test_cost.py"),
    Defect("memory that was given back still counts", "analysis/cost.py",
           "self.now -= size", "pass", "tests/analysis/test_cost.py"),
    Defect("an epoch costs as much as a batch", "studies/neighbour_costs.py",
           "step.operations * len(data.train_labels) / len(some.train_labels)", "step.operations",
           "tests/studies/test_neighbour_costs.py"),
    Defect("the bar knows one stage of three", "rules/ffcl.py",
           '(2 if config.stages == "local" else len(STAGES))', "1",
           "tests/rules/test_contract.py"),
    Defect("a unit of a convolution is silenced by itself", "studies/silencing.py",
           "layers.weights[layer].shape[-1] == units", "True", "tests/explore/test_explore.py"),
    Defect("gradients cross blocks", "learning/blocks.py",
           "inputs = active.detach() if local else active", "inputs = active",
           "tests/rules/test_deep_twins.py"),
    Defect("batch norm remembers nothing", "learning/blocks.py",
           "mean, variance = (part[k].detach()", "mean, variance = (part[k].detach().clone()",
           "tests/rules/test_deep_twins.py"),
    Defect("height and width of a convolution change places", "learning/blocks.py",
           "torch.stack(found).permute(0, 1, 4, 2, 3)", "torch.stack(found).permute(0, 1, 4, 3, 2)",
           "tests/rules/test_deep_twins.py"),
    Defect("a skip passes nothing by", "learning/blocks.py",
           "active = active + inputs", "active = active + 0", "tests/rules/test_deep_twins.py"),
    Defect("a block is pooled before its skip", "learning/blocks.py",
           "if k + 1 in self.shape.pools and not self.shape.skip:",
           "if k + 1 in self.shape.pools:", "tests/rules/test_deep_twins.py"),
    Defect("a block's head does not count", "rules/deep_twins.py",
           "loss = loss + settings.head * read", "loss = loss + 0",
           "tests/rules/test_deep_twins.py"),
    Defect("a joint read-out forgets the second twin", "rules/deep_twins.py",
           "return 2 * of(one + other,", "return 2 * of(one + one,",
           "tests/rules/test_deep_twins.py"),
    Defect("twins with a joint read-out see other images", "rules/deep_twins.py",
           "second = first\n", "second = first.flip(0)\n", "tests/rules/test_deep_twins.py"),
    Defect("a joint read-out predicts by a mean of two", "rules/deep_twins.py",
           '({"mean": torch.cat(together, 1).softmax(-1)} if joint else {})', "{}",
           "tests/rules/test_deep_twins.py"),
    Defect("who is learnt from learns too", "learning/mutual.py",
           "_divergence(one, other.detach())", "_divergence(one, other)",
           "tests/learning/test_mutual.py"),
    Defect("what a twin brings has the wrong sign", "studies/contrast.py",
           "100 * (found[names[0]] - found[names[1]])", "100 * (found[names[1]] - found[names[0]])",
           "tests/studies/test_contrast.py"),
    Defect("the first block is taken for the last", "studies/deeper.py",
           "each.read[-1] - each.read[0]", "each.read[0] - each.read[-1]",
           "tests/studies/test_deeper.py"),
    Defect("images that differ are measured with their mean", "analysis/depth.py",
           "layer.var(0).sum()", "(layer**2).mean(0).sum()", "tests/analysis/test_depth.py"),
    Defect("what crosses blocks is not looked at", "studies/deeper.py",
           "across = off_layer_gradient(losses, rule.layers()).numpy()",
           "across = np.zeros(len(accuracy))", "tests/studies/test_deeper.py"),
    Defect("a sentence mixes two presets", "claims/findings.py",
           'return [row.get("beside") or row for row in rows], ""', 'return rows, ""',
           "tests/claims/test_findings.py"),
    Defect("accuracies are stretched the wrong way", "plots/stretched.py",
           "return -np.log10(1 - np.minimum(percent, MOST) / 100)",
           "return np.log10(1 + np.minimum(percent, MOST) / 100)", "tests/plots/test_stretched.py"),
    Defect("a lock with somebody's words in it is taken for ours", "records/promote.py",
           "place.stat().st_size == 0", "place.exists()", "tests/records/test_promote.py"),
    Defect("Oja's decay is missing", "learning/plasticity.py",
           "return decay.sum(-1) / 2 - hebb", "return -hebb", "tests/learning/test_plasticity.py"),
    Defect("surprise and reward are swapped", "learning/plasticity.py",
           '{"reward": right, "surprise": 1 - right}', '{"surprise": right, "reward": 1 - right}',
           "tests/learning/test_plasticity.py"),
    Defect("rewiring prunes the strongest", "learning/rewiring.py",
           "flat[present].abs().argsort(stable=True)[:count]",
           "flat[present].abs().argsort(stable=True, descending=True)[:count]",
           "tests/learning/test_rewiring.py"),
    Defect("twins see task B in the order of another seed", "rules/plastic_twins.py",
           "self.orders.repeat(len(images) // len(self.orders), 1)",
           "self.orders.repeat_interleave(len(images) // len(self.orders), 0)",
           "tests/rules/test_plastic_twins.py"),
    Defect("forgetting counts from the end", "studies/plasticity.py",
           'before = _on(there_and_back, "A", "A")[-1]',
           'before = _on(there_and_back, "A again", "A")[-1]',
           "tests/studies/test_plasticity.py"),
]  # fmt: skip


def plant(defect: Defect, copy: Path) -> None:
    """Put a defect into a copy of the repository; raises ValueError where its line is not there."""
    path = copy / "ffcl_utils" / defect.file
    text = path.read_text(encoding="utf-8")
    if text.count(defect.before) != 1:
        raise ValueError(f"{defect.name}: {text.count(defect.before)} times in {defect.file}")
    path.write_text(text.replace(defect.before, defect.after), encoding="utf-8")


def first_failure(tests: str, defect: Defect | None = None) -> str:
    """The first of these tests that fails, with the defect or as the code is; "" if none does."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        if defect:
            plant(defect, copy)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", tests]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider"],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode and not failed:
        sys.exit(f"error: pytest could not run {tests}\n{done.stdout}{done.stderr}")
    return failed[0].split(" - ")[0] if failed else ""


def main() -> None:
    """Try the defects and print a table."""
    chosen = [d for d in DEFECTS if not sys.argv[1:] or sys.argv[1] in d.name]
    for tests in dict.fromkeys(d.tests for d in chosen):
        if failed := first_failure(tests):  # then a failure would not speak of the defect
            sys.exit(f"error: {failed} fails without any defect")
    missed = 0
    for defect in chosen:
        noticed = first_failure(defect.tests, defect)
        missed += not noticed
        print(f"{defect.name:50} {noticed or 'NOT NOTICED'}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} defects noticed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
