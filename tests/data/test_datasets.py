"""Data: counts printed by the datasets' authors, SHA-256, and a download from a local server."""

import errno
import functools
import gzip
import hashlib
import http.server
import socket
import threading

import numpy as np
import pytest
import torch
from torchvision import datasets

from ffcl_utils.data import datasets as data
from ffcl_utils.data import files as data_files


@pytest.mark.parametrize(
    ("name", "train", "test"), [("mnist_5k", 400, 100), ("fashion_mnist_1k", 80, 20)]
)
def test_embedded_subsets_are_split_evenly_by_class(name, train, test):
    subset = data.load(name)
    assert subset.train_labels.bincount().tolist() == [train] * 10
    assert subset.test_labels.bincount().tolist() == [test] * 10
    assert subset.train_images.shape == (10 * train, 784)
    assert subset.train_labels.dtype == subset.test_labels.dtype == torch.int64


def test_no_embedded_test_image_is_also_a_training_image():
    subset = data.load("mnist_5k")
    train = {image.numpy().tobytes() for image in subset.train_images}
    assert not any(image.numpy().tobytes() in train for image in subset.test_images)


def test_full_data_have_the_published_class_counts(full_data):
    mnist, fashion = data.load("mnist"), data.load("fashion_mnist")
    # LeCun's counts of the training digits, and Xiao et al.'s 6,000 of each garment.
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert mnist.train_labels.bincount().tolist() == counts
    assert fashion.train_labels.bincount().tolist() == [6000] * 10
    assert mnist.test_images.shape == fashion.test_images.shape == (10_000, 784)


def test_embedded_images_are_training_images_of_the_full_data(full_data):
    full = data.load("mnist")
    images = {image.tobytes() for image in full.train_images.numpy()}
    subset = data.load("mnist_5k")
    for part in (subset.train_images, subset.test_images):
        assert all(image.tobytes() in images for image in part.numpy())

    fashion, stored = data.load("fashion_mnist"), data._embedded_arrays("fashion_mnist_1k")
    labels = fashion.train_labels.numpy()
    first = np.sort(np.concatenate([np.flatnonzero(labels == c)[:100] for c in range(10)]))
    assert np.array_equal(fashion.train_images.numpy()[first], stored[0])
    assert np.array_equal(labels[first], stored[1])


def test_unknown_dataset_names_the_known_ones():
    with pytest.raises(data_files.DataError, match=r"unknown dataset 'cifar'.*mnist_5k"):
        data.load("cifar")


def test_folder_without_files_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path))
    with pytest.raises(
        data_files.DataError, match=r"no file .*train-images.*python -m ffcl_utils data"
    ):
        data.load("mnist")


def test_damaged_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path))
    for file in data_files.FULL["mnist"].sha256:
        path = data_files.raw_folder("mnist") / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not a digit")
    with pytest.raises(
        data_files.DataError, match=r"damaged file .*train-images-idx3-ubyte.*Delete it"
    ):
        data.load("mnist")


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format (LeCun): magic number, sizes, data."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.astype(np.uint8).tobytes()


