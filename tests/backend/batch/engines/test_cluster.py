"""The cluster engine: what it does with pieces, on workers that are threads of this process."""

import json
import socket
import sys
import threading
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import pytest

from fakes.stand_in_pieces import STEPS, StandIn, request
from matted.batch.engines import Failed, Made, Said, Step
from matted.batch.engines.cluster import Cluster, engine, worker
from matted.batch.engines.cluster.link import Link
from matted.batch.engines.cluster.roster import Roster, unlike
from matted.errors import (
    ClusterError,
    DeviceError,
    MattedError,
    OutputError,
    PlateError,
    WeightsError,
)

WAIT = 30


@contextmanager
def workers(count=2, **options):
    """A cluster whose workers are threads of this process."""
    from distributed import LocalCluster

    given = {"threads_per_worker": 1, "host": "127.0.0.1", "protocol": "tcp", **options}
    given["dashboard_address"] = "127.0.0.1:0"  # without one Dask takes port 8787 for all the network to see
    with (
        TemporaryDirectory() as folder,
        LocalCluster(n_workers=count, processes=False, local_directory=folder, **given) as cluster,
    ):
        yield cluster


@pytest.fixture
def stand_in(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(engine, "pieces", stand_in.pieces)
    monkeypatch.setattr(worker, "do", stand_in.do)
    monkeypatch.setattr(worker, "TELL_EVERY", 0)
    monkeypatch.setattr(engine, "LOOK", 0.1)
    monkeypatch.setattr(engine, "PAUSE", 0.02)
    yield stand_in
    stand_in.gate.set()


def heard(cluster, until, limit=WAIT):
    """Everything told, up to the first news that ``until`` says yes to."""
    told, end = [], time.monotonic() + limit
    while not any(until(news) for news in told):
        assert time.monotonic() < end, told
        told += cluster.news(0.5)
    return told


def to_the_end(cluster, shots):
    """Everything told until every shot has ended; what each ended with, by name."""
    ends, told = {}, []
    while len(ends) < shots:
        told += heard(cluster, lambda news: isinstance(news, Made | Failed))
        ends = {news.shot: news for news in told if isinstance(news, Made | Failed)}
    return told, ends


def steps(told, shot):
    return [news for news in told if isinstance(news, Step) and news.shot == shot]


def said(told):
    return [news.text for news in told if isinstance(news, Said)]


def test_when_shots_are_made_then_the_finish_comes_last_and_progress_only_grows(tmp_path, stand_in):
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        for name in ("one", "two"):
            made.submit(request(tmp_path, name))
        told, ends = to_the_end(made, 2)

    for name in ("one", "two"):
        assert ends[name].result.folder == tmp_path / name / "v001"
        assert ends[name].result.confidence == {1001: (0.5,)}
        assert ends[name].result.computed == 3 * STEPS + 1
        of_shot = [kind for shot, kind, _ in stand_in.done if shot == name]
        assert of_shot == ["segment"] * 3 + ["finish"]
        counts = [step.done for step in steps(told, name)]
        assert counts == sorted(set(counts)) and counts[0] == 0 and counts[-1] == 3 * STEPS + 1
        assert {step.total for step in steps(told, name)} == {3 * STEPS + 1}
    assert set(stand_in.begun.values()) == {1}


def test_when_a_worker_does_many_pieces_then_all_are_done_on_its_one_bench_one_at_a_time(tmp_path, stand_in):
    stand_in.gate.clear()
    with workers(2, threads_per_worker=2) as cluster, Cluster.at(cluster.scheduler_address) as made:
        for number in range(4):
            made.submit(request(tmp_path, f"shot{number}"))
        while sum(len(one.state.executing) for one in cluster.workers.values()) < 4 or len(stand_in.benches) < 2:
            made.news(0.05)
        stand_in.gate.set()
        to_the_end(made, 4)

    assert len(stand_in.benches) == 2
    assert all(len(benches) == 1 for benches in stand_in.benches.values())
    assert set(stand_in.at_once.values()) == {1}


ELSEWHERE = [
    WeightsError("weights_missing", "There are no weights XMem.pth.", hint="Download them."),
    OutputError("disk_full", "The disk is full.", hint="Free some space."),
    DeviceError("out_of_memory", "The device is full.", hint="Use another one."),
    PlateError("plate_missing", "There is no plate.", hint="Mount the disk."),
]


@pytest.mark.parametrize("error", ELSEWHERE, ids=lambda error: error.code)
def test_when_one_worker_lacks_what_another_has_then_its_pieces_are_done_there(tmp_path, stand_in, error):
    def lack(piece, worker, begun):
        if worker.name == 1:
            raise error

    stand_in.trouble = lack
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        told, ends = to_the_end(made, 1)
        address = cluster.workers[1].address

    assert isinstance(ends["shot"], Made)
    assert stand_in.workers == {0}
    assert all(error.message in text and address in text for text in said(told))
    assert max(stand_in.begun.values()) <= 2


def test_when_no_worker_has_what_it_takes_then_the_shot_fails_with_the_error_and_others_are_made(tmp_path, stand_in):
    def lack(piece, worker, begun):
        if piece.request.name == "poor":
            raise OutputError("disk_full", "The disk of mattes is full.", hint="Free some space.", path=tmp_path)

    stand_in.trouble = lack
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        for name in ("poor", "rich"):
            made.submit(request(tmp_path, name))
        _, ends = to_the_end(made, 2)

    assert isinstance(ends["rich"], Made)
    error = ends["poor"].error
    assert (error.code, error.hint, error.path) == ("disk_full", "Free some space.", str(tmp_path))
    assert max(stand_in.begun.values()) <= 3
    assert not any(kind == "finish" for shot, kind, _ in stand_in.begun if shot == "poor")


def test_when_an_error_would_be_met_anywhere_then_the_shot_fails_at_once(tmp_path, stand_in):
    def refuse(piece, worker, begun):
        raise PlateError("plate_size", "Frame 1004 has another size.", hint="Render it again.", frame=1004)

    stand_in.trouble = refuse
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)
        assert ends["shot"].error.frame == 1004

    assert set(stand_in.begun.values()) == {1}


