import json

import pytest
import torch

from fakes import xmem_recipe
from matted import weights


@pytest.fixture(scope="session")
def golden():
    """What the reference computes from the recipe, in float64."""
    return json.loads((xmem_recipe.DATA / "xmem_golden.json").read_text())


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A checkpoint file in XMem.pth's form, made by the recipe."""
    path = tmp_path_factory.mktemp("weights") / "XMem.pth"
    torch.save(xmem_recipe.state_dict(), path)
    yield path
    path.unlink()


@pytest.fixture(scope="session")
def xmem(checkpoint):
    """The network as the loader gives it for that file, on the CPU."""
    return weights.load(checkpoint, device=torch.device("cpu")).network
