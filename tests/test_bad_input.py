"""Bad input to the command line: one line that says what is wrong, at once, and nothing is left.

Each row: the arguments, where OUT is an empty folder, and what the one line contains. None starts a
training, a kernel or Snakemake, and none takes more than five seconds of processor time.
"""

import subprocess
import sys
import time

import pytest

from ffcl_utils import rules  # noqa: F401 - torch, imported before the time is taken
from ffcl_utils.__main__ import main
from ffcl_utils.paths import ROOT
from ffcl_utils.store import jobs as store_jobs

STUDY = """
notebook: 01_improved_ffcl_accuracy
metric: balanced/test_accuracy
preset: smoke
grid: {margin: [0.0, 0.5]}
seeds: 2
seeds_per_job: 2
"""
SECONDS = 5
# Files in OUT before the command: name and content.
FILES = {
    "thesis/thesis.tex": "years of work",
    "home/index.html": "my page",
    "mine/site.json": '{"title": "mine"}',
    "empty.yaml": "",
    "list.yaml": "[1, 2]",
    "broken.yaml": "grid: {",
    "code.yaml": "!!python/object/apply:os.system ['touch OUT/pwned']",
    "twice.yaml": STUDY + "seeds: 3\n",
    "seed.yaml": STUDY.replace("margin: [0.0, 0.5]", "first_seed: [0, 1]"),
    "same.yaml": STUDY.replace("0.5]", "0.0]"),
    "none.yaml": STUDY.replace("[0.0, 0.5]", "[]"),
    "shell.yaml": STUDY.replace("margin: [0.0, 0.5]", "predictor: [first, $(touch x)]"),
    "up.yaml": STUDY.replace("margin: [0.0, 0.5]", "predictor: [../first]"),
    "metric.yaml": STUDY.replace("balanced/test", "none/test"),
    "explore.yaml": STUDY.replace("01_improved_ffcl_accuracy", "21_draw_a_digit"),
    "infinite.yaml": STUDY.replace("0.5]", ".inf]"),
    "no.ipynb": "{}",
    "broken/01_improved_ffcl_accuracy/metrics.json": '{"metrics": {"a": [NaN]}}',
    "cut/01_improved_ffcl_accuracy/metrics.json": '{"metr',
    "empty/02_loss_decay/executed.ipynb": "",
    "type.yaml": STUDY.replace("01_improved_ffcl_accuracy", "!!bool x"),
    "time.yaml": STUDY.replace("01_improved_ffcl_accuracy", "!!timestamp x"),
}
ROWS = [
    ("run 33_none", "there is no run '33_none': choose one of"),
    ("run OUT/none.ipynb OUT/x", "no notebook OUT/none.ipynb"),
    ("run OUT/no.ipynb OUT/x", "no.ipynb is not a notebook"),
    ("run notebooks/02_loss_decay.ipynb", "name the folder that the results go to"),
    ("run 02_loss_decay OUT/x --preset tiny", "preset='tiny': choose one of"),
    ("run 02_loss_decay OUT/x --preset full", "preset='full': it is now called 'paper'"),
    ("run 02_loss_decay OUT/x -p preset=3", "preset=3: choose one of"),
    ("run 02_loss_decay OUT/x -p epoch=3", "unknown parameter 'epoch'"),
    ("run 02_loss_decay OUT/x -p epochs", "epochs='': Input should be"),
    ("run 02_loss_decay OUT/x -p epochs=0", "epochs=0: Input should be greater than 0"),
    ("run 02_loss_decay OUT/x -p epochs=2.5", "epochs=2.5: Input should be"),
    ("run 02_loss_decay OUT/x -p epochs=True", "epochs=True: Input should be"),
    ("run 02_loss_decay OUT/x -p batch_size=-1", "batch_size=-1: Input should be greater"),
    ("run 02_loss_decay OUT/x -p learning_rate=1e999", "learning_rate=inf: Input should be"),
    ("run 02_loss_decay OUT/x -p learning_rate=fast", "learning_rate='fast': Input should be"),
    ("run 02_loss_decay OUT/x -p margin=7", "margin=7: Input should be less"),
    ("run 02_loss_decay OUT/x -p dataset=cifar", "dataset='cifar': Input should be 'mnist'"),
    ("run 02_loss_decay OUT/x -p seeds=0", "seeds=0: Input should be greater than 0"),
    ("run 02_loss_decay OUT/x -p seeds=1000000", "Input should be less than or equal to 1000"),
    (
        "run 02_loss_decay OUT/x -p first_seed=18446744073709551616",
        "should be less than 2147",
    ),
    ("run 02_loss_decay OUT/thesis --preset smoke", "thesis.tex is not of a notebook's result"),
    ("run 02_loss_decay OUT/empty.yaml --preset smoke", "is not a folder of its own"),
    ("run 02_loss_decay OUT/empty.yaml/x --preset smoke", "cannot write to the output folder"),
    ("run 02_loss_decay OUT/x -p epochs={[1]:2}", "epochs='{[1]:2}': Input should be"),
    (f"run 02_loss_decay OUT/x -p epochs={'-' * 5000}1", "Input should be a valid integer"),
    ("run 02_loss_decay OUT/x -p epochs=1 -p epochs=2", "epochs is given 2 times: give it once"),
    ("run 02_loss_decay OUT/x -p output_dir=y", "name the folder after the notebook instead"),
    ("run 02_loss_decay -p epochs=1", "other settings than those of 02_loss_decay at short"),
    ("run 05_unseen_classes-fashion_mnist --preset short", "name the folder that the results go"),
    ("run 03_forward_forward OUT/x -p threshold=high", "threshold='high': Input should be"),
    ("run 03_forward_forward OUT/x -p training=random", "training='random': Input should be"),
    ("run 03_forward_forward OUT/x -p negatives=fixed", "negatives='fixed': Input should be"),
    ("run 04_sparse_ensembles OUT/x -p permutations=0", "permutations=0: 20 or more"),
    ("run 05_unseen_classes OUT/x -p held_out_classes=11", "held_out_classes=11: between 1"),
    ("run 07_reading_the_paper OUT/x -p compare_loss=none", "compare_loss='none'"),
    (
        "run 08_beyond_63 OUT/x -p network=deep",
        "network='deep': choose one of paper, wide, shifted",
    ),
    ("run 09_mirror_neurons OUT/x -p seeds=1", "seeds=1: two or more are needed"),
    ("run 10_authors_grid OUT/x -p rows=none", "rows='none': choose one of first, all"),
    ("run 20_explore_ensembles OUT/x -p images=5", "images=5: between 10 and 10,000"),
    ("run 21_draw_a_digit OUT/x -p example=5000", "example=5000: between 0 and 999"),
    ("run 30_binary_pac_bayes OUT/x -p hidden=[14,14]", "too wide for the exact sum: a table of"),
    ("run 30_binary_pac_bayes OUT/x -p hidden=[2000]", "less than or equal to 24"),
    ("run 30_binary_pac_bayes OUT/x -p hidden=[1,20]", "1-20 are too wide for the exact sum"),
    ("run 31_pruning OUT/x -p checked=1.0", "a mask of 100 % leaves no weight or all of them"),
    ("run 32_bayesian_recurrence OUT/x -p epochs=0", "epochs=0: Input should be greater than 0"),
    ("run 33_scoring_rules OUT/x -p most_simulations=0", "no simulations to learn from"),
    ("run 33_scoring_rules OUT/x -p most_simulations=many", "'many': int expected"),
    ("run 33_scoring_rules OUT/x -p draws=1000", "draws=1000: Input should be less than or equal"),
    ("run 33_scoring_rules OUT/x -p draws=1", "draws=1: Input should be greater than or equal"),
    ("run 34_trajectory_feedback OUT/x -p episode_length=0", "episode_length=0: Input should be"),
    ("run 34_trajectory_feedback OUT/x -p first_seed=-1", "first_seed=-1: Input should be"),
    ("train 33_none", "there is no run '33_none'"),
    ("train none --job OUT/plan.json", "there is no plan OUT/plan.json"),
    ("reproduce --preset tiny", "preset='tiny': choose one of"),
    ("reproduce --preset smoke --cores two --runs OUT", "cores='two': `all`, or how many"),
    ("reproduce --preset smoke --cores 0 --runs OUT", "cores='0': `all`, or how many"),
    (f"reproduce --preset smoke --cores {'0' * 5000} --runs OUT", "`all`, or how many"),
    ("reproduce --preset smoke --runs OUT/{x}", "Snakemake takes the braces"),
    ("study OUT", "there is no study OUT"),
    ("study OUT/gone.yaml", "there is no study OUT/gone.yaml"),
    ("study OUT/empty.yaml", "is no study: it has no lines such as"),
    ("study OUT/list.yaml", "is no study: it has no lines such as"),
    ("study OUT/broken.yaml", "is no study: while parsing"),
    ("study OUT/type.yaml", "is no study"),
    ("study OUT/time.yaml", "is no study"),
    ("study OUT/code.yaml", "is no study: could not determine a constructor"),
    ("study OUT/twice.yaml", "seeds is there twice"),
    ("study OUT/seed.yaml", "first_seed cannot be here"),
    ("study OUT/same.yaml", "margin has a value twice"),
    ("study OUT/none.yaml", "margin has no value"),
    ("study OUT/shell.yaml", "'$(touch x)' cannot be part of a folder's name"),
    ("study OUT/up.yaml", "'../first' cannot be part of a folder's name"),
    ("study OUT/metric.yaml", "has no 'none/test_accuracy', but balanced/"),
    ("study OUT/explore.yaml", "trains nothing that a study could compare"),
    ("study OUT/infinite.yaml", "margin=inf: Input should be"),
    ("claims OUT/gone", "there are no results in OUT/gone"),
    ("claims OUT/broken", "metrics.json is not the record of a run"),
    ("claims OUT/cut", "metrics.json is not the record of a run"),
    ("claims OUT/gone --publish", "README and docs show results/short and results/paper, not"),
    ("verify OUT/gone OUT/gone", "no results in OUT/gone"),
    ("verify OUT/broken OUT/broken", "metrics.json is not the record of a run"),
    ("promote OUT/gone OUT/x", "preset='x': choose one of"),
    ("reword OUT/empty", "executed.ipynb is damaged: it is no notebook"),
    ("site OUT/thesis", "thesis.tex is not of a site, and would be lost"),
    ("site OUT/home", "index.html is not of a site, and would be lost"),
    ("site OUT/mine", "site.json is not of a site, and would be lost"),
    ("site OUT/x --results OUT/gone", "no results in OUT/gone"),
]