def test_when_another_matted_holds_the_folder_then_the_piece_waits_for_it(tmp_path, stand_in):
    def hold(piece, worker, begun):
        if begun <= 4:
            raise OutputError("job_running", "It is being made by another matted.", hint="Wait.")

    stand_in.trouble, stand_in.segments = hold, 1
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)

    assert isinstance(ends["shot"], Made)
    assert stand_in.begun["shot", "segment", 0] == 5


def test_when_another_matted_never_lets_go_then_the_shot_fails_after_a_while(tmp_path, stand_in):
    def hold(piece, worker, begun):
        raise OutputError("job_running", "It is being made by another matted.", hint="Wait.")

    stand_in.trouble = hold
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address, patience=0.1) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)

    assert ends["shot"].error.code == "job_running"


def divide(piece, worker, begun):
    raise ZeroDivisionError("division by zero")


def recurse(piece, worker, begun):
    recurse(piece, worker, begun)


@pytest.mark.parametrize(("mistake", "name"), [(divide, "ZeroDivisionError"), (recurse, "RecursionError")])
def test_when_matted_itself_is_wrong_then_the_shot_fails_and_names_the_piece(tmp_path, stand_in, mistake, name):
    stand_in.trouble = mistake
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)

    assert ends["shot"].error.code == "worker_failed"
    assert name in ends["shot"].error.message and "shot: frames" in ends["shot"].error.message


