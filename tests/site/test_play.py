"""The page to play with: its numbers are the package's, and drawing on it is answered."""

import base64
import json
import shutil
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import PIL
import pytest
import torch
from packaging.version import Version
from PIL import Image, ImageDraw
from playwright.sync_api import expect

from ffcl_utils.data.pixels import MNIST_MEAN, MNIST_STD
from ffcl_utils.errors import UserError
from ffcl_utils.explore import networks as explore
from ffcl_utils.explore.drawing import like_mnist
from ffcl_utils.rules._goodness import GoodnessRule
from ffcl_utils.rules._twins import TwinRule
from ffcl_utils.site import play
from ffcl_utils.store.compact import read_compact, write_compact
from ffcl_utils.store.networks import StoreError
from tests.explore.browser import chromium, page_of_chromium

pytestmark = pytest.mark.skipif(
    not explore.are_committed(), reason="needs the committed networks in results/short"
)
TOLERANCE = 1e-4
# Of a goodness by the package, in 32 bits: each layer divides its input by its length, and so
# magnifies what rounding did below. The page is held to 1e-9 of the goodness in 64 bits.
ROUNDED = 1e-3
IMAGES = 200
NEARLY_SILENT = 0.1  # a goodness; a layer above magnifies what rounding did by its inverse
FILES = explore.network_files()
LIMITS = {"goodness": 2.6e6, "output": 2.6e6, "twins": 2e5}  # bytes of a network's file
# What a number's bytes look like on the way from the page.
FLOATS = """
  const floats = (rows) => {
    const bytes = new Uint8Array(Float64Array.from(rows.flatMap((row) => [...row])).buffer);
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  };
"""


TWINS = "improved_ffcl_balanced"
EARLIER = (0, 4)  # epochs of made-up snapshots: half, and three quarters of the trained weights


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory):
    """Earlier snapshots of the twins, made from the trained ones."""
    made = []
    for k, epoch in enumerate(EARLIER):
        rule = read_compact(FILES["improved FFCL, balanced"])
        with torch.no_grad():
            for tensor in rule.tensors().values():
                tensor.mul_((2 + k) / 4)
        made.append(tmp_path_factory.mktemp("09") / f"{TWINS}_epoch{epoch:02d}.safetensors")
        write_compact(made[-1], rule, epoch)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory, snapshots):
    target = tmp_path_factory.mktemp("site") / "play"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(play, "snapshot_files", lambda stem: snapshots if stem == TWINS else [])
        play.export(target)
    return target


def contents(script) -> object:
    """The JSON in a script that the page loads."""
    text = script.read_text(encoding="utf-8")
    return json.loads(text[min(text.index(sign) for sign in "[{" if sign in text) : -2].strip(")"))


def listed(folder) -> list[dict]:
    return contents(folder / "contents.js")