class Mirror:
    """A web server on this machine with four small IDX files, made up as a dataset of its own."""

    def __init__(self, folder, tiny):
        self.folder, self.tiny = folder, tiny
        handler = functools.partial(QuietHandler, directory=str(folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    content = {
        "train-images-idx3-ubyte": idx(rng.integers(0, 256, (20, 28, 28))),
        "train-labels-idx1-ubyte": idx(np.arange(20) % 10),
        "t10k-images-idx3-ubyte": idx(rng.integers(0, 256, (10, 28, 28))),
        "t10k-labels-idx1-ubyte": idx(np.arange(10)),
    }
    served = tmp_path / "served"
    served.mkdir()
    resources = []
    for name, raw in content.items():
        packed = gzip.compress(raw, mtime=0)
        (served / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    reader = type("MNIST", (datasets.MNIST,), {"resources": resources})
    sha256 = {name: hashlib.sha256(raw).hexdigest() for name, raw in content.items()}
    monkeypatch.setattr(datasets, "MNIST", reader)
    tiny = data_files.FullDataset("MNIST", data_files.DIGITS, "mnist_5k", sha256)
    monkeypatch.setitem(data_files.FULL, "mnist", tiny)
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path / "data"))
    mirror = Mirror(served, tiny)
    threading.Thread(target=mirror.server.serve_forever, daemon=True).start()
    yield mirror
    mirror.server.shutdown()
    mirror.server.server_close()


def test_what_is_read_is_what_torchvision_reads(mirror):
    data_files.fetch("mnist", [mirror.url])
    loaded = data.load("mnist")
    for train, images, labels in (
        (True, loaded.train_images, loaded.train_labels),
        (False, loaded.test_images, loaded.test_labels),
    ):
        theirs = datasets.MNIST(str(data_files.data_folder()), train=train, download=False)
        assert torch.equal(images, theirs.data.flatten(1))
        assert torch.equal(labels, theirs.targets)


def test_a_class_left_out_is_missing_in_training_alone():
    whole, part = data.load("mnist_5k"), data.load_changed("mnist_5k", "without_class:3")
    assert part.train_labels.bincount(minlength=10).tolist() == [400] * 3 + [0] + [400] * 6
    assert torch.equal(part.train_images, whole.train_images[whole.train_labels != 3])
    assert torch.equal(part.test_labels, whole.test_labels)
    unchanged = data.load_changed("mnist_5k", "")
    assert torch.equal(unchanged.train_images, whole.train_images)


def test_checksums_are_known_without_reading():
    for name in ("mnist_5k", "fashion_mnist_1k"):
        assert data_files.checksums(name) == data.load(name).sha256
    assert data_files.checksums("mnist") == data_files.FULL["mnist"].sha256


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def files_left():
    return [path for path in data_files.raw_folder("mnist").rglob("*") if path.is_file()]


def test_download_of_the_right_files(mirror):
    data_files.fetch("mnist", [mirror.url])
    loaded = data.load("mnist")
    assert loaded.train_labels.tolist() == [k % 10 for k in range(20)]
    assert loaded.test_images.shape == (10, 784)
    assert sorted(path.name for path in files_left()) == sorted(mirror.tiny.sha256)


def test_complete_data_need_no_mirror_and_no_torchvision(mirror, monkeypatch):
    data_files.fetch("mnist", [mirror.url])
    monkeypatch.setattr(data_files, "reader_of", lambda name: pytest.fail("asked for its mirrors"))
    data_files.fetch("mnist", [closed_port()])


def test_download_goes_on_to_the_next_mirror(mirror):
    data_files.fetch("mnist", [closed_port(), mirror.url])
    assert len(files_left()) == 4


def test_a_full_disk_is_no_fault_of_a_mirror(mirror, monkeypatch):
    """The workflow would go on with a subset where no mirror has the data."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(data_files, "_download", full)
    with pytest.raises(data_files.DataError, match=r"cannot write .*No space left") as error:
        data_files.fetch("mnist", [mirror.url])
    assert not isinstance(error.value, data_files.DataDownloadError)


def test_truncated_download_is_an_error_and_leaves_nothing(mirror):
    path = mirror.folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(data_files.DataDownloadError, match="could not download train-images"):
        data_files.fetch("mnist", [mirror.url])
    assert files_left() == []


@pytest.mark.parametrize("md5_known", [True, False])
def test_wrong_bytes_are_an_error_and_leave_nothing(mirror, md5_known, monkeypatch):
    packed = gzip.compress(idx(np.zeros((20, 28, 28))), mtime=0)
    (mirror.folder / "train-images-idx3-ubyte.gz").write_bytes(packed)
    if md5_known:  # then only the SHA-256 stands between the wrong file and the reader
        resources = dict(datasets.MNIST.resources)
        resources["train-images-idx3-ubyte.gz"] = hashlib.md5(packed).hexdigest()
        monkeypatch.setattr(datasets.MNIST, "resources", list(resources.items()))
    with pytest.raises(data_files.DataDownloadError, match="could not download train-images"):
        data_files.fetch("mnist", [mirror.url])
    assert files_left() == []


def test_no_server_is_an_error_that_names_the_mirror(mirror):
    nobody = closed_port()
    with pytest.raises(data_files.DataDownloadError, match=nobody):
        data_files.fetch("mnist", [nobody])


def test_a_mirror_that_does_not_answer_is_given_up(mirror):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(data_files.DataDownloadError, match="timed out"):
            data_files.fetch("mnist", [url], timeout=0.2)
    assert socket.getdefaulttimeout() is None


def test_a_mistyped_data_folder_is_named_and_not_made(mirror, monkeypatch, tmp_path):
    monkeypatch.setenv("FFCL_DATA_DIR", str(tmp_path / "dtaa"))
    with pytest.raises(data_files.DataError, match=r"dtaa'?, and there is no such folder"):
        data_files.fetch("mnist", [mirror.url])
    assert not (tmp_path / "dtaa").exists()


@pytest.mark.parametrize("name", ["{}.gz", "{}"])
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("folder", [".", "raw", "MNIST", "MNIST/raw"])
def test_right_files_near_their_place_are_taken_without_a_download(
    mirror, tmp_path, folder, dotted, name
):
    place = tmp_path / "data" / folder
    place.mkdir(parents=True, exist_ok=True)
    for packed in mirror.folder.iterdir():
        own = name.format(packed.stem.replace("-idx", ".idx") if dotted else packed.stem)
        content = packed.read_bytes()
        (place / own).write_bytes(content if own.endswith(".gz") else gzip.decompress(content))
    data_files.fetch("mnist", [closed_port()])
    assert data.load("mnist").test_images.shape == (10, 784)


@pytest.mark.parametrize("content", [b"", b"no archive", gzip.compress(b"other data", mtime=0)])
def test_wrong_files_near_their_place_are_left_alone(mirror, tmp_path, content):
    found = tmp_path / "data" / "train-images-idx3-ubyte.gz"
    found.write_bytes(content)
    data_files.fetch("mnist", [mirror.url])
    assert found.read_bytes() == content


def test_a_right_file_that_cannot_be_copied_is_named(mirror, tmp_path, monkeypatch):
    for packed in mirror.folder.iterdir():
        (tmp_path / "data" / packed.name).write_bytes(packed.read_bytes())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(data_files, "write_whole", full)
    with pytest.raises(data_files.DataError, match=r"images.*\.gz is the right file, but .*space"):
        data_files.fetch("mnist", [closed_port()])


def test_reading_never_downloads(mirror, monkeypatch):
    monkeypatch.setattr(datasets.MNIST, "mirrors", [mirror.url])
    with pytest.raises(data_files.DataError, match="is not complete"):
        data.load("mnist")
    assert not data_files.raw_folder("mnist").exists()
