import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from matted.errors import ColorError, SettingError
from matted.media.color import MIDDLE_GREY, ColorSettings, ColorTransform, FileColor
from matted.media.curve import (
    KNEE,
    cineon_to_linear,
    linear_to_srgb,
    log_average,
    primaries_matrix,
    roll_off,
    srgb_to_linear,
)
from matted.media.ocio import BUILT_IN_CONFIG, Config

LINEAR = FileColor("openexr", is_float=True)
PNG = FileColor("png", is_float=False, declared="srgb_rec709_scene")
DPX = FileColor("dpx", is_float=False, transfer="Printing density")
AP1 = (0.713, 0.293, 0.165, 0.830, 0.128, 0.044, 0.32168, 0.33767)
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)

anything = arrays.arrays(np.float32, (3, 4, 3), elements=st.floats(width=32, allow_nan=True, allow_infinity=True))


def transform(file=LINEAR, colorspace=None, exposure=0.0, config=None):
    return ColorTransform(ColorSettings(colorspace, exposure, config), file)


def scene(seed=0):
    """A linear picture (24, 32, 3) with highlights, shadow and black."""
    light = np.random.default_rng(seed).lognormal(-2.0, 1.5, (24, 32, 3)).astype(np.float32)
    light[:2] = 0
    return light


def test_when_an_8_bit_srgb_plate_is_read_then_it_passes_untouched():
    codes = np.arange(256, dtype=np.float32)[:, None, None].repeat(3, axis=2) / 255
    for exposure in (0.0, "auto"):
        assert np.array_equal(transform(PNG, exposure=exposure)(codes), codes)


@pytest.mark.parametrize(
    ("file", "expected", "is_scene"),
    [
        (LINEAR, "Linear Rec.709 (sRGB)", True),
        (PNG, "sRGB", False),
        (FileColor("png", is_float=False, declared="g22_rec709_scene"), "sRGB", False),
        (FileColor("png", is_float=False, declared="lin_rec709_scene"), "Linear Rec.709 (sRGB)", True),
        (FileColor("tiff", is_float=False), "sRGB", False),
        (FileColor("tiff", is_float=True), "Linear Rec.709 (sRGB)", True),
        (FileColor("openexr", is_float=True, declared="srgb_rec709_scene"), "sRGB", False),
        (FileColor("openexr", is_float=True, declared="lin_ap1_scene"), "ACEScg", True),
        (DPX, "Cineon", True),
        (FileColor("dpx", is_float=False, transfer="Logarithmic", declared="KodakLog"), "Cineon", True),
        (FileColor("dpx", is_float=False, transfer="Undefined"), "sRGB", False),
        (FileColor("dpx", is_float=False, transfer="Linear"), "Linear Rec.709 (sRGB)", True),
        (FileColor("movie", is_float=False), "sRGB", False),
        (FileColor("openexr", is_float=True, chromaticities=AP1), "linear, by the file's chromaticities", True),
        (FileColor("openexr", is_float=True, is_aces=True), "linear, by the file's chromaticities", True),
        (FileColor("openexr", is_float=True, chromaticities=(0.0,) * 8), "Linear Rec.709 (sRGB)", True),
    ],
)
def test_when_no_space_is_named_then_the_file_is_asked(file, expected, is_scene):
    made = transform(file)
    assert (made.colorspace, made.scene_referred) == (expected, is_scene)


@settings(max_examples=25, deadline=None)
@given(pixels=anything, file=st.sampled_from([LINEAR, PNG, DPX]), exposure=st.sampled_from([-20.0, -1.0, 0.0, 20.0]))
def test_when_pixels_are_nan_or_infinite_then_the_result_is_finite_and_in_range(pixels, file, exposure):
    shown = transform(file, exposure=exposure)(pixels)
    assert shown.dtype == np.float32 and shown.shape == pixels.shape
    assert np.isfinite(shown).all() and shown.min() >= 0 and shown.max() <= 1
    assert (shown[np.isnan(pixels).all(axis=2)] == 0).all() or file is DPX  # zero is no black in Cineon


def test_when_pixels_hold_nan_and_inf_then_nan_and_negatives_are_black_and_inf_is_white():
    shown = transform()(np.array([[[np.nan] * 3, [-np.inf] * 3, [-3.0] * 3, [np.inf] * 3]], np.float32))
    assert np.array_equal(shown[0, :3], np.zeros((3, 3))) and (shown[0, 3] > 0.98).all()


