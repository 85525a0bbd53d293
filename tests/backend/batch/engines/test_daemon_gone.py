"""Shots that are to be handed to a daemon that is gone."""

from fakes.drawn_batch import draw_shot, entry_at
from fakes.running_daemon import WAIT, DaemonHere
from matted.batch.engines.daemon import Daemon
from matted.batch.many import make
from matted_protocol.client import Client


def test_when_the_daemon_has_gone_then_no_shot_waits_for_it_as_long_as_a_plate_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr("matted.batch.engines.daemon.PATIENCE", 0.2)
    for name in "abc":
        draw_shot(tmp_path, name)
    with DaemonHere(tmp_path / "daemon") as daemon:
        client = Client(daemon.file, timeout=WAIT)
        client.ping()

    with Daemon(client) as engine:
        outcomes = make([entry_at(tmp_path, name) for name in "abc"], engine)

    assert [outcome.error.code for outcome in outcomes] == ["no_answer"] * 3


def test_when_another_daemon_has_come_meanwhile_then_the_shot_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("matted.batch.engines.daemon.PATIENCE", WAIT)
    draw_shot(tmp_path, "a")
    with DaemonHere(tmp_path / "daemon") as daemon:
        client = Client(daemon.file, timeout=WAIT)
        client.ping()

    with DaemonHere(tmp_path / "daemon"), Daemon(client) as engine:
        (outcome,) = make([entry_at(tmp_path, "a")], engine)

    assert outcome.error is None
