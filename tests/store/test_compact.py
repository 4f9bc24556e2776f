"""Committed networks: small files that say nearly what the trained ones say."""

import pytest
import torch

from ffcl_utils import rules, store
from ffcl_utils.store.compact import LEVELS, read_compact, write_compact
from ffcl_utils.store.networks import save_arrays
from tests.small import small, small_rule


@pytest.mark.parametrize("name", rules.names())
def test_a_network_comes_back_within_half_a_level(name, digits, tmp_path):
    rule = small_rule(name, seeds=2, first_seed=3)
    rule.fit(small(digits, 100))
    write_compact(tmp_path / "n.safetensors", rule)
    again = read_compact(tmp_path / "n.safetensors")
    assert again.config.seed_list == [3]
    for tensor, values in rule.tensors().items():
        one = values[:1].detach()
        half = one.abs().amax(1, keepdim=True) / LEVELS / 2
        assert ((again.tensors()[tensor] - one).abs() <= half * 1.0001 + 1e-9).all(), tensor
    size = (tmp_path / "n.safetensors").stat().st_size
    assert size < 0.3 * 4 * sum(v[0].numel() for v in rule.tensors().values()) + 8000


@pytest.mark.slow
def test_a_wide_network_answers_as_before(digits, tmp_path):
    rule = rules.rule("forward_forward")(rules.configure("forward_forward", "smoke", seeds=1))
    rule.fit(digits)
    write_compact(tmp_path / "n.safetensors", rule)
    again = read_compact(tmp_path / "n.safetensors")
    assert (tmp_path / "n.safetensors").stat().st_size < 2_000_000
    accuracies = [
        (r.predict(digits.test_images).argmax(-1) == digits.test_labels).double().mean()
        for r in (rule, again)
    ]
    assert abs(accuracies[0] - accuracies[1]) < 0.005


def test_a_damaged_or_old_file_is_refused(tmp_path):
    path = tmp_path / "n.safetensors"
    write_compact(path, small_rule("backprop"))
    good = path.read_bytes()
    path.write_bytes(good[:-3])
    with pytest.raises(store.StoreError, match="is damaged"):
        read_compact(path)
    save_arrays(path, {"x": torch.zeros(2).numpy()}, {"rule": "magic", "settings": {"layers": []}})
    with pytest.raises(store.StoreError, match="no network of this version"):
        read_compact(path)
