"""A job file from text to batch: the same in every form, with the line of everything that is wrong."""

from pathlib import Path

import pytest

from matted.batch.jobfile import JobFileError, read
from matted.batch.keyframes import MaskSource
from matted.batch.review import Thresholds
from matted.engine.plan import Direction
from matted.media.color import ColorSettings
from matted_protocol.frames import FrameRange

WHOLE = """\
[job]
name = "night"
report = "reports/night.html"

[tokens]
show = "moon"
seq = "/mnt/{show}/{shot}"
take = 2

[defaults]
plate = "{seq}/plate.####.exr"
keyframes = "roto/{shot}/{object}.####.exr"
out = "mattes/{shot}/{version}"
objects = ["hero", "dog"]
thresholds.jump = [3, 5]

[[shots]]
name = "a010"
range = "1001-1048"
priority = 5

[[shots]]
name = "a020"
plate = "take{take}/{{raw}}/x.mov"
objects = { hero = "~/masks/hero", "the dog" = "dog/{object}" }
at = [1024, 1001]
missing = "skip"
frame_offset = -1000
part = "left"
layer = "beauty"
mask_layer = "{object}.A"
pick = ["x"]
colorspace = "sRGB"
exposure = 1.5
ocio = "show.ocio"
weights = "XMem.pth"
working_size = 360
direction = "forward"
format = "exr"
layout = "layers"
compression = "dwaa"
suggestions = 0
review = false
thresholds = { confidence = [0.6, 0.2] }
"""

LEAST = 'name = "a"\nplate = "p.####.exr"\nkeyframes = "k"\nout = "o"\n'


def written(folder, text, name="jobs.toml"):
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def problems(folder, text, name="jobs.toml", **overrides):
    with pytest.raises(JobFileError) as error:
        read(written(folder, text, name), overrides)
    return error.value.problems


def only_problem(folder, text, name="jobs.toml"):
    found = problems(folder, text, name)
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