def packed(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def test_everything_is_written_into_the_folder(folder):
    there = {path for path in folder.parent.rglob("*") if path.is_file()}
    assert all(path.is_relative_to(folder) for path in there)
    wanted = {"index.html", "play.css", "page.js", "contents.js", "examples.js"}
    wanted |= {f"networks/{path.stem}.js" for path in FILES.values()}
    assert wanted <= {path.relative_to(folder).as_posix() for path in there}


def test_the_same_bytes_come_out_twice(folder, snapshots, tmp_path, monkeypatch):
    monkeypatch.setattr(play, "snapshot_files", lambda stem: snapshots if stem == TWINS else [])
    written = play.export(tmp_path / "again")
    assert {path for path in (tmp_path / "again").rglob("*") if path.is_file()} == set(written)
    for path in written:
        assert path.read_bytes() == (folder / path.relative_to(tmp_path / "again")).read_bytes()


def test_every_network_is_listed_with_its_size(folder):
    entries = {entry["name"]: entry for entry in listed(folder)}
    assert entries.keys() == FILES.keys()
    for entry in entries.values():
        epochs = [snapshot["epoch"] for snapshot in entry["snapshots"]]
        assert epochs[:-1] == (list(EARLIER) if entry["id"] == TWINS else [])
        assert epochs[-1] == read_compact(FILES[entry["name"]]).config.epochs
        for snapshot in entry["snapshots"]:
            size = (folder / snapshot["file"]).stat().st_size
            assert snapshot["bytes"] == size < LIMITS[entry["kind"]]
    at_first = {name for name, entry in entries.items() if entry["first"]}
    assert at_first == {"FF", "improved FFCL, literal", "improved FFCL, balanced"}


def test_examples_are_ten_of_each_class(folder, digits):
    found = contents(folder / "examples.js")
    images = np.frombuffer(base64.b64decode(found["images"]), np.uint8).reshape(-1, 784)
    assert np.bincount(found["labels"]).tolist() == [10] * 10
    rows = [(digits.test_images == torch.tensor(image)).all(1).nonzero()[0] for image in images]
    assert digits.test_labels[torch.cat(rows)].tolist() == found["labels"]


@pytest.mark.parametrize("harm", ["missing", "cut", "changed"])
def test_a_bad_network_is_one_clear_error(harm, tmp_path, monkeypatch):
    bad = tmp_path / "ff.safetensors"
    content = bytearray(FILES["FF"].read_bytes())
    if harm == "cut":
        bad.write_bytes(content[:1000])
    elif harm == "changed":
        content[-1] ^= 1
        bad.write_bytes(content)
    monkeypatch.setattr(play, "network_files", lambda: FILES | {"FF": bad})
    expected = FileNotFoundError if harm == "missing" else StoreError
    with pytest.raises(expected, match=r"ff\.safetensors") as caught:
        play.export(tmp_path / "play")
    assert harm == "missing" or isinstance(caught.value, UserError)
    assert not (tmp_path / "play").exists()


def test_the_page_asks_nobody_and_runs_no_text(folder):
    for path in sorted(folder.iterdir()):
        if path.suffix in {".html", ".css", ".js"} and path.name != "examples.js":
            text = path.read_text(encoding="utf-8")
            for bad in ("http:", "https:", "//www", "eval(", "innerHTML", "fetch(", "@import"):
                assert bad not in text, (path.name, bad)


# --- In the browser ------------------------------------------------------------------------------

in_a_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(not chromium(), reason="needs Chromium (Debian: apt install chromium)"),
]


def browser_test(test):
    for mark in in_a_browser:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def browser():
    with page_of_chromium(1200, 900) as (page, _):
        yield page.context.browser


@contextmanager
def page_at(folder, browser, width: int = 1200, height: int = 900):
    """The page with what it loads by itself; at its end it has asked for files alone."""
    page = browser.new_page(viewport={"width": width, "height": height})
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: said.type == "error" and problems.append(said.text))
    page.goto((folder / "index.html").as_uri())
    expect(page.locator("#told")).to_contain_text("FF: ", timeout=30_000)
    yield page
    assert not problems
    assert asked
    assert all(address.startswith("file:") for address in asked)
    page.close()


@pytest.fixture
def opened(folder, browser):
    with page_at(folder, browser) as page:
        yield page


@pytest.fixture(scope="module")
def numbers(folder, browser):
    """The page with all networks, for its functions alone."""
    with page_at(folder, browser) as page:
        for name in ("BP/FF", "BP", "BP, rate 0.01"):
            page.get_by_role("button", name=f"Load {name} (2.5 MB)", exact=True).click()
            expect(page.locator("#told")).to_contain_text(f"{name}: ", timeout=30_000)
        yield page


