import http.server
import os
import pickle
import threading
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from fakes import xmem_recipe
from matted import weights
from matted.errors import DeviceError, OutputError, WeightsError

CPU = torch.device("cpu")
SHAPES = xmem_recipe.shapes()


@pytest.fixture(scope="module")
def state():
    """Right names and shapes, one repeated value each: enough for everything but figures, and small on disk."""
    dtypes = {name: torch.int64 if name.endswith("num_batches_tracked") else torch.float32 for name in SHAPES}
    return {name: torch.zeros((), dtype=dtypes[name]).expand(shape) for name, shape in SHAPES.items()}


@pytest.fixture
def save(tmp_path):
    def save(content, **kwargs):
        path = tmp_path / "XMem.pth"
        torch.save(content, path, **kwargs)
        return path

    return save


def refused(path):
    with pytest.raises(WeightsError) as error:
        weights.load(path, device=CPU)
    assert error.value.code == "weights_refused"
    assert str(path) in error.value.message
    assert "--weights" in error.value.hint
    return error.value.message


def test_when_checkpoint_is_whole_then_it_loads_and_says_what_it_is(checkpoint):
    loaded = weights.load(checkpoint, device=CPU, half=True)

    assert (loaded.name, loaded.licence, loaded.half, loaded.path) == ("xmem", "MIT", False, checkpoint)
    assert loaded.sha256 == weights.sha256(checkpoint)
    assert_close(loaded.network.key_encoder.conv1.weight[0, 0, 0, 0].item(), -0.110947, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("asked", "used"), [(None, False), (True, True), (False, False)])
def test_when_antialias_is_asked_for_then_the_network_says_so_and_else_it_is_as_published(state, save, asked, used):
    assert weights.load(save(state), device=CPU, antialias=asked).network.antialias is used


def test_when_checkpoint_has_the_older_file_form_then_it_loads_alike(state, save):
    state = dict(state)
    state["decoder.pred.bias"] = torch.tensor([2.5])

    network = weights.load(save(state, _use_new_zipfile_serialization=False), device=CPU).network

    assert network.decoder.pred.bias.item() == 2.5


def test_when_checkpoint_knows_one_object_only_then_other_objects_masks_are_given_no_weight(state, save):
    single = dict(state)
    name = "value_encoder.conv1.weight"
    single[name] = torch.rand(64, 4, 7, 7)

    network = weights.load(save(single), device=CPU).network

    assert torch.equal(network.state_dict()[name][:, :4], single[name])
    assert network.state_dict()[name][:, 4].abs().max() == 0


def test_when_checkpoint_has_no_sensory_memory_then_the_variant_without_is_built(state, save):
    plain = {name: tensor for name, tensor in state.items() if "hidden_" not in name}
    for name in ("decoder.fuser.block1.conv1.weight", "decoder.fuser.block1.downsample.weight"):
        plain[name] = plain[name][:, :1536]

    network = weights.load(save(plain), device=CPU).network

    assert (len(plain), network.sensory_channels) == (402, 0)


def test_when_channel_counts_differ_then_they_are_read_from_the_file(save):
    from matted.network.xmem import XMem

    small = XMem(key_channels=8, value_channels=32, sensory_channels=16)

    network = weights.load(save(small.state_dict()), device=CPU).network

    assert network.sensory_channels == 16
    assert all(torch.equal(tensor, small.state_dict()[name]) for name, tensor in network.state_dict().items())


def test_when_an_entry_is_missing_then_it_is_named(state, save):
    del (state := dict(state))["decoder.pred.bias"]

    message = refused(save(state))

    assert "of 411 tensors where 412 belong, 1 are missing: decoder.pred.bias" in message


def test_when_entries_are_not_known_then_they_are_named(state, save):
    message = refused(save(state | {"head.weight": torch.zeros(1)}))

    assert "not known: head.weight" in message