def test_when_a_whole_file_is_read_then_every_key_is_where_it_belongs(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/artist")

    batch = read(written(tmp_path, WHOLE))

    assert (batch.name, batch.report) == ("night", tmp_path / "reports/night.html")
    first, second = (entry.request for entry in batch.entries)
    assert first.plate == "/mnt/moon/a010/plate.####.exr"
    assert first.masks == (
        MaskSource(tmp_path / "roto/a010/hero.####.exr", "hero"),
        MaskSource(tmp_path / "roto/a010/dog.####.exr", "dog"),
    )
    assert (first.out, first.frames, first.priority) == (tmp_path / "mattes/a010", FrameRange(1001, 1048), 5)
    assert (first.review, first.suggestions, first.weights) == (True, 3, "lite")
    assert second.plate == str(tmp_path / "take2/{raw}/x.mov")
    assert second.masks == (
        MaskSource(Path("/home/artist/masks/hero"), "hero", "hero.A", ("x",)),
        MaskSource(tmp_path / "dog/the dog", "the dog", "the dog.A", ("x",)),
    )
    assert (second.at, second.missing, second.frame_offset) == ((1001, 1024), "skip", -1000)
    assert (second.part, second.layer) == ("left", "beauty")
    assert second.color == ColorSettings("sRGB", 1.5, str(tmp_path / "show.ocio"))
    assert second.weights == str(tmp_path / "XMem.pth")
    assert (second.session.working_size, second.session.direction) == (360, Direction.FORWARD)
    assert (second.mattes.layout, second.mattes.compression) == ("layers", "dwaa")
    assert (second.suggestions, second.review) == (0, False)
    assert batch.entries[0].thresholds == Thresholds(jump=(3, 5))
    assert batch.entries[1].thresholds == Thresholds(jump=(3, 5), confidence=(0.6, 0.2))
    assert [entry.line for entry in batch.entries] == [17, 22]
    assert batch.entries[0].lines["range"] == 19 and batch.entries[0].lines["plate"] == 11


def plain(value):
    """Requests and thresholds of a batch, without where they were written."""
    return [(entry.request, entry.thresholds) for entry in value.entries]


SAME_IN_YAML = """\
tokens: {show: moon}
defaults: &all
  plate: "plates/{show}/{shot}.####.exr"
  keyframes: roto/{shot}
  out: mattes/{shot}
shots:
  - name: 010
    at: [1001, 1024]
    range: 1001-1048
    review: false
    exposure: 1.5
    thresholds: {jump: [3, 5]}
  - name: on
    objects: {hero: hero/masks, dog: dog/masks}
"""
SAME_IN_CSV = (
    "\ufeffname;plate;keyframes;out;at;range;review;exposure;thresholds.jump;objects;;\n"
    '"010";plates/moon/010.####.exr;roto/010;"mattes/010";1001 1024;1001-1048;false;1.5;3, 5;;\n'
    ";;;;\n"
    'on;plates/moon/on.####.exr;;mattes/on;;;;;;"hero=hero/masks; dog=dog/masks";\r\n'
)
SAME_IN_TOML = """\
tokens.show = "moon"
defaults = {plate = "plates/{show}/{shot}.####.exr", "keyframes" = 'roto/{shot}', out = "mattes/{shot}"}
shots = [
  { name = "010", at = "1001, 1024", range = "1001-1048", review = false, exposure = "1.5", thresholds.jump = [3, 5] },
  # none
  { name = "on", objects = {hero = "hero/masks", dog = "dog/masks"} },
]
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [(SAME_IN_YAML, "a.yaml"), (SAME_IN_YAML, "a.yml"), (SAME_IN_CSV, "a.CSV")],
    ids=["yaml", "yml", "csv"],
)
def test_when_written_in_another_form_then_the_batch_is_the_same(tmp_path, text, name):
    batch = read(written(tmp_path, text, name))

    assert plain(batch) == plain(read(written(tmp_path, SAME_IN_TOML)))
    assert [entry.request.name for entry in batch.entries] == ["010", "on"]
    assert (batch.name, batch.report) == ("a", tmp_path / "a.report.html")


def test_when_read_from_another_directory_or_by_a_relative_path_then_the_batch_is_the_same(tmp_path, monkeypatch):
    folder = tmp_path / "jobs"
    folder.mkdir()
    whole = read(written(folder, "[[shots]]\n" + LEAST.replace('"p.', '"../p.')))

    monkeypatch.chdir(tmp_path)
    assert read("jobs/jobs.toml") == whole
    assert whole.entries[0].request.plate == str(tmp_path / "p.####.exr")


@pytest.mark.parametrize("ending", ["yaml", "csv"])
def test_when_shots_have_line_breaks_then_each_keeps_its_line(tmp_path, ending):
    if ending == "yaml":
        text = "shots:\n- {name: a,\n   plate: p, keyframes: k,\n   out: o, range: 9-1}\n\n- name: [b]\n"
        expected = [(4, "range is"), (6, "name is"), (6, "no plate"), (6, "no out"), (6, "no keyframes")]
    else:
        text = 'name,plate,keyframes,out,range\n"a","p\n1",k,o,1\n\nb,p,k,o,9-1\n'
        expected = [(2, "plate is"), (5, "range is")]

    found = problems(tmp_path, text, f"a.{ending}")

    assert [(problem.line, words in problem.message) for problem, (_, words) in zip(found, expected, strict=True)] == [
        (line, True) for line, _ in expected
    ]


WRONG = {
    "unknown_key": ('plaet = "x"', 6, "There is no key 'plaet' of a shot.", "Did you mean 'plate'?"),
    "number_for_text": ("part = 3", 6, "part is 3, which is not text.", "quotes"),
    "text_for_number": ('working_size = "big"', 6, "working_size is 'big'", "working_size = 720"),
    "negative_size": ("working_size = -1", 6, "not a whole number from 0 on", "720"),
    "float_for_whole": ("priority = 1.5", 6, "priority is 1.5", "10"),
    "true_for_number": ("suggestions = true", 6, "suggestions is true", "5"),
    "number_for_flag": ("review = 1", 6, "review is 1, which is not true or false", "false"),
    "range_backwards": ('range = "1048-1001"', 6, "range is '1048-1001'", "ends before it starts"),
    "range_of_a_date": ("range = 1979-05-27", 6, "range is 1979-05-27, which is not a frame range", "1001-1048"),
    "range_too_long": ('range = "1-2000000"', 6, "not a frame range of a shot", "1001-1048"),
    "range_of_a_flood": ('range = "1-' + "9" * 4000 + '"', 6, "…', which is not a frame range", "1001"),
    "no_frames": ("at = []", 6, "at is a list", "Leave the key away"),
    "exposure": ("exposure = 30", 6, "The exposure '30.0' is not a number of stops.", "-20"),
    "exposure_nan": ("exposure = nan", 6, "exposure is nan, which is not auto or a number", "1.5"),
    "choice": ('layout = "layer"', 6, "not one of files, layers, rgba, cryptomatte", "layers"),
    "choices_that_clash": ('\nformat = "png8"\nlayout = "layers"', 8, "cannot be written as png8", "exr"),
    "compression": ('compression = "jpeg"', 6, "'jpeg' would change mattes", "zips"),
    "control_letter": ('part = "a\\u0000b"', 6, "part is 'a\\x00b', which is not one line of text", "control"),
    "empty": ('part = " "', 6, "part is ' ', which is not text", "Leave the key away"),
    "unknown_token": ('part = "{shto}"', 6, "part: There is no token {shto}.", "Did you mean {shot}?"),
    "unbalanced_brace": ('part = "{shot"', 6, "A brace has no pair in '{shot'.", "{{ and }}"),
    "version_elsewhere": ('weights = "{version}"', 6, "weights: The token {version} cannot stand here.", "{shot}"),
    "object_in_plate": ('layer = "{object}"', 6, "The token {object} cannot stand here.", "{shot}"),
    "object_without_objects": ('mask_layer = "{object}"', 1, "mask_layer holds {object}, but the shot has no", "hero"),
    "objects_alike": ('objects = ["a", "b"]', 4, "All objects of the shot would have the same masks.", "{object}"),
    "object_twice": ('objects = ["a", "a"]', 6, "objects is a list, which is not a list of diff", "'a' is there twice"),
    "objects_empty": ("objects = {}", 6, "objects is a table, which is not a list of names", "hero"),
    "unknown_threshold": ("thresholds.jmp = [1, 2]", 6, "thresholds is a table", "There is no 'jmp'"),
    "threshold_order": ("thresholds.jump = [8, 4]", 6, "not jump = [warn, fail]", "Above is worse"),
    "threshold_other_order": ("thresholds.confidence = [0.3, 0.5]", 6, "not confidence = [warn", "Below is worse"),
    "threshold_alone": ("thresholds.jump = 4", 6, "not jump = [warn, fail]", "confidence = [0.5, 0.3]"),
    "threshold_nan": ("thresholds.jump = [nan, 4]", 6, "not jump = [warn, fail]", "confidence"),
    "windows_path": ("ocio = 'C:\\show\\a.ocio'", 6, "not a path of this system", "forward slashes"),
    "windows_share": ("weights = '\\\\nas\\XMem.pth'", 6, "not a path of this system", "forward slashes"),
    "home_of_nobody": ('weights = "~nobody-at-all/x"', 6, "weights is '~nobody-at-all/x'", "home"),
}


@pytest.mark.parametrize(("line", "at", "message", "hint"), WRONG.values(), ids=WRONG)
def test_when_a_value_is_wrong_then_its_line_the_shot_and_the_remedy_are_told(tmp_path, line, at, message, hint):
    problem = only_problem(tmp_path, "[[shots]]\n" + LEAST + line)

    assert (problem.line, problem.shot) == (at, "a")
    assert message in problem.message and hint in problem.hint
    assert str(problem).startswith(f"{tmp_path / 'jobs.toml'}:{at}: a: ")


def test_when_much_is_wrong_then_all_is_told_once_and_in_line_order(tmp_path):
    text = """\
shotz = 1
[job]
nmae = "x"
report = 3
[tokens]
a = "{b}"
b = "{a}"
shot = "x"
"no name" = "x"
c = [1]
[defaults]
range = "x"
name = "y"
out = "{a}/{shot}"
[[shots]]
name = "A"
plate = "{c}/p"
keyframes = "k"
[[shots]]
name = "a/b"
plate = "p"
[[shots]]
plate = "p"
keyframes = "{object}"
out = "o.####.exr"
[[shots]]
name = "a"
plate = "{version}/p"
objects = ["x"]
out = "{version}/x"
"""
    assert [(problem.line, problem.shot, problem.message) for problem in problems(tmp_path, text)] == [
        (1, "", "There is no key 'shotz' in a job file."),
        (3, "", "There is no key 'nmae' in [job]."),
        (4, "", "report is 3, which is not text."),
        (6, "", "Tokens use each other in a circle: {a} → {b} → {a}."),
        (8, "", "The token {shot} is matted's own."),
        (9, "", "'no name' is no name for a token."),
        (10, "", "{c} is a list of 1, which is not text."),
        (12, "", "range is 'x', which is not a frame range."),
        (13, "", "The defaults name a shot."),
        (19, "", "The shot has no keyframes."),
        (20, "", "name is 'a/b', which is not a name every file system takes."),
        (22, "", "The shot has no name."),
        (22, "", "keyframes holds {object}, but the shot has no objects."),
        (25, "", "out is 'o.####.exr', which is not a folder."),
        (27, "a", "The shot of line 16 is called 'A' too."),
        (29, "a", "It is not said where the masks of the objects are."),
        (30, "a", "out is '{version}/x', which is not a folder."),
    ]


def test_when_the_error_is_printed_then_every_problem_is_in_it(tmp_path):
    with pytest.raises(JobFileError) as error:
        read(written(tmp_path, "[[shots]]\nx = 1\n"))

    assert error.value.code == "job_file"
    assert (
        error.value.message.splitlines()[0]
        == f"The job file has {len(error.value.problems)} problems; nothing was started."
    )
    assert len(error.value.message.splitlines()) == 1 + len(error.value.problems)


@pytest.mark.parametrize("text", ["", "[job]\n", "shots = []", "# nothing\n"], ids=["empty", "job", "list", "comment"])
def test_when_no_shot_is_listed_then_that_is_the_problem(tmp_path, text):
    assert only_problem(tmp_path, text).message == "The job file lists no shot."


CLASHES = {
    "one_output": ('out = "o"', 'out = "x/../o"', "out", "The mattes would go to {}/o, where those of 'a' go."),
    "outputs_of_other_case": ('out = "o"', 'out = "O/{version}"', "out", "The mattes would go to {}/O, where those"),
    "in_a_plate": ('out = "o"', 'out = "p/a/mattes"', "out", "go to {}/p/a/mattes, into the plate of 'a'"),
    "is_a_plate": ('out = "o"', 'out = "p/a"', "out", "go to {}/p/a, into the plate of 'a'"),
}


@pytest.mark.parametrize(("first", "second", "key", "message"), CLASHES.values(), ids=CLASHES)
def test_when_shots_would_write_over_each_other_then_the_second_is_refused(tmp_path, first, second, key, message):
    shots = '[defaults]\nplate = "p/{shot}/x.#.exr"\nkeyframes = "k"\n'
    shots += f'[[shots]]\nname = "a"\n{first}\n[[shots]]\nname = "b"\n{second}\n'

    problem = only_problem(tmp_path, shots)

    assert (problem.line, problem.shot) == (9, "b")
    assert message.format(tmp_path) in problem.message


AMONG_VERSIONS = {
    "of_the_plate": ('plate = "s/{version}/p.#.exr"', "plates"),
    "of_the_masks": ('plate = "p.#.exr"\nkeyframes = "s/{version}/{object}.#.exr"\nobjects = ["hero"]', "masks"),
    "of_an_objects_masks": ('plate = "p.#.exr"\nobjects = { hero = "s/{version}/hero" }', "masks"),
}


@pytest.mark.parametrize("there", [True, False], ids=["there", "not-yet"])
@pytest.mark.parametrize(("reads", "what"), AMONG_VERSIONS.values(), ids=AMONG_VERSIONS)
def test_when_mattes_would_be_the_newest_version_of_what_is_read_then_the_shot_is_refused(tmp_path, reads, what, there):
    if there:
        (tmp_path / "s/v004").mkdir(parents=True)
    shots = f'[defaults]\nkeyframes = "k"\n[[shots]]\nname = "a"\n{reads}\nout = "s/{{version}}"\n'

    problem = only_problem(tmp_path, shots)

    assert f"newest version in {tmp_path / 's'}, where {what} of 'a' are sought" in problem.message


def test_when_a_version_is_written_out_then_mattes_may_lie_beside_it(tmp_path):
    shots = '[[shots]]\nname = "a"\nplate = "p.#.exr"\nkeyframes = "mattes/v001"\nout = "mattes/{version}"\n'

    assert len(read(written(tmp_path, shots)).entries) == 1


def test_when_plates_lie_side_by_side_then_outputs_may_lie_below_them(tmp_path):
    shots = '[defaults]\nplate = "{shot}.mov"\nkeyframes = "k/{shot}"\nout = "mattes/{shot}"\n'
    shots += (
        '[[shots]]\nname = "a"\n[[shots]]\nname = "b"\n[[shots]]\nname = "c"\nplate = "c/x.#.exr"\nout = "c/mattes"\n'
    )

    assert len(read(written(tmp_path, shots)).entries) == 3


def test_when_the_command_line_says_otherwise_then_it_wins(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    file = written(tmp_path, "[[shots]]\n" + LEAST + 'weights = "xmem"\nworking_size = 480\n')

    (entry,) = read(file, {"weights": "my.pth", "working_size": 360, "range": None}).entries

    assert entry.request.weights == str(tmp_path / "here/my.pth")
    assert entry.request.session.working_size == 360
    assert entry.lines["weights"] == 0


def test_when_the_command_line_is_wrong_then_the_problem_has_no_line(tmp_path):
    (problem,) = problems(tmp_path, "[[shots]]\n" + LEAST, working_size=-1)

    assert (problem.line, problem.shot) == (0, "")
    assert "working_size is -1" in str(problem)


def test_when_versions_are_there_then_the_newest_is_taken_wherever_it_is_named(tmp_path):
    for name in ("v001", "v002_old", "v010", "v9", "V003", "x_v011"):
        (tmp_path / "plates" / name).mkdir(parents=True)
    (tmp_path / "plates/v012").write_text("no folder")
    text = LEAST.replace('"p.####.exr"', '"plates/{version}/a_{version}.####.exr"').replace(
        '"k"', '"plates/x_{version}"'
    )

    (entry,) = read(written(tmp_path, "[[shots]]\n" + text)).entries

    assert entry.request.plate == str(tmp_path / "plates/v010/a_v010.####.exr")
    assert entry.request.masks[0].path == tmp_path / "plates/x_v011"


def test_when_versions_have_outgrown_their_digits_then_the_newest_is_the_highest_number(tmp_path):
    for name in ("v999", "v1000", "v0998"):
        (tmp_path / "plates" / name).mkdir(parents=True)

    (entry,) = read(written(tmp_path, "[[shots]]\n" + LEAST.replace('"p.', '"plates/{version}/p.'))).entries

    assert entry.request.plate == str(tmp_path / "plates/v1000/p.####.exr")


def test_when_a_shot_has_a_threshold_of_the_defaults_then_its_own_counts(tmp_path):
    text = "[defaults]\nthresholds = { jump = [3, 5], flicker = [0.1, 0.2] }\n[[shots]]\nthresholds.jump = [6, 9]\n"

    (entry,) = read(written(tmp_path, text + LEAST)).entries

    assert entry.thresholds == Thresholds(jump=(6, 9), flicker=(0.1, 0.2))


@pytest.mark.parametrize("version", ["v002", "{version}"], ids=["there", "not-yet"])
def test_when_versions_lie_beside_the_job_files_folder_then_the_newest_is_found_there(tmp_path, version):
    (tmp_path / "jobs").mkdir()
    (tmp_path / "plates" / version).mkdir(parents=True)
    text = LEAST.replace('"p.####.exr"', '"../plates/{version}/a.####.exr"')

    (entry,) = read(written(tmp_path / "jobs", "[[shots]]\n" + text)).entries

    assert entry.request.plate == str(tmp_path / "plates" / version / "a.####.exr")


@pytest.mark.parametrize(
    ("defaults", "shot", "masks"),
    [
        ('keyframes = "k/{object}"', 'objects = {b = "m"}', [("b", "m")]),
        ('objects = {b = "m"}', 'keyframes = "k"', [(None, "k")]),
        ('objects = ["b"]', 'keyframes = "k"', [("b", "k")]),
        ("", 'objects = {b = "m"}\nkeyframes = "k"', [("b", "m"), (None, "k")]),
        ("", 'objects = ["x", "y"]\nkeyframes = "k"\nmask_layer = "{object}"', [("x", "k"), ("y", "k")]),
    ],
    ids=["own_objects", "own_keyframes", "names_stay", "both", "layers"],
)  # fmt: skip
def test_when_masks_are_told_in_two_places_then_the_shots_own_word_counts(tmp_path, defaults, shot, masks):
    text = f'[defaults]\nplate = "p"\nout = "o"\n{defaults}\n[[shots]]\nname = "a"\n{shot}\n'

    (entry,) = read(written(tmp_path, text)).entries

    assert [(source.object, source.path) for source in entry.request.masks] == [
        (name, tmp_path / path) for name, path in masks
    ]


def test_when_text_is_what_another_form_would_take_for_something_else_then_yaml_says_so(tmp_path):
    text = "shots:\n- {name: 10, plate: p, keyframes: k, out: o}\n- {name: b, plate: p, keyframes: k, out: x, review: on}\n"

    found = problems(tmp_path, text, "a.yaml")

    assert [problem.message for problem in found] == [
        "name is 10, which is not text.",
        "review is 'on', which is not true or false.",
    ]


def test_when_a_yaml_name_is_plain_then_it_is_kept_letter_for_letter(tmp_path):
    names = ["010", "1_000", "on", "no", "12:30", "1979-05-27", "0x10", "1e3", "0o7", "+5"]
    text = "shots:\n" + "".join(
        f"- {{name: '{name.replace(':', '-')}', plate: p, keyframes: {name}, out: {name}}}\n" for name in names
    )

    assert [entry.request.out.name for entry in read(written(tmp_path, text, "a.yaml")).entries] == names