def seen_by_the_page(page, name, images, labels) -> dict[str, np.ndarray]:
    """Scores and activations that the page computes; goodness models' with the label written."""
    given = {
        "id": FILES[name].stem,
        "images": packed(images.numpy()),
        "labels": labels.tolist(),
    }
    found = page.evaluate(
        "({ id, images, labels }) => {"
        + FLOATS
        + """
          const network = shownSnapshot(id);
          const views = split(bytesOf(images), 784).map((image) => look(network, image));
          const hidden = (view, i) =>
            network.kind === "goodness" ? view.hidden[labels[i]] : view.hidden.flat();
          const layers = views.map(hidden);
          return {
            scores: floats(views.map((view) => view.scores)),
            probabilities: floats(views.map((view) => view.probabilities)),
            goodness: floats(views.flatMap((view) => view.goodness ?? [])),
            hidden: layers[0].map((_, k) => floats(layers.map((found) => found[k]))),
          };
        }""",
        given,
    )
    count = len(images)

    def numbers_of(text: str, *shape: int) -> np.ndarray:
        return np.frombuffer(base64.b64decode(text)).reshape(count, *shape, -1)

    return {
        "scores": numbers_of(found["scores"]),
        "probabilities": numbers_of(found["probabilities"]),
        **({"goodness": numbers_of(found["goodness"], 3)} if found["goodness"] else {}),
        **{f"hidden {k}": numbers_of(text) for k, text in enumerate(found["hidden"])},
    }


def goodness_by_hand(rule, images) -> np.ndarray:
    """Goodness (N, layers, 10) with 64 bits, label by label, from the formulas of 2305.18353."""
    layers = rule.network.layers
    pixels = (images.numpy() / 255 - MNIST_MEAN) / MNIST_STD
    found = np.zeros((len(images), len(layers.weights), 10))
    for label in range(10):
        inputs = pixels.copy()
        inputs[:, :10] = 0
        inputs[:, label] = (1 - MNIST_MEAN) / MNIST_STD
        for k, (weight, bias) in enumerate(zip(layers.weights, layers.biases, strict=True)):
            lengths = np.linalg.norm(inputs, axis=1, keepdims=True)
            inputs = inputs / np.where(lengths > 0, lengths, 1)
            weight, bias = (tensor[0].detach().numpy().astype(float) for tensor in (weight, bias))
            inputs = np.maximum(inputs @ weight + bias, 0)
            found[:, k, label] = np.linalg.norm(inputs, axis=1)
    return found


def seen_by_the_package(rule, images, labels) -> dict[str, np.ndarray]:
    found = {"scores": rule.predict(images)[0], "probabilities": rule.probabilities(images)[0]}
    if isinstance(rule, TwinRule):
        layers = [layer for twin in rule.hidden_layers(images) for layer in twin]
    else:
        layers = rule.representations(images, labels)
    if isinstance(rule, GoodnessRule):
        found["goodness"] = rule.network.label_goodness(images)[0].transpose(0, 1)
    found |= {f"hidden {k}": layer[0] for k, layer in enumerate(layers)}
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