def test_when_planning_a_shot_meets_an_error_then_it_fails_and_others_are_made(tmp_path, stand_in, monkeypatch):
    def plan(request, *, weights):
        if request.name == "bad":
            raise PlateError("plate_missing", "There is no plate.", hint="Check the path.")
        if request.name == "worse":
            raise KeyError("nobody foresaw this")
        return stand_in.pieces(request, weights=weights)

    monkeypatch.setattr(engine, "pieces", plan)
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        for name in ("bad", "worse", "good"):
            made.submit(request(tmp_path, name))
        _, ends = to_the_end(made, 3)

    assert [ends[name].error.code for name in ("bad", "worse")] == ["plate_missing", "internal"]
    assert isinstance(ends["good"], Made)


def test_when_a_shot_matters_more_then_its_pieces_are_done_first(tmp_path, stand_in):
    stand_in.gate.clear()
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "begun"))
        heard(made, lambda news: isinstance(news, Step) and news.done > 0)
        made.submit(request(tmp_path, "later"))
        made.submit(request(tmp_path, "urgent", priority=5))
        while len(cluster.scheduler.tasks) < 3 * stand_in.segments:
            made.news(0.05)
        stand_in.gate.set()
        to_the_end(made, 3)

    order = [shot for shot, kind, _ in stand_in.done if kind == "segment"]
    assert [shot for shot in order if shot != "begun"] == ["urgent"] * 3 + ["later"] * 3
    assert [shot for shot in order if shot != "urgent"] == ["begun"] * 3 + ["later"] * 3


def test_when_stopped_then_pieces_stop_after_the_frame_at_hand_and_every_shot_fails_as_cancelled(tmp_path, stand_in):
    stand_in.gate.clear()
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        for name in ("one", "two", "three"):
            made.submit(request(tmp_path, name))
        heard(made, lambda news: isinstance(news, Step) and news.done > 0)
        made.stop()
        _, ends = to_the_end(made, 3)
        begun = set(stand_in.begun)
        assert set(stand_in.stopped) == begun, "whoever was told that it ended must find nobody at work"

    assert {end.error.code for end in ends.values()} == {"cancelled"}
    assert not stand_in.done and set(stand_in.begun) == begun


def test_when_a_shot_comes_after_stop_then_it_fails_as_cancelled(tmp_path, stand_in):
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.stop()
        made.submit(request(tmp_path, "late"))
        _, ends = to_the_end(made, 1)

    assert ends["late"].error.code == "cancelled" and not stand_in.begun


def test_when_the_engine_is_left_then_pieces_on_a_shared_cluster_stop_and_the_cluster_stays(tmp_path, stand_in):
    stand_in.gate.clear()
    with workers() as cluster:
        with Cluster.at(cluster.scheduler_address) as made:
            made.submit(request(tmp_path, "shot"))
            heard(made, lambda news: isinstance(news, Step) and news.done > 0)
        end = time.monotonic() + WAIT
        while len(stand_in.stopped) < len(stand_in.begun) and time.monotonic() < end:
            time.sleep(0.02)
        assert sorted(stand_in.stopped) == sorted(stand_in.begun)

        stand_in.gate.set()
        with Cluster.at(cluster.scheduler_address) as made:
            made.submit(request(tmp_path, "shot"))
            _, ends = to_the_end(made, 1)
            assert isinstance(ends["shot"], Made)


def test_when_a_worker_declares_a_gpu_then_pieces_go_to_such_workers_alone(tmp_path, stand_in):
    from distributed import Scheduler, SpecCluster, Worker

    plain = {"nthreads": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "local_directory": str(tmp_path)}
    specs = {
        "cpu": {"cls": Worker, "options": plain},
        "gpu": {"cls": Worker, "options": {**plain, "nthreads": 3, "resources": {"GPU": 1}}},
    }
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}}
    with (
        SpecCluster(workers=specs, scheduler=scheduler) as cluster,
        Cluster.at(cluster.scheduler_address) as made,
    ):
        for name in ("one", "two"):
            made.submit(request(tmp_path, name))
        to_the_end(made, 2)

    assert stand_in.workers == {"gpu"}


def other_versions(dask_worker=None):
    """What ``probe`` would say were another matted installed on the second worker."""
    return {"matted": "0.1" if dask_worker is not None and dask_worker.name == 1 else "9.9", "torch": "2"}