def test_when_a_shape_differs_then_both_shapes_are_named(state, save):
    message = refused(save(state | {"decoder.pred.weight": torch.zeros(1, 128, 3, 3)}))

    assert "decoder.pred.weight is 1x128x3x3, expected 1x256x3x3" in message


def test_when_a_value_is_not_a_number_then_the_entry_is_named(state, save):
    assert "decoder.pred.bias" in refused(save(state | {"decoder.pred.bias": torch.tensor([float("nan")])}))


def test_when_the_state_dict_is_wrapped_then_the_entry_is_named(state, save):
    message = refused(save({"state_dict": state, "epoch": 3}))

    assert "'state_dict'" in message


def test_when_a_tensor_is_of_another_kind_then_the_entry_is_named(state, save):
    assert "decoder.pred.bias" in refused(save(state | {"decoder.pred.bias": torch.zeros(1, dtype=torch.complex64)}))


def test_when_sensory_memory_has_no_shape_then_it_is_refused(state, save):
    name = "decoder.hidden_update.transform.weight"

    assert name in refused(save(state | {name: torch.tensor(3.0)}))


def test_when_it_is_another_networks_checkpoint_then_it_is_refused(save):
    assert "key_proj.key_proj.weight" in refused(save({"conv.weight": torch.zeros(1)}))


@pytest.mark.parametrize("content", [[torch.zeros(1)], torch.zeros(2), "text"])
def test_when_it_holds_no_named_tensors_then_it_is_refused(save, content):
    assert type(content).__name__ in refused(save(content))


@pytest.mark.parametrize("share", [0, 0.0001, 0.5, 0.999])
def test_when_the_file_is_cut_short_then_it_is_refused(state, save, share):
    path = save(state)
    os.truncate(path, int(path.stat().st_size * share))

    message = refused(path)

    assert ("the file is empty" in message) == (share == 0)


@pytest.mark.parametrize(
    "content", [b"\0" * 4096, b"not a checkpoint", b"PK\x03\x04 broken archive", b"<html>404</html>"]
)
def test_when_the_file_is_something_else_then_it_is_refused(tmp_path, content):
    path = tmp_path / "XMem.pth"
    path.write_bytes(content)

    refused(path)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("form", ["zip", "older", "plain pickle"])
def test_when_a_checkpoint_would_run_code_then_it_is_refused_and_the_code_does_not_run(tmp_path, state, form):
    trap, path = tmp_path / "ran", tmp_path / "XMem.pth"
    content = {"decoder.pred.bias": Bomb(trap)}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")

    refused(path)

    assert not trap.exists()


def test_when_the_file_is_a_whole_module_then_it_is_refused(save):
    refused(save(torch.nn.Linear(2, 2)))


def test_when_the_file_is_a_torchscript_program_then_it_is_named_so(tmp_path):
    import zipfile

    path = tmp_path / "XMem.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("XMem/constants.pkl", b"")

    assert "TorchScript" in refused(path)


def test_when_weights_are_not_there_then_the_message_says_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError) as error:
        weights.load("xmem", device=CPU, folder=tmp_path)

    assert error.value.code == "weights_missing"
    assert str(tmp_path / "XMem.pth") in error.value.message
    assert "python install.py --weights xmem" in error.value.hint


def test_when_listed_then_each_name_says_whether_it_is_here(tmp_path):
    before = {row["name"]: row["state"] for row in weights.listing(tmp_path)}
    (tmp_path / "XMem.pth").write_bytes(b"anything")
    after = {row["name"]: row["state"] for row in weights.listing(tmp_path)}

    assert before["xmem"] == "not here"
    assert after["xmem"] == "here"


