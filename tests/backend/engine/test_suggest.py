import pytest
import torch

from fakes import xmem_recipe
from matted.engine import suggest as suggest_module
from matted.engine.propagator import Padding
from matted.engine.suggest import Sight, SuggestSettings, suggest
from matted.errors import SettingError
from matted.memory.affinity import similarity


@pytest.fixture(scope="module")
def recipe_sights(xmem):
    """The recipe's 24 frames as the selector sees them."""
    padding = Padding.to_multiple((xmem_recipe.HEIGHT, xmem_recipe.WIDTH), 16)
    sights = {}
    for frame in range(xmem_recipe.FRAMES):
        features = xmem.encode_key(padding.add(xmem_recipe.image(frame), "constant"))
        union = xmem_recipe.masks(frame).amax(0)
        sights[frame] = Sight(features.key, features.shrinkage, features.selection, union)
    return sights


def sight(seed, *, covered=0.5, confidence=1.0):
    """A frame of 4x6 random cells whose mask covers a share of it."""
    random = torch.Generator().manual_seed(seed)
    mask = torch.zeros(8, 12)
    mask[: round(8 * covered)] = 1
    key, selection = (torch.rand(5, 4, 6, generator=random) for _ in range(2))
    return Sight(key, 1 + torch.rand(1, 4, 6, generator=random), selection, mask, confidence)


def shot(count=6, first=1001, **kwargs):
    return {first + index: sight(index, **kwargs) for index in range(count)}


def choose(sights, keyframes=(1001,), count=3, **kwargs):
    return suggest(sorted(sights), sights.__getitem__, keyframes=keyframes, count=count, **kwargs)


@pytest.mark.parametrize("case", range(4))
def test_when_recipe_frames_compared_then_picks_are_the_reference_ones(recipe_sights, golden, case):
    expected = golden["suggestions"][case]

    found = choose(
        recipe_sights, expected["keyframes"], expected["count"], settings=SuggestSettings(alpha=expected["alpha"])
    )

    assert [suggestion.frame for suggestion in found] == expected["picks"]


def test_when_recipe_frames_compared_then_diversities_are_the_reference_ones(recipe_sights, golden):
    for candidate, keyframe, expected in golden["diversity"]:
        [found] = suggest([candidate], recipe_sights.__getitem__, keyframes=[keyframe], count=1)

        assert found.score == pytest.approx(expected, abs=2e-6)


def test_when_blocks_are_small_then_diversity_is_the_formula(monkeypatch):
    monkeypatch.setattr(suggest_module, "BLOCK", 50)
    sights = shot(2)

    [found] = choose(sights, settings=SuggestSettings(alpha=0))

    keyframe, candidate = (
        (seen.key.flatten(1).T, seen.shrinkage.flatten(), seen.selection.flatten(1).T) for seen in sights.values()
    )
    forward = similarity(keyframe[0], keyframe[1], candidate[0], candidate[2])
    backward = similarity(candidate[0], candidate[1], keyframe[0], keyframe[2])
    assert found.score == pytest.approx((forward - backward).relu().mean().item(), rel=1e-5)


@pytest.mark.parametrize(("keyframes", "count"), [((1001,), 4), ((1001, 1003, 1006), 3)])
def test_when_rounds_follow_then_only_the_newest_choice_is_compared_again(monkeypatch, keyframes, count):
    pairs = []
    real = suggest_module.diversity
    monkeypatch.setattr(suggest_module, "diversity", lambda *cells: pairs.append(cells) or real(*cells))
    frames = 12

    choose(shot(frames), keyframes, count)

    free = frames - len(keyframes)
    assert len(pairs) == free * len(keyframes) + sum(free - chosen for chosen in range(1, count))
    assert len(pairs) <= frames * (len(keyframes) + count - 1)


def test_when_chosen_in_rounds_then_it_equals_choosing_one_at_a_time():
    sights = shot(10)
    together = [suggestion.frame for suggestion in choose(sights, (1001, 1004), 4)]

    one_by_one = [1001, 1004]
    for _ in range(4):
        one_by_one.append(choose(sights, one_by_one, 1)[0].frame)

    assert one_by_one[2:] == together


def test_when_more_are_wanted_than_there_are_then_each_frame_comes_once_and_no_keyframe():
    found = [suggestion.frame for suggestion in choose(shot(5), (1002, 1004), 20)]

    assert sorted(found) == [1001, 1003, 1005]