@pytest.fixture
def folder(tmp_path):
    """A folder with FILES; at the end they are as they were, and nothing is beside them."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content.replace("OUT", str(tmp_path)))
    before = written(tmp_path)
    yield tmp_path
    assert written(tmp_path) == before


def written(folder):
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.mark.parametrize(("arguments", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_one_line_at_once_and_nothing_left(arguments, message, folder, monkeypatch):
    arguments, message = (text.replace("OUT", str(folder)) for text in (arguments, message))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["ffcl_utils", *arguments.split()])
    monkeypatch.setattr(store_jobs, "train", lambda *a, **k: pytest.fail("it trained"))
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: pytest.fail("it started something"))
    started = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main()
    took = time.process_time() - started
    said = str(ended.value)
    assert said.startswith("error: ") and message in said
    assert "\n" not in said and "Traceback" not in said
    assert took < SECONDS


def test_a_mistyped_data_folder_stops_every_preset_that_needs_it(folder, monkeypatch):
    monkeypatch.setenv("FFCL_DATA_DIR", str(folder / "dtaa"))
    for command in ("data", f"reproduce --preset short --runs {folder}/runs"):
        monkeypatch.setattr(sys, "argv", ["ffcl_utils", *command.split()])
        with pytest.raises(SystemExit, match="dtaa', and there is no such folder"):
            main()


def test_the_table_is_long_enough():
    assert len(ROWS) == len(dict(ROWS)) >= 40