@browser_test
@pytest.mark.parametrize("name", FILES)
def test_scores_and_activations_are_the_packages(name, numbers, digits):
    rows = torch.arange(0, len(digits.test_labels), len(digits.test_labels) // IMAGES)
    images, labels = digits.test_images[rows], digits.test_labels[rows]
    assert len(images) == IMAGES
    rule = read_compact(FILES[name])
    expected = seen_by_the_package(rule, images, labels)
    found = seen_by_the_page(numbers, name, images, labels)
    assert found.keys() == expected.keys()
    for what, values in expected.items():
        assert found[what].shape == values.shape
        if what == "goodness":
            # Of a layer that is nearly silent, the direction is what rounding to 32 bits left.
            by_hand = goodness_by_hand(rule, images)
            np.testing.assert_allclose(found[what], by_hand, atol=1e-9)
            below = np.minimum.accumulate(by_hand, 1)[:, :-1] < NEARLY_SILENT
            values[:, 1:][below] = found[what][:, 1:][below]
            assert below.mean() < 0.7
        deviation = np.abs(found[what] - values).max()
        print(f"{name}, {what}: {deviation:.1e}")
        assert deviation < (ROUNDED if what == "goodness" else TOLERANCE), what


def drawings():
    """Lines, dots, noise and blots, of several sizes and places, some of them cut by the edge."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        height, width = rng.integers(5, 300, 2)
        picture = Image.new("L", (int(width), int(height)))
        points = [tuple(map(float, rng.uniform(0, (width, height)))) for _ in range(4)]
        ImageDraw.Draw(picture).line(points, fill=255, width=int(rng.integers(1, 25)))
        yield np.array(picture)
    for width in (8, 30, 90, 140, 141, 142, 200):
        yield rng.integers(0, 256, (280, width), dtype=np.uint8)
    for side in (20, 28, 41, 280):
        yield rng.integers(0, 256, (side, side), dtype=np.uint8)
    dot = np.zeros((280, 280), np.uint8)
    dot[3, 270] = 200
    yield dot
    yield np.pad(np.full((7, 130), 255, np.uint8), ((150, 0), (0, 9)))


@browser_test
def test_a_drawing_is_put_into_mnists_form_as_in_the_package(numbers):
    for drawing in drawings():
        height, width = drawing.shape
        found = numbers.evaluate(
            "([ink, width, height]) => [...likeMnist(bytesOf(ink), width, height)]",
            [packed(drawing), width, height],
        )
        deviation = np.abs(np.array(found) - like_mnist(drawing)).max()
        assert deviation <= (0 if Version(PIL.__version__) >= Version("13") else 1)  # drawing.js
    assert numbers.evaluate("() => likeMnist(new Uint8Array(100), 10, 10)") is None


def examples(folder, digits):
    labels = torch.tensor(contents(folder / "examples.js")["labels"])
    images = base64.b64decode(contents(folder / "examples.js")["images"])
    return torch.frombuffer(bytearray(images), dtype=torch.uint8).reshape(-1, 784), labels


def members_of(rule, layer, label, digits) -> np.ndarray:
    """An ensemble as notebook 20 finds it on the embedded test digits."""
    rate, threshold = explore.DEFINITIONS["authors' rule"]
    activations = explore.activations_of(rule, digits.test_images, digits.test_labels)[layer]
    return rate(activations, digits.test_labels.numpy())[label] > threshold


@browser_test
@pytest.mark.parametrize(
    ("name", "layer", "label"),
    [
        ("FF", 0, 0),
        ("FF", 0, 7),
        ("FF", 1, 3),
        ("FF", 2, 9),
        ("BP/FF", 2, 8),
        ("BP", 0, 4),
        ("BP, rate 0.01", 0, 3),
        ("improved FFCL, literal", 1, 6),
        ("improved FFCL, balanced", 0, 9),
    ],
)
def test_silencing_has_the_packages_effect(name, layer, label, numbers, folder, digits):
    rule = read_compact(FILES[name])
    images, labels = examples(folder, digits)
    members = members_of(rule, layer, label, digits)
    found = numbers.evaluate(
        """async ([id, layer, label]) => {
          const network = shownSnapshot(id);
          const units = ensembleOf(network, layer, label);
          const count = (off) => classAccuracy(network, exampleImages, EXAMPLES.labels, off);
          const [whole, without] = [await count(null), await count({ layer, units })];
          return { units: [...units], whole: [...whole], without: [...without] };
        }""",
        [FILES[name].stem, layer, label],
    )
    np.testing.assert_array_equal(found["units"], members)
    whole = explore.class_accuracy(rule, images, labels)
    without = explore.lesions(rule, layer, members, images, labels)["without it"]
    np.testing.assert_allclose(found["whole"], whole, atol=1e-9)
    np.testing.assert_allclose(found["without"], without, atol=1e-9)
    if name == "FF" and layer == 0:
        assert without[label] < whole[label] - 0.5  # or nothing was silenced


@browser_test
def test_only_the_twin_that_predicts_is_silenced(numbers):
    first, second, before = numbers.evaluate(
        """() => {
          const network = shownSnapshot("improved_ffcl_literal");
          const off = { layer: 1, units: new Uint8Array(64).fill(1) };
          const [first, second] = look(network, exampleImages[0], off).hidden;
          const before = look(network, exampleImages[0]).hidden[1];
          return [first[1], second[1], before[1]].map((layer) => [...layer]);
        }"""
    )
    assert first == [0] * 64
    assert second == before
    assert any(before)


@browser_test
def test_among_equal_scores_the_answer_is_chance(numbers):
    scores = [1.0, 3.0, 3.0, 3.0 + 1e-9, *[0.0] * 6]  # equal with 32 bits
    found = numbers.evaluate(
        "(scores) => scores.map((_, label) => shareRight(Float64Array.from(scores), label))", scores
    )
    np.testing.assert_allclose(found, [0, 1 / 3, 1 / 3, 1 / 3, *[0] * 6])


@browser_test
def test_the_switch_silences_and_says_what_it_does(opened, folder, digits):
    page, rule = opened, read_compact(FILES["FF"])
    images, labels = examples(folder, digits)
    page.select_option("#ensemble-class", "0")
    told = page.locator("#accuracy-told")
    expect(told).to_contain_text("of class 0 it gets", timeout=30_000)
    whole = explore.class_accuracy(rule, images, labels)
    members = members_of(rule, 0, 0, digits)
    without = explore.lesions(rule, 0, members, images, labels)["without it"]
    for figure in (whole.mean(), without.mean(), whole[0], without[0]):
        assert f"{100 * figure:.0f} %" in told.inner_text()
    assert f"{members.sum()} of 784" in page.locator("#ensemble-told").inner_text()
    answer = page.locator("#card-ff + .answer")
    page.evaluate("() => show(exampleImages[3], 0)")
    expect(answer).to_contain_text("It answers 0")
    page.get_by_label("Silence this ensemble").check()
    expect(answer).to_contain_text("with units silenced")
    with explore.silenced(rule, 0, members):
        expected = rule.probabilities(images[3:4])[0, 0]
    share = round(100 * expected.max().item())
    expect(answer).to_contain_text(f"It answers {expected.argmax()} ({share} %)")
    assert expected.argmax() != 0
    page.get_by_label("Silence this ensemble").uncheck()
    expect(answer).to_contain_text("It answers 0")


@browser_test
def test_a_network_is_loaded_when_it_is_chosen(opened):
    page = opened
    assert page.evaluate("() => [...snapshots.keys()].length") == 3
    page.select_option("#ensemble-layer", "2")
    page.select_option("#ensemble-network", "bp")
    expect(page.locator("#told")).to_contain_text("BP: ", timeout=30_000)
    expect(page.locator("#accuracy-told")).to_contain_text("BP gets", timeout=30_000)
    page.select_option("#ensemble-network", "improved_ffcl_literal")  # of two hidden layers
    expect(page.locator("#accuracy-told")).to_contain_text("literal gets", timeout=30_000)
    assert page.locator("#ensemble-layer option").all_inner_texts() == ["1", "2"]
    expect(page.locator("#ensemble-told")).to_contain_text("of 64 units")


@browser_test
def test_several_snapshots_of_a_network_can_be_there(opened):
    epochs = opened.evaluate(
        """() => {
          const last = shownSnapshot("improved_ffcl_literal");
          registerNetwork({ ...last, epoch: 3, stacks: [], ensembles: [] });
          return [shownSnapshot("improved_ffcl_literal") === last,
                  ...snapshots.get("improved_ffcl_literal").map((snapshot) => snapshot.epoch)];
        }"""
    )
    assert epochs == [True, 3, 30]


@browser_test
def test_the_slider_shows_the_twins_during_their_training(opened, snapshots):
    """With the keyboard: the network that answers is that of the epoch, and so is the accuracy."""
    page = opened
    page.select_option("#ensemble-network", TWINS)
    expect(page.locator("#accuracy-told")).to_contain_text("balanced gets", timeout=30_000)
    expect(page.locator("#twins-epoch-told")).to_have_text("after epoch 30 of 30")
    slider = page.locator("#twins-epoch")
    slider.focus()
    for path, epoch, words in zip(
        reversed(snapshots),
        reversed(EARLIER),
        ("after epoch 4 of 30", "before training"),
        strict=True,
    ):
        slider.press("ArrowLeft")
        expect(page.locator("#twins-epoch-told")).to_have_text(words)
        expect(page.locator(f"#card-{TWINS} + .answer")).to_contain_text(
            "It answers", timeout=30_000
        )
        assert page.evaluate(f"() => shownSnapshot('{TWINS}').epoch") == epoch
        scores = page.evaluate(f"() => [...found.get('{TWINS}').probabilities]")
        image = torch.tensor(page.evaluate("() => [...shown.image]"), dtype=torch.uint8)
        expected = read_compact(path).predict(image[None])[0, 0]
        np.testing.assert_allclose(scores, expected, atol=TOLERANCE)
        assert slider.get_attribute("aria-valuetext") == words
    page.select_option("#twins-network", "improved_ffcl_literal")
    expect(page.locator("#twins-epochs")).to_be_hidden()


@browser_test
def test_a_network_that_is_gone_is_said_to_be(folder, browser, tmp_path):
    copy = tmp_path / "play"
    shutil.copytree(folder, copy)
    (copy / "networks" / "bp.js").unlink()
    with pytest.raises(AssertionError, match="FILE_NOT_FOUND"), page_at(copy, browser) as page:
        page.get_by_role("button", name="Load BP (").click()
        expect(page.locator("#card-bp + .answer")).to_have_text("It could not be loaded.")


@browser_test
def test_a_drawing_with_the_mouse_is_answered(opened):
    page = opened
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#label")).to_have_text("The paper is blank: draw a digit.")
    expect(page.locator("#told")).to_have_text("")
    box = page.locator("#paper").bounding_box()
    page.mouse.move(box["x"] + 140, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 138, box["y"] + 140, steps=8)
    page.mouse.move(box["x"] + 136, box["y"] + 230, steps=8)
    page.mouse.up()
    # An upright stroke is a 1, to a network that is right in 19 of 20 cases.
    expect(page.locator("#told")).to_contain_text("FF: 1")
    expect(page.locator("#label")).to_have_text("This is your drawing.")
    assert page.evaluate("() => getComputedStyle(paper).touchAction") == "none"


@browser_test
def test_a_finger_draws_over_an_example_on_clean_paper(folder, browser):
    with page_at(folder, browser, 390) as page:
        page.evaluate(
            """() => {
              const { left, top } = paper.getBoundingClientRect();
              const touch = (kind, y) => paper.dispatchEvent(new PointerEvent(kind, {
                pointerType: "touch", pointerId: 7, clientX: left + 140, clientY: top + y }));
              paper.setPointerCapture = () => {};  // of a made-up pointer it is refused
              touch("pointerdown", 40);
              for (let y = 50; y < 240; y += 10) touch("pointermove", y);
              touch("pointerup", 240);
            }"""
        )
        expect(page.locator("#told")).to_contain_text("FF: 1")


@browser_test
def test_a_drawing_with_the_keyboard_is_answered(opened):
    page = opened
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("() => document.activeElement.id") == "paper"
    expect(page.locator("#cursor")).to_be_visible()
    for _ in range(9):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    for _ in range(18):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#told")).to_contain_text("FF: 1")
    image = np.array(page.evaluate("() => [...shown.image]")).reshape(28, 28)
    assert np.flatnonzero(image.any(1)).size == 20
    page.keyboard.press("Tab")
    expect(page.locator("#cursor")).to_be_hidden()


@browser_test
def test_everything_is_reached_with_the_tab_key_and_seen(opened):
    page, reached = opened, {}
    for _ in range(25):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """() => {
              const here = document.activeElement;
              return [here.id || here.textContent, getComputedStyle(here).outlineStyle];
            }"""
        )
        reached[name] = outline
    controls = page.evaluate(
        """() => [...document.querySelectorAll("a, button:not([hidden]), select, input, #paper")]
                 .map((control) => control.id || control.textContent)"""
    )
    assert set(controls) <= reached.keys()
    assert all(reached[name] == "solid" for name in controls)


@browser_test
def test_every_control_and_picture_has_a_name(opened):
    named = opened.evaluate(
        """() => [...document.querySelectorAll("button, select, input, canvas")].map((thing) =>
             thing.getAttribute("aria-label") || thing.labels?.[0]?.textContent.trim()
             || thing.textContent.trim())"""
    )
    assert len(named) > 20
    assert all(named)
    levels = [int(level) for level in opened.evaluate(
        """() => [...document.querySelectorAll("h1, h2, h3")].map((title) => title.tagName[1])"""
    )]  # fmt: skip
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


@browser_test
@pytest.mark.parametrize("width", [320, 390])
def test_a_narrow_screen_shows_all_of_it(width, folder, browser):
    with page_at(folder, browser, width) as page:
        expect(page.locator("#accuracy-told")).to_contain_text("without this", timeout=30_000)
        assert page.evaluate("() => document.documentElement.scrollWidth") == width
        hidden = page.evaluate(
            """() => [...document.querySelectorAll(".scroll")].filter(
                 (box) => box.scrollWidth > box.clientWidth).map((box) => box.id)"""
        )
        assert not hidden


def contrast(one: str, other: str) -> float:
    """The ratio of two colours "rgb(r, g, b)" as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


@browser_test
def test_light_and_dark_are_readable(opened):
    grounds = []
    for scheme in ("light", "dark"):
        opened.emulate_media(color_scheme=scheme)
        for answer in ("7", "8"):  # one of them is right, or both are wrong
            opened.evaluate(f"() => show(exampleImages[70], {answer})")
            found = opened.evaluate(
                """() => {
                  const ground = (at) => {
                    const colour = getComputedStyle(at).backgroundColor;
                    return colour === "rgba(0, 0, 0, 0)" ? ground(at.parentElement) : colour;
                  };
                  const texts = "h1, p, a, button, select, figcaption, td, th, caption";
                  return [...document.querySelectorAll(`${texts}, .right, .wrong`)].map((at) =>
                    [at.className || at.tagName, getComputedStyle(at).color, ground(at)]);
                }"""
            )
            for name, colour, ground in found:
                assert contrast(colour, ground) >= 4.5, (scheme, name, colour, ground)
        grounds.append(opened.evaluate("() => getComputedStyle(document.body).backgroundColor"))
    assert contrast(*grounds) > 10


@browser_test
def test_motion_is_reduced_where_it_is_asked_for(opened):
    found = []
    for motion in ("no-preference", "reduce"):
        opened.emulate_media(reduced_motion=motion)
        found.append(
            opened.evaluate(
                "() => getComputedStyle(document.querySelector('.bar')).transitionDuration"
            )
        )
    assert found == ["0.15s", "0s"]


@browser_test
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme, opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    opened.emulate_media(color_scheme=scheme)
    expect(opened.locator("#accuracy-told")).to_contain_text("without this", timeout=30_000)
    # Its own look at the style sheet would be a request, which the page does not allow.
    found = axe.Axe().run(opened, options={"preload": False})
    assert not found.response["violations"], found.generate_report()
