"""The report of a batch, read back as a browser would take it apart."""

import errno
import os
import re
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.drawn_outcomes import drawn_outcome, failed_outcome, outcome_of, stopped_outcome
from matted.batch.page import refuse_foreign, write_page, writing
from matted.batch.review import Thresholds
from matted.errors import OutputError
from matted.media.matte import MatteSettings

VOID = {"meta", "img", "input", "br", "use", "path", "circle", "rect"}


class Page(HTMLParser):
    """What is in a page; it must be balanced."""

    def __init__(self, text):
        super().__init__()
        self.source, self.open, self.tags, self.text, self.raw = text, [], [], [], {"style": "", "script": ""}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]] += data
        elif data.strip():
            self.text.append(" ".join(data.split()))

    def all(self, tag, **wanted):
        named = {name.rstrip("_"): value for name, value in wanted.items()}
        return [attrs for found, attrs in self.tags if found == tag and named.items() <= attrs.items()]

    @property
    def words(self):
        return " ".join(self.text)


def page_of(path, outcomes, **given):
    write_page(path, outcomes, title=given.pop("title", "night"), **given)
    return Page(path.read_text("utf-8"))


def rows(page):
    return [(row["data-name"], row["data-state"]) for row in page.all("tr") if "data-name" in row]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A shot that fails, with all its files."""
    folder = tmp_path_factory.mktemp("drawn")
    return drawn_outcome(folder, "sh010", confidence={1003: (0.123, 0.8)}, suggestions=(1005, 1002), seconds=3725)


@pytest.fixture(scope="module")
def page(drawn, tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("page") / "report.html", [drawn])


def test_when_written_then_nothing_is_fetched_and_every_link_ends_within_the_page(page):
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    links = [attrs["href"] for _, attrs in page.tags if "href" in attrs]

    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert all(link.startswith(("#", "file:///")) for link in links)
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for _, attrs in page.tags if "src" in attrs)
    assert not re.search(r"https?:|@import|url\(", page.source)
    assert {attrs["aria-labelledby"] for attrs in page.all("section")} <= set(ids)


def test_when_written_then_only_its_own_script_may_run(page):
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    digest = b64encode(sha256(page.raw["script"].encode()).digest()).decode()

    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not any(name.startswith("on") or name == "style" for _, attrs in page.tags for name in attrs)


def test_when_written_then_it_says_what_was_measured_and_where(page):
    for words in ("0.12", "@1003", "1 fail", "sh010", "1 h 2 min 5 s", "red: confidence falls to 0.12 at frame 1003"):
        assert words in page.words
    assert rows(page) == [("sh010", "fail")]
    assert "frame 1005 looks unlike every keyframe" in page.words
    assert "abcdef012345" in page.words
    assert "abcdef0123456" not in page.words


def test_when_written_then_looks_sheet_and_plots_can_be_told_without_seeing_them(page):
    alts = [attrs["alt"] for attrs in page.all("img")]
    labels = [attrs["aria-label"] for attrs in page.all("svg", role="img")]

    assert [alt for alt in alts if "frame 1003" in alt or "frame 1005" in alt or "frame 1002" in alt] == alts[:3]
    assert len(alts) == 4
    assert len(labels) == 4
    assert "Confidence of sh010 over frames 1001 to 1006: worst 0.12 at frame 1003, red." in labels
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))


def test_when_written_then_its_pictures_are_whole_and_the_page_stays_small(page):
    for image in page.all("img"):
        data = b64decode(image["src"].partition(",")[2])
        assert data[:2] == b"\xff\xd8"
        assert data[-2:] == b"\xff\xd9"
    assert len(page.source.encode()) < 400_000


def test_when_it_is_dark_then_every_colour_has_another_value(page):
    light, dark = re.findall(r":root \{(.*?)\}", page.raw["style"], re.DOTALL)
    names = [set(re.findall(r"(--[\w-]+):", text)) for text in (light, dark)]

    assert names[0] == names[1]
    assert set(re.findall(r"var\((--[\w-]+)", page.raw["style"])) - names[0] == {"--tone"}
    for palette in (light, dark):
        colors = dict(re.findall(r"(--[\w-]+): (#\w{6})", palette))
        for tone in ("--text", "--quiet", "--link", "--pass", "--warn", "--fail"):
            assert _contrast(colors[tone], colors["--panel"]) >= 4.5, tone
            assert _contrast(colors[tone], colors["--ground"]) >= 4.5, tone
        for level in ("warn", "fail"):
            assert _contrast(colors[f"--{level}"], colors[f"--{level}-soft"]) >= 4.5


def _contrast(one, other):
    """WCAG 2.2, contrast ratio of two sRGB colours."""

    def luminance(color):
        values = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_when_shots_differ_then_those_that_need_a_person_come_first(tmp_path):
    made = tmp_path / "shots" / "v001"
    passed = outcome_of(made, "passes")
    unreviewed = replace(outcome_of(made, "unseen"), verdict=None)
    unreviewed = replace(unreviewed, result=replace(unreviewed.result, review=None))
    low = outcome_of(made, "warns", confidence={1002: (0.6, 0.9)})
    worse = outcome_of(made, "warns worse", confidence={1002: (0.6, 0.6)})
    gone, halted = failed_outcome(tmp_path, "gone"), stopped_outcome(tmp_path, "halted")

    page = page_of(tmp_path / "r.html", [passed, unreviewed, halted, low, worse, gone])

    assert rows(page) == [
        ("gone", "error"),
        ("halted", "stopped"),
        ("warns worse", "warn"),
        ("warns", "warn"),
        ("unseen", "unreviewed"),
        ("passes", "pass"),
    ]
    assert "There is no plate. Bring it." in page.words
    assert "no review was asked for" in page.words
    assert "night: 1 not made, 1 stopped, 2 warn, 1 not reviewed, 1 pass" in page.words


def test_when_a_batch_is_empty_then_the_page_says_so(tmp_path):
    page = page_of(tmp_path / "new" / "r.html", [], notes=["Nothing was listed."])
    assert "This batch has no shots." in page.words
    assert "Nothing was listed." in page.words
    assert page.all("table") == []


def test_when_plate_or_mattes_are_gone_then_the_section_says_so_and_keeps_its_numbers(tmp_path):
    no_plate = outcome_of(tmp_path / "a" / "b" / "v001", "no plate")
    no_mattes = drawn_outcome(tmp_path / "c", "no mattes")
    for matte in (tmp_path / "c" / "out").rglob("*.exr"):
        matte.unlink()

    page = page_of(tmp_path / "r.html", [no_plate, no_mattes])

    assert page.all("img") == []
    assert page.words.count("No pictures: ") == 2
    assert len(page.all("svg", role="img")) == 8


@pytest.mark.parametrize("layout", ["rgba", "cryptomatte"])
def test_when_mattes_are_written_in_another_layout_then_they_are_shown(layout, tmp_path):
    outcome = drawn_outcome(tmp_path, "sh", settings=MatteSettings(layout=layout))
    outcome = replace(outcome, request=replace(outcome.request, mattes=MatteSettings(layout=layout)))
    assert len(page_of(tmp_path / "r.html", [outcome]).all("img")) == 1


def test_when_a_shot_is_one_frame_then_it_has_its_section(tmp_path):
    page = page_of(tmp_path / "r.html", [drawn_outcome(tmp_path, "still", frames=range(1001, 1002))])
    assert "1 frame" in page.words
    assert len(page.all("img")) == 1


def test_when_there_are_many_shots_then_passing_ones_are_closed_and_only_the_first_have_pictures(
    drawn, tmp_path, monkeypatch
):
    monkeypatch.setattr(writing, "PICTURED", 1)
    monkeypatch.setattr(writing, "OPEN", 2)
    others = [drawn_outcome(tmp_path / str(number), f"pass {number}") for number in range(2)]

    page = page_of(tmp_path / "r.html", [*others, drawn])

    assert len(page.all("img")) == 4
    assert "Pictures are shown of the 1 shots" in page.words
    sections = [page.tags[index + 1] for index, (tag, _) in enumerate(page.tags) if tag == "section"]
    assert [("open" in attrs) for _, attrs in sections] == [True, False, False]


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")], ids=str)
def test_when_a_number_is_none_then_a_dash_is_shown_and_no_line_is_drawn(value, tmp_path):
    outcome = outcome_of(tmp_path / "a" / "b", "sh", objects=("x",), flicker=value, jump=value, j=value)
    page = page_of(tmp_path / "r.html", [outcome])
    assert not re.search(r"\b(nan|inf|None)\b", page.words)
    assert not re.search(r'd="[^"]*(nan|inf)', page.source)
    assert len(page.all("svg", role="img")) == 2
    assert "J – F –" in page.words


HOSTILE = st.text(
    st.one_of(st.sampled_from("<>&\"'{}%/;\0\n\u202e"), st.characters(categories=["L", "N", "P", "S", "Cs"])),
    min_size=1,
    max_size=300,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=HOSTILE, words=HOSTILE)
def test_when_names_are_hostile_then_they_are_text_and_nothing_else(name, words, tmp_path):
    shots = [
        outcome_of(tmp_path / "a" / "b", name, objects=(name,), said=[words], confidence={1002: (0.1,)}),
        failed_outcome(tmp_path, name, words, words),
    ]
    plain = [
        outcome_of(tmp_path / "a" / "b", "n", objects=("n",), said=["w"], confidence={1002: (0.1,)}),
        failed_outcome(tmp_path, "n", "w", "w"),
    ]

    page = page_of(tmp_path / "r.html", shots, title=name, notes=[words])

    kept = page_of(tmp_path / "plain.html", plain, title="n", notes=["w"])
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in kept.tags]
    assert [sorted(attrs) for _, attrs in page.tags] == [sorted(attrs) for _, attrs in kept.tags]


def test_when_a_name_says_script_then_it_is_shown_as_it_is(tmp_path):
    name = "<script>alert(1)</script>"
    page = page_of(tmp_path / "r.html", [outcome_of(tmp_path / "a" / "b", name)], title=name)
    assert len(page.all("script")) == 1
    assert name in page.words


def test_when_a_report_of_ours_is_there_then_it_is_replaced(tmp_path):
    path = tmp_path / "r.html"
    page_of(path, [], title="before")
    refuse_foreign(path)
    assert "after" in page_of(path, [], title="after").words
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("content", ["", "<html>mine</html>", "x" * 3000], ids=["empty", "html", "long"])
def test_when_the_file_is_somebody_elses_then_it_is_left_alone(content, tmp_path):
    path = tmp_path / "r.html"
    path.write_text(content)
    with pytest.raises(OutputError) as error:
        write_page(path, [], title="x")
    assert error.value.code == "output_unwritable"
    assert error.value.path == path
    assert path.read_text() == content
    assert [*tmp_path.iterdir()] == [path]


def test_when_the_folder_cannot_be_made_then_the_error_says_which_file(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError) as error:
        write_page(tmp_path / "taken" / "r.html", [], title="x")
    assert error.value.code == "output_unwritable"
    assert "r.html" in error.value.message


def test_when_writing_breaks_off_then_the_report_before_stays_whole(tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    page_of(path, [], title="before")
    before = path.read_bytes()

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError) as error:
        write_page(path, [], title="after")

    assert error.value.code == "disk_full"
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_when_thresholds_are_a_shots_own_then_its_plots_show_them(tmp_path):
    own = Thresholds(confidence=(0.66, 0.44))
    page = page_of(tmp_path / "r.html", [outcome_of(tmp_path / "a" / "b", "sh", thresholds=own)])
    assert "warn 0.66" in page.words
    assert "fail 0.44" in page.words


def test_when_a_path_is_no_text_then_the_page_is_written(tmp_path):
    odd = Path(os.fsdecode(b"/nowhere/\xff/v001"))
    outcome = outcome_of(odd, "sh")
    assert "\\udcff" in page_of(tmp_path / "r.html", [outcome]).words
