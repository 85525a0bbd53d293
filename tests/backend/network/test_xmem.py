import pytest
import torch
from torch.testing import assert_close

from fakes import xmem_recipe
from matted.engine.propagator import Padding
from matted.network.layers import ResidualBlock, aggregate
from matted.network.xmem import XMem


@pytest.fixture(scope="module")
def first_frame(xmem):
    """Features, value and sensory memory of the recipe's frame 0, padded as the propagator pads it."""
    padding = Padding.to_multiple((xmem_recipe.HEIGHT, xmem_recipe.WIDTH), 16)
    image = padding.add(xmem_recipe.image(0), "constant")
    features = xmem.encode_key(image)
    masks = aggregate(padding.add(xmem_recipe.masks(0), "constant"))[1:]
    value = xmem.encode_value(image, features, masks)
    sensory = xmem.reinforce(value, torch.zeros(2, 64, 6, 8))
    f16, f8, f4 = features.maps
    grids = {"key": features.key, "shrinkage": features.shrinkage, "selection": features.selection}
    return grids | {"f4": f4, "f8": f8, "f16": f16, "value": value, "sensory": sensory}


@pytest.mark.parametrize("name", ["f4", "f8", "f16", "key", "shrinkage", "selection", "value", "sensory"])
def test_when_recipe_frame_encoded_then_each_module_gives_the_reference_figures(first_frame, golden, name):
    tensor = first_frame[name]
    shape, mean, deviation, first, last = golden["modules"][name]

    assert list(tensor.shape) == shape
    found = [tensor.mean(), tensor.std(correction=0), tensor.flatten()[0], tensor.flatten()[-1]]
    assert_close(torch.stack(found), torch.tensor([mean, deviation, first, last]), atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("sensory_channels", "entries"), [(64, 412), (0, 402)])
def test_when_built_then_names_and_shapes_are_the_published_ones(sensory_channels, entries):
    with torch.device("meta"):
        network = XMem(sensory_channels=sensory_channels)
    published = xmem_recipe.shapes()
    if not sensory_channels:
        published = {name: shape for name, shape in published.items() if "hidden_" not in name}
        for name in ("decoder.fuser.block1.conv1.weight", "decoder.fuser.block1.downsample.weight"):
            published[name] = (512, 1536, 3, 3)

    assert {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()} == published
    assert len(published) == entries


def test_when_built_then_it_cannot_train():
    with torch.device("meta"):
        network = XMem()

    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_when_there_is_no_sensory_memory_then_decoding_still_gives_a_distribution():
    torch.manual_seed(1)
    network = XMem(key_channels=8, value_channels=16, sensory_channels=0)
    image = torch.randn(3, 32, 48)
    features = network.encode_key(image)

    probability, sensory = network.segment(features, torch.randn(3, 16, 2, 3), torch.zeros(3, 0, 2, 3))

    assert probability.shape == (4, 32, 48)
    assert sensory.shape == (3, 0, 2, 3)
    assert_close(probability.sum(0), torch.ones(32, 48))


def test_when_objects_decoded_together_then_logits_equal_each_decoded_alone(xmem):
    torch.manual_seed(2)
    features = xmem.encode_key(torch.randn(3, 32, 32))
    maps = tuple(feature[None] for feature in features.maps)
    readout, sensory = torch.randn(2, 512, 2, 2), torch.randn(2, 64, 2, 2)

    with torch.no_grad():
        together = xmem.decoder(maps, readout, sensory)
        alone = [xmem.decoder(maps, readout[row : row + 1], sensory[row : row + 1]) for row in range(2)]

    assert_close(together[0], torch.cat([logits for logits, _ in alone]), atol=1e-4, rtol=1e-4)
    assert_close(together[1], torch.cat([after for _, after in alone]), atol=1e-4, rtol=1e-4)


def test_when_image_and_objects_fused_apart_then_it_equals_the_concatenation():
    torch.manual_seed(3)
    block = ResidualBlock(7, 5)
    image, objects = torch.randn(1, 4, 6, 6), torch.randn(3, 3, 6, 6)

    assert_close(block.fuse(objects, image), block(torch.cat((image.expand(3, -1, -1, -1), objects), dim=1)))


def test_when_masks_are_one_hot_then_aggregation_returns_them():
    masks = torch.zeros(2, 4, 4)
    masks[0, :2] = 1
    masks[1, 2:, :2] = 1

    probability = aggregate(masks)

    assert_close(probability[1:], masks, atol=1e-6, rtol=0)
    assert_close(probability.sum(0), torch.ones(4, 4))


def test_when_mask_is_soft_then_aggregation_normalises_the_odds():
    # one object at 0.8: background 0.2, odds 4 and 1/4, normalised 16/17 and 1/17
    probability = aggregate(torch.full((1, 1, 1), 0.8))

    assert_close(probability.flatten(), torch.tensor([1 / 17, 16 / 17]))


def test_when_masks_are_half_precision_then_probability_is_single_and_finite():
    probability = aggregate(torch.tensor([0.0, 1.0, 0.5, 1e-7], dtype=torch.float16)[None, None])

    assert probability.dtype == torch.float32
    assert probability.isfinite().all()