def test_when_a_worker_has_another_version_then_it_is_named_and_not_used(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(engine, "probe", other_versions)
    monkeypatch.setattr(worker, "_check_alike", lambda address, alike: None)
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        told, ends = to_the_end(made, 1)
        address = cluster.workers[1].address

    assert isinstance(ends["shot"], Made) and stand_in.workers == {0}
    (text,) = said(told)
    assert address in text and "matted 0.1 instead of 9.9" in text and "not used" in text


def test_when_no_worker_has_our_version_then_shots_fail_and_say_which_it_has(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(
        engine, "probe", lambda: {"matted": "9.9", "torch": "2"} if on_our_thread() else {"matted": "8"}
    )
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)
        assert cluster.workers[0].address in ends["shot"].error.message

    assert ends["shot"].error.code == "worker_refused" and not stand_in.begun


def test_when_a_worker_goes_while_it_is_asked_for_its_versions_then_it_is_not_said_to_lack_matted(
    tmp_path, stand_in, monkeypatch
):
    def gone():
        if on_our_thread():
            return {"matted": "9.9"}
        raise ConnectionResetError("Address removed.")

    monkeypatch.setattr(engine, "probe", gone)
    monkeypatch.setattr(worker, "probe", lambda: {"matted": "9.9"})
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        told, ends = to_the_end(made, 1)

    assert isinstance(ends["shot"], Made)
    assert not [news for news in told if isinstance(news, Said)]


def on_our_thread():
    return threading.current_thread() is threading.main_thread()


def test_when_a_worker_that_came_later_has_another_version_then_it_refuses_the_piece_itself(tmp_path, stand_in):
    told = worker.plain_error(unlike("tcp://far:1", {"matted": "8"}, {"matted": "9"}), "tcp://far:1")
    error = worker.error_from_plain(told)

    assert error.code == "worker_refused" and error.message.count("tcp://far:1") == 1
    with pytest.raises(ClusterError, match=r"matted .* instead of 0"):
        worker._check_alike("tcp://far:1", {**worker.probe(), "matted": "0"})


def test_when_a_worker_s_version_changes_after_it_was_asked_then_it_makes_nothing(tmp_path, stand_in, monkeypatch):
    monkeypatch.setattr(engine, "probe", old_versions)
    with workers(1) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        _, ends = to_the_end(made, 1)

    assert ends["shot"].error.code == "worker_refused"
    assert not stand_in.begun


def old_versions():
    """What every worker said when it was asked; what it says now is what is installed."""
    return {**worker.probe(), "matted": "0.1"}


def test_when_there_is_no_worker_then_it_is_said_and_shots_fail_after_a_while(tmp_path, stand_in):
    with workers(0) as cluster, Cluster.at(cluster.scheduler_address, patience=0.1) as made:
        made.submit(request(tmp_path, "shot"))
        told, ends = to_the_end(made, 1)

    assert any("has no worker" in text for text in said(told))
    assert ends["shot"].error.code == "worker_missing"


def test_when_a_worker_comes_late_then_the_shot_is_made(tmp_path, stand_in):
    with workers(0) as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        heard(made, lambda news: isinstance(news, Said))
        cluster.scale(1)
        _, ends = to_the_end(made, 1)

    assert isinstance(ends["shot"], Made)


def test_when_a_worker_leaves_before_it_could_begin_what_only_it_was_to_do_then_others_do_it(tmp_path, stand_in):
    refused = []

    def once(piece, worker, begun):
        if worker.name == 0 and not refused:
            refused.append(worker)
            raise OutputError("disk_full", "The disk is full.", hint="Free some space.")

    stand_in.trouble = once
    with workers() as cluster, Cluster.at(cluster.scheduler_address) as made:
        made.submit(request(tmp_path, "shot"))
        heard(made, lambda news: isinstance(news, Said))
        cluster.sync(cluster.workers[1].close)
        _, ends = to_the_end(made, 1)

    assert isinstance(ends["shot"], Made)


def test_when_there_is_a_scheduler_file_then_its_scheduler_is_used(tmp_path, stand_in):
    with workers(1) as cluster:
        (tmp_path / "scheduler.json").write_text(json.dumps({"address": cluster.scheduler_address}))
        with Cluster.at(str(tmp_path / "scheduler.json")) as made:
            made.submit(request(tmp_path, "shot"))
            assert isinstance(to_the_end(made, 1)[1]["shot"], Made)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"], ids=["missing", "cut short", "a list", "empty"])
def test_when_the_scheduler_file_is_none_then_an_error_says_so(tmp_path, content):
    path = tmp_path / "scheduler.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ClusterError, match=r"scheduler\.json") as refused:
        Link(str(path), security=None, topics={}).open()
    assert refused.value.code == "cluster_missing" and refused.value.hint


def test_when_no_scheduler_answers_then_an_error_names_the_address(free_port):
    with pytest.raises(ClusterError, match=f"127.0.0.1:{free_port}") as refused:
        Link(f"tcp://127.0.0.1:{free_port}", security=None, topics={}).open(timeout=0.3)
    assert refused.value.code == "cluster_missing" and refused.value.hint


@pytest.mark.parametrize(
    ("where", "why"),
    [("tls://127.0.0.1:1", "TLS"), ("foo://host:1", "foo"), ("tcp://", "port")],
    ids=["no certificate", "no such way", "no port"],
)
def test_when_a_scheduler_cannot_be_spoken_to_then_an_error_says_why_and_no_thread_stays_behind(where, why):
    before = set(threading.enumerate())
    with pytest.raises(ClusterError, match=why) as refused:
        Link(where, security=None, topics={}).open(timeout=0.3)
    assert refused.value.code == "cluster_missing"
    assert {thread for thread in threading.enumerate() if not thread.daemon} <= before


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_when_dask_is_not_installed_then_an_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError) as refused, Cluster.at("tcp://127.0.0.1:1"):
        pass
    assert "install.py --with cluster" in refused.value.hint