def test_when_frames_repeat_a_keyframe_then_they_are_not_suggested():
    sights = {1001: sight(1), 1002: sight(1), 1003: sight(2), 1004: sight(1)}

    assert [suggestion.frame for suggestion in choose(sights)] == [1003]


def test_when_object_is_in_no_frame_then_nothing_is_suggested():
    assert choose(shot(5, covered=0)) == []


def test_when_object_is_too_small_then_only_that_frame_is_left_out():
    sights = shot(4) | {1003: sight(3, covered=0)}

    assert 1003 not in {suggestion.frame for suggestion in choose(sights, count=9)}


def test_when_the_first_keyframe_lacks_the_object_then_suggestions_still_come():
    sights = shot(4) | {1001: sight(0, covered=0)}

    assert len(choose(sights)) == 3


def test_when_there_is_no_keyframe_then_nothing_is_suggested():
    assert choose(shot(3), ()) == []


def test_when_frames_tie_then_the_earlier_wins():
    sights = {1001: sight(1), 1002: sight(2), 1003: sight(2)}

    found = choose(sights)

    assert [suggestion.frame for suggestion in found] == [1002]


def test_when_suggested_then_the_reason_names_the_nearest_frame():
    first, second = choose(shot(6, first=-3), (-3,), 2)

    assert first.nearest_keyframe == -3
    assert first.reason == "object looks unlike every keyframe; nearest keyframe -3"
    kind = "keyframe" if second.nearest_keyframe == -3 else "suggestion"
    assert second.reason.endswith(f"and suggestion before; nearest {kind} {second.nearest_keyframe}")


def test_when_position_channels_are_named_then_they_do_not_count():
    sights = shot(5)

    def with_position(frame):
        seen, noise = sights[frame], 100 * sight(frame).key[:2]
        return Sight(
            torch.cat((seen.key, noise)), seen.shrinkage, torch.cat((seen.selection, seen.selection[:2])), seen.mask
        )

    found = suggest(sorted(sights), with_position, keyframes=[1001], count=3, local_channels=2)

    assert found == choose(sights)


def test_when_cells_are_pooled_then_constant_frames_score_the_same():
    ones = torch.ones(1, 5, 7)
    sights = {frame: Sight(frame % 10 * ones, frame % 2 + ones, ones / 2, ones[0]) for frame in (1001, 1002, 1003)}

    whole, pooled = (choose(sights, settings=SuggestSettings(pool=pool)) for pool in (1, 3))

    assert [suggestion.frame for suggestion in whole] == [suggestion.frame for suggestion in pooled]
    assert [s.score for s in pooled] == pytest.approx([s.score for s in whole], rel=1e-5)


def test_when_doubt_counts_then_of_equally_unlike_frames_the_unsure_one_comes_first():
    sights = {1001: sight(1), 1002: sight(2, confidence=0.9), 1003: sight(2, confidence=0.4)}

    [found] = choose(sights, settings=SuggestSettings(method="doubt"))

    assert found.frame == 1003
    assert found.reason.startswith("matte is 40% sure; object looks unlike every keyframe; nearest")


def test_when_doubt_counts_then_a_frame_where_the_matte_got_lost_can_be_suggested():
    sights = {1001: sight(1), 1002: sight(2, covered=0, confidence=0.2), 1003: sight(3, covered=0, confidence=0.9)}
    doubt = SuggestSettings(method="doubt")

    assert choose(sights) == []
    assert [suggestion.frame for suggestion in choose(sights, settings=doubt)] == [1002]


def test_when_every_matte_is_sure_then_doubt_orders_by_diversity():
    sights = shot(6)

    by_doubt = choose(sights, settings=SuggestSettings(method="doubt"))

    assert [suggestion.frame for suggestion in by_doubt] == [suggestion.frame for suggestion in choose(sights)]


@pytest.mark.parametrize("wrong", [{"alpha": 1.5}, {"pool": 0}, {"epsilon": -1}, {"method": "best"}])
def test_when_setting_is_out_of_range_then_it_is_refused_with_the_range(wrong):
    with pytest.raises(SettingError) as refused:
        SuggestSettings(**wrong)

    [(name, value)] = wrong.items()
    assert f"{name} is" in refused.value.message and str(value) in refused.value.message
    assert refused.value.hint