def test_when_verified_then_the_report_names_file_hash_and_size(checkpoint):
    report = weights.verify(checkpoint)

    assert report == {
        "name": "xmem",
        "path": str(checkpoint),
        "sha256": weights.sha256(checkpoint),
        "licence": "MIT",
        "parameters": 62_185_224,
        "sensory": True,
    }


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Publish bytes as the xmem weights on a loopback server."""
    servers = []

    def serve(content, announced=None):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(announced or len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        url = f"http://127.0.0.1:{server.server_port}/XMem.pth"
        monkeypatch.setitem(weights.KNOWN, "xmem", replace(weights.KNOWN["xmem"], url=url))

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_when_fetched_then_the_file_is_whole_checked_and_its_hash_lies_beside_it(serve, state, save, tmp_path):
    content = save(state).read_bytes()
    serve(content)
    told = []

    path = weights.fetch("xmem", tmp_path / "weights", lambda done, total: told.append((done, total)))

    assert path.read_bytes() == content
    assert told[-1] == (len(content), len(content))
    assert (tmp_path / "weights" / "XMem.pth.sha256").read_text().split() == [weights.sha256(path), "XMem.pth"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["XMem.pth", "XMem.pth.sha256"]
    assert weights.load("xmem", device=CPU, folder=path.parent).sha256 == weights.sha256(path)


def test_when_the_file_is_not_the_one_downloaded_then_both_hashes_are_named(state, save):
    path = save(state)
    path.with_name("XMem.pth.sha256").write_text(f"{'0' * 64}  XMem.pth\n")

    message = refused(path)

    assert "0" * 64 in message and weights.sha256(path) in message


@pytest.mark.parametrize(
    ("content", "announced", "code"),
    [
        (b"<html>moved</html>", None, "weights_refused"),
        (b"half of it", 20, "weights_missing"),
        (None, None, "weights_missing"),
    ],
)
def test_when_the_download_fails_then_what_was_there_stays(serve, tmp_path, content, announced, code):
    (tmp_path / "XMem.pth").write_bytes(b"older")
    serve(content, announced)

    with pytest.raises(WeightsError) as error:
        weights.fetch("xmem", tmp_path)

    assert error.value.code == code
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("XMem.pth", b"older")]


def test_when_the_folder_cannot_be_made_then_the_path_is_named(serve, tmp_path):
    serve(b"never read")
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(OutputError) as error:
        weights.fetch("xmem", tmp_path / "file" / "weights")

    assert error.value.code == "output_unwritable"
    assert str(tmp_path / "file") in error.value.message


def test_when_nobody_publishes_that_name_then_the_known_ones_are_listed(tmp_path):
    with pytest.raises(WeightsError) as error:
        weights.fetch("xmem2", tmp_path)

    assert "lite, xmem" in error.value.hint


def test_when_no_device_is_named_then_the_fastest_present_one_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert weights.choose_device() == CPU

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert weights.choose_device() == torch.device("mps")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert weights.choose_device() == torch.device("cuda")
    assert weights.choose_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize("name", ["cuda:99", "tpu", "", "cpu:1"])
def test_when_the_device_is_not_here_then_those_that_are_get_listed(name):
    with pytest.raises(DeviceError) as error:
        weights.choose_device(name)

    assert error.value.code == "device_missing"
    assert "cpu" in error.value.hint


def test_when_identified_then_it_says_what_loading_says_without_a_network(checkpoint):
    for given in ("lite", checkpoint):
        loaded, identity = weights.load(given, device=CPU), weights.identify(given)

        assert (identity.name, identity.path) == (loaded.name, loaded.path)
        assert (identity.sha256, identity.memory) == (loaded.sha256, loaded.memory)


def test_when_a_file_stays_as_it_is_then_it_is_read_once_for_its_identity(tmp_path, monkeypatch):
    path, reads = tmp_path / "some.pth", []
    path.write_bytes(b"one")
    read = weights.sha256
    monkeypatch.setattr(weights, "sha256", lambda path: reads.append(path) or read(path))

    first = weights.identify(path)
    assert weights.identify(path) == first
    assert len(reads) == 1

    path.write_bytes(b"other")
    assert weights.identify(path).sha256 != first.sha256