@pytest.mark.parametrize("exposure", [-2.0, 0.0, 2.0])
def test_when_light_rises_then_display_rises_and_never_clips_hard(exposure):
    ramp = np.geomspace(1e-4, 1000, 400, dtype=np.float32)[None, :, None].repeat(3, axis=2)
    shown = transform(exposure=exposure)(ramp)[0, :, 0]
    assert (np.diff(shown) > 0).all() and shown[-1] < 1


def test_when_highlights_roll_off_then_below_the_knee_nothing_moves_and_the_slope_is_even():
    below = np.linspace(0, KNEE, 50, dtype=np.float32)
    assert np.array_equal(roll_off(below), below)
    step = np.float32(1e-3)
    after = roll_off(np.array([KNEE + step], np.float32))[0]
    assert after - KNEE == pytest.approx(step, rel=0.02)


def test_when_srgb_is_decoded_and_encoded_then_it_comes_back_and_matches_the_standard():
    display = np.linspace(0, 4, 4001, dtype=np.float32)
    assert np.allclose(linear_to_srgb(srgb_to_linear(display)), display, atol=1e-5)
    assert srgb_to_linear(np.float32([0.04045, 1.0, -1.0])) == pytest.approx([0.0031308, 1.0, -1.0], abs=1e-6)
    assert linear_to_srgb(np.float32([MIDDLE_GREY])) == pytest.approx([0.4614], abs=1e-4)


def test_when_cineon_is_decoded_then_black_and_white_lie_where_kodak_put_them():
    codes = np.float32([95, 470, 685]) / 1023
    assert cineon_to_linear(codes) == pytest.approx([0.0, 0.18, 1.0], abs=0.02)
    assert (np.diff(cineon_to_linear(np.linspace(0, 1, 1024, dtype=np.float32))) > 0).all()


@pytest.mark.parametrize("stops", [-2, 2])
def test_when_a_linear_plate_is_two_stops_off_then_automatic_exposure_shows_the_same(stops):
    shown = []
    for gain in (1.0, 2.0**stops):
        made = transform(exposure="auto")
        assert made.needs_anchor
        made.anchor([scene() * np.float32(gain)])
        shown.append(made(scene() * np.float32(gain)))
    assert np.abs(shown[0] - shown[1]).max() < 1e-5


def test_when_exposure_is_automatic_then_the_log_average_lands_on_middle_grey():
    made = transform(exposure="auto")
    grey = np.full((8, 8, 3), 0.7, np.float32)
    made.anchor([grey])
    assert made(grey) == pytest.approx(linear_to_srgb(np.float32([MIDDLE_GREY]))[0], abs=1e-5)


def test_when_a_shot_fades_in_from_black_then_the_bright_frame_sets_the_exposure():
    alone, faded = transform(exposure="auto"), transform(exposure="auto")
    alone.anchor([scene()])
    faded.anchor([scene() * np.float32(1e-4), scene(), np.zeros((4, 4, 3), np.float32)])
    assert np.array_equal(alone(scene()), faded(scene()))


def test_when_a_shot_is_black_then_it_stays_black():
    made = transform(exposure="auto")
    made.anchor([np.zeros((4, 4, 3), np.float32), np.full((4, 4, 3), np.nan, np.float32)])
    assert made(np.zeros((4, 4, 3), np.float32)).max() == 0


def test_when_a_plate_is_display_referred_then_automatic_exposure_leaves_it_alone():
    made = transform(PNG, exposure="auto")
    dark = np.full((4, 4, 3), 0.01, np.float32)
    made.anchor([dark])
    assert not made.needs_anchor and np.array_equal(made(dark), dark)


@pytest.mark.parametrize(("stops", "factor"), [(-2.0, 0.25), (1.0, 2.0), (1.5, 2.0**1.5)])
def test_when_stops_are_given_then_light_is_scaled(stops, factor):
    light = np.linspace(0, 0.2, 30, dtype=np.float32).reshape(2, 5, 3)
    assert np.allclose(transform(exposure=stops)(light), transform()(light * np.float32(factor)), atol=1e-6)
    display = linear_to_srgb(light)
    assert np.allclose(transform(PNG, exposure=stops)(display), roll_off(linear_to_srgb(light * factor)), atol=1e-5)


def test_when_the_log_average_is_taken_then_it_scales_with_the_light():
    assert log_average(scene() * np.float32(8)) == pytest.approx(8 * log_average(scene()), rel=1e-5)
    assert log_average(np.zeros((2, 2, 3), np.float32)) == 0


