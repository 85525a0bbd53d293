import pytest
import torch
from torch.testing import assert_close

from matted.engine.propagator import Propagator
from matted.errors import WeightsError
from matted.memory.affinity import similarity
from matted.network import lite
from matted.network.lite import FILE, Lite, LiteSettings, lab, load_lite
from matted.weights import LITE_MEMORY


@pytest.fixture(scope="module")
def network():
    return load_lite()


def normalised(picture):
    """(3, H, W) sRGB, 0..1, as the session hands it to a network."""
    return (picture - torch.tensor(lite.SRGB_MEAN)[:, None, None]) / torch.tensor(lite.SRGB_STD)[:, None, None]


def drawn(left, *, top=32, height=96, width=160, side=40, gain=1.0, seed=0):
    """A textured red square on a textured grey ground, and its mask; the square's texture moves with it."""
    noise = torch.Generator().manual_seed(seed)
    picture = 0.45 + 0.08 * torch.randn(height, width, generator=noise).expand(3, -1, -1)
    texture = 0.05 * torch.randn(3, side, side, generator=noise)
    picture = picture.clone()
    picture[:, top : top + side, left : left + side] = torch.tensor([0.8, 0.2, 0.15])[:, None, None] + texture
    mask = torch.zeros(height, width)
    mask[top : top + side, left : left + side] = 1
    return normalised((gain * picture).clamp(0, 1)), mask


def overlap(probability, mask):
    ours, theirs = probability > 0.5, mask > 0.5
    return float((ours & theirs).sum() / (ours | theirs).sum())


def test_when_packaged_then_the_weights_stay_under_a_megabyte():
    assert 100_000 < FILE.stat().st_size < 1_000_000


@pytest.mark.parametrize(("height", "width"), [(32, 32), (32, 416), (96, 160)])
def test_when_encoded_then_the_grid_has_one_cell_for_eight_pixels(network, height, width):
    features = network.encode_key(torch.randn(3, height, width))

    channels = len(features.key)
    assert features.key.shape == features.selection.shape == (channels, height // 8, width // 8)
    assert features.shrinkage.shape == (1, height // 8, width // 8)
    assert features.key.isfinite().all()


def test_when_image_is_flat_then_keys_are_finite(network):
    assert network.encode_key(normalised(torch.full((3, 64, 64), 0.5))).key.isfinite().all()


def test_when_batch_norm_is_folded_then_stages_do_not_change(network):
    plain = Lite()
    tensors = {name: tensor.float() for name, tensor in lite.load_file(FILE).items()}
    plain.load_state_dict({**lite._batch_counts(plain), **tensors})
    image = drawn(40)[0]

    expected = plain.requires_grad_(False).eval().stages(image)

    for name, stage in network.stages(image).items():
        assert_close(stage, expected[name], atol=1e-4, rtol=1e-4)


def test_when_a_cell_meets_itself_then_nothing_is_more_similar(network):
    key = network.encode_key(drawn(40)[0]).key.flatten(1).T

    score = similarity(key, torch.ones(len(key)), key, torch.ones_like(key))

    assert_close(score.diagonal(), torch.zeros(len(key)), atol=1e-2, rtol=0)
    assert (score <= 1e-2).all()


def test_when_appearance_is_equal_then_similarity_is_the_gaussian_of_distance(network):
    settings = LiteSettings()
    key = network.encode_key(normalised(torch.full((3, 480, 480), 0.5))).key
    key[: -2 * network.local_channels] = 0
    here, there = key[:, 30, 20][None], key[:, 30, 26][None]
    anywhere = torch.ones_like(here)
    anywhere[:, -network.local_channels :] = 0
    cells = 60

    working = similarity(here, torch.ones(1), there, torch.ones_like(here))
    keyframe = similarity(here, torch.ones(1), there, anywhere)

    assert float(working) == pytest.approx(-((6 / (cells * settings.working_reach)) ** 2) / 2, rel=1e-3)
    assert float(keyframe) == pytest.approx(-((6 / (cells * settings.keyframe_reach)) ** 2) / 2, rel=1e-3)


def test_when_a_value_is_read_back_whole_then_the_masks_return(network):
    first = torch.rand(2, 64, 96)
    masks = first / first.sum(0).clamp_min(1)
    image = torch.randn(3, 64, 96)
    features = network.encode_key(image)
    sensory = torch.zeros(2, 0, 8, 12)

    value = network.encode_value(image, features, masks)
    probability, after = network.segment(features, value, network.reinforce(value, sensory))

    assert value.shape == (2, 64, 8, 12)
    assert_close(probability[1:], masks)
    assert after.shape == sensory.shape


@pytest.mark.parametrize("objects", [1, 12])
def test_when_objects_overlap_then_probability_still_sums_to_one(network, objects):
    readout = torch.randn(objects, 64, 4, 4)

    probability, _ = network.segment(network.encode_key(torch.randn(3, 32, 32)), readout, torch.zeros(objects, 0, 4, 4))

    assert probability.shape == (objects + 1, 32, 32)
    assert_close(probability.sum(0), torch.ones(32, 32))
    assert probability.min() >= 0


def test_when_a_square_moves_then_its_matte_follows(network):
    propagator = Propagator(network, LITE_MEMORY)
    image, mask = drawn(20)
    propagator.set_keyframe(0, image, mask[None])
    propagator.step_keyframe(image, mask[None])

    found = []
    for left in range(24, 80, 4):
        image, mask = drawn(left)
        found.append(overlap(propagator.step(image)[1], mask))

    assert min(found) > 0.95


@pytest.mark.parametrize("gain", [0.6, 1.25])
def test_when_light_changes_then_the_matte_hardly_does(network, gain):
    propagator = Propagator(network, LITE_MEMORY)
    image, mask = drawn(40)
    propagator.set_keyframe(0, image, mask[None])

    assert overlap(propagator.step(drawn(40, gain=gain)[0])[1], mask) > 0.95


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 70), (45, 61)])
def test_when_the_plate_is_small_or_odd_then_probability_has_its_size(network, height, width):
    propagator = Propagator(network, LITE_MEMORY)
    image = torch.randn(3, height, width)
    propagator.set_keyframe(0, image, torch.ones(1, height, width))

    probability = propagator.step(image)

    assert probability.shape == (2, height, width)
    assert_close(probability[1], torch.ones(height, width))


def test_when_colour_is_white_or_red_then_lab_is_the_published_one():
    picture = torch.tensor([[1.0, 1, 1], [1, 0, 0]]).T[:, :, None]

    white, red = lab(normalised(picture))[:, :, 0].T * 100

    assert_close(white, torch.tensor([100.0, 0, 0]), atol=0.02, rtol=0)
    assert_close(red, torch.tensor([53.24, 80.09, 67.20]), atol=0.05, rtol=0)


@pytest.mark.parametrize(("damage", "code"), [("absent", "weights_missing"), ("cut", "weights_refused")])
def test_when_the_package_is_not_whole_then_the_file_is_named(tmp_path, monkeypatch, damage, code):
    path = tmp_path / "lite.safetensors"
    if damage == "cut":
        path.write_bytes(FILE.read_bytes()[:1000])
    monkeypatch.setattr(lite, "FILE", path)

    with pytest.raises(WeightsError) as error:
        load_lite()

    assert error.value.code == code
    assert str(path) in error.value.message
    assert "Install" in error.value.hint