def test_when_no_worker_is_asked_for_then_an_error_says_so():
    with pytest.raises(MattedError, match="0 workers"), Cluster.here(0):
        pass


def known(**workers):
    roster = Roster()
    roster.known = workers
    return roster


def test_when_every_worker_is_good_then_none_is_singled_out():
    assert known(a={}, b={}).choose(set()) is None
    assert known(a={"GPU": 1}, b={}).choose({"b"}) is None
    assert known().choose({"a"}) is None


def test_when_a_worker_is_to_be_avoided_then_it_is_taken_only_where_there_is_no_other():
    assert known(a={}, b={}, c={}).choose({"b"}) == ("a", "c")
    assert known(a={}, b={}).choose({"a", "b"}) is None
    assert known(a={"GPU": 1}, b={"GPU": 2}, c={}).choose({"a"}) == ("b",)


def test_when_a_worker_is_refused_then_it_is_never_taken():
    roster = known(a={}, b={})
    roster.refused["a"] = ClusterError("worker_refused", "a is old.", hint="Update a.")
    assert roster.choose({"b"}) == ("b",)
    roster.refused["b"] = ClusterError("worker_refused", "b is old.", hint="Update b.")
    with pytest.raises(ClusterError, match="is old"):
        roster.choose(set())


@pytest.mark.parametrize("kind", MattedError.__subclasses__(), ids=lambda kind: kind.__name__)
def test_when_an_error_travels_then_it_arrives_as_it_was_and_names_the_worker(kind):
    for code in sorted(kind.codes):
        error = worker.error_from_plain(
            worker.plain_error(kind(code, "It is so.", hint="Do that.", frame=7), "tcp://a:1")
        )
        assert type(error) is kind
        assert (error.code, error.hint, error.path, error.frame) == (code, "Do that.", None, 7)
        assert error.message.startswith("It is so.") and "tcp://a:1" in error.message