def test_when_chromaticities_are_aces_then_it_agrees_with_the_config():
    colours = scene()[:4]
    by_header = transform(FileColor("openexr", is_float=True, chromaticities=AP1))(colours)
    by_name = transform(colorspace="ACEScg")(colours)
    assert np.allclose(by_header, by_name, atol=2e-3)


def test_when_primaries_are_the_same_then_the_matrix_is_the_identity_and_white_stays_white():
    assert np.allclose(primaries_matrix(REC709, REC709), np.eye(3), atol=1e-12)
    assert np.allclose(primaries_matrix(AP1, REC709) @ np.ones(3), np.ones(3), atol=1e-6)


@pytest.mark.parametrize(
    "name",
    ["ACEScg", "acescg", "lin_ap1_scene", "scene_linear", "ARRI LogC4", "S-Log3 S-Gamut3", "Raw", "srgb", "cineon"],
)
def test_when_a_space_is_named_by_name_alias_or_role_then_it_is_found_in_any_case(name):
    made = transform(colorspace=name)
    grey = made(np.full((2, 2, 3), 0.4, np.float32))
    assert np.allclose(grey, grey[..., :1], atol=2e-3)  # grey stays grey in every space
    assert 0.1 < grey.mean() < 0.9


def test_when_the_space_is_log_then_middle_grey_is_where_the_maker_says():
    shown = transform(colorspace="ARRI LogC4")(np.full((1, 1, 3), 0.2784, np.float32))  # ARRI LogC4 specification: 18 %
    assert shown == pytest.approx(linear_to_srgb(np.float32([MIDDLE_GREY]))[0], abs=5e-3)


def test_when_the_space_is_unknown_then_near_names_are_offered():
    with pytest.raises(ColorError, match="has no colour space 'ACEcsg'") as raised:
        transform(colorspace="ACEcsg")
    assert raised.value.code == "color_space" and "ACEScg" in raised.value.hint


@pytest.mark.parametrize("name", ["/nowhere/config.ocio", "ocio://no-such-config"])
def test_when_the_config_does_not_exist_then_it_is_refused_and_not_replaced(name):
    with pytest.raises(ColorError, match="cannot be used") as raised:
        transform(colorspace="ACEScg", config=name)
    assert raised.value.code == "color_config" and "$OCIO" in raised.value.hint and name in raised.value.message


def test_when_a_studio_config_is_given_then_its_own_scene_linear_counts(tmp_path):
    """A config whose linear is twice as bright as Rec.709, in the old form without interchange roles."""
    config = tmp_path / "studio.ocio"
    config.write_text(
        """ocio_profile_version: 2
roles: {default: lin_rec709, scene_linear: bright}
file_rules: [!<Rule> {name: Default, colorspace: default}]
displays: {screen: [!<View> {name: raw, colorspace: lin_rec709}]}
active_displays: []
active_views: []
colorspaces:
  - !<ColorSpace> {name: lin_rec709}
  - !<ColorSpace>
    name: bright
    to_scene_reference: !<MatrixTransform> {matrix: [0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 1]}
"""
    )
    light = np.full((2, 2, 3), 0.4, np.float32)
    made = transform(config=str(config))
    assert made.colorspace == "bright"
    assert np.allclose(made(light), linear_to_srgb(light / 2), atol=1e-5)


@pytest.mark.parametrize("exposure", [21.0, float("nan"), float("inf"), "bright", "1"])
def test_when_the_exposure_is_no_number_of_stops_then_it_is_refused(exposure):
    with pytest.raises(SettingError, match="is not a number of stops") as raised:
        ColorSettings(exposure=exposure)
    assert raised.value.code == "bad_setting" and "stops from -20 to 20" in raised.value.hint


def test_when_no_config_is_given_then_the_pinned_one_is_used():
    assert Config(None).name == BUILT_IN_CONFIG


@pytest.mark.parametrize("name", ["srgb_tx", "sRGB - Texture"])
def test_when_a_space_is_srgb_by_another_name_then_it_is_decoded_as_srgb_is_and_not_by_the_config(name):
    config = Config(None)

    assert config.linearise(config.find(name)) is srgb_to_linear


@pytest.mark.parametrize("name", ["g22_rec709_tx", "g18_rec709_tx", "rec709_display", "ACEScct"])
def test_when_a_space_is_near_srgb_then_it_is_not_taken_for_it(name):
    config = Config(None)
    try:
        space = config.find(name)
    except ColorError:
        pytest.skip(f"this config has no {name}")

    assert config.linearise(space) is not srgb_to_linear
