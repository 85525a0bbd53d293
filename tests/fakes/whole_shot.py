"""A client's whole day, for any Python and any daemon: ``python whole_shot.py CONNECTION_FILE PLATE MASK FOLDER``.

Every request but ``shutdown`` and ``delete_shot`` of another's shot, pixels both ways, events both ways. Prints one JSON
map; any surprise ends it.
"""

import json
import platform
import sys
from pathlib import Path

from matted_protocol import messages as m
from matted_protocol.client import Client, save_matte
from matted_protocol.errors import DaemonError


def main(file: str, plate: str, mask: str, folder: str) -> None:
    with Client.connect(file, name=f"python {platform.python_version()}", start=False, timeout=30) as client:
        client.timeout = 60
        told = {"python": platform.python_version(), "instance": client.ping().instance}
        shot = client.open_shot(plate, objects=("hero",), name=f"on {platform.python_version()}")
        told["frames"] = len(shot.frames)
        frame = int(Path(mask).name.split(".")[-2])
        client.set_keyframe(shot.shot, frame, path=mask, object="hero")
        job = client.propagate(shot.shot, suggestions=1, watch=m.WatchOptions(credit=2, mattes="bytes"))
        told["files"] = sorted(save_all(client, job.job, Path(folder) / "queue"))
        assert sorted(save_followed(client, job.job, Path(folder) / "followed")) == told["files"]
        told["again"] = client.propagate(shot.shot, suggestions=1).job == job.job
        (saved,) = save_matte(client.get_matte(job.job, shot.frames[-1]), Path(folder) / "asked")
        told["matte"] = saved.stat().st_size
        told["refused"] = refused(client)
        told["pixels"] = send_pixels(client)
        client.cancel(job.job)
        assert job.job in [one.job for one in client.list_jobs(shot=shot.shot).jobs]
        assert shot.shot in [one.shot for one in client.list_shots().shots]
        assert client.status().pid
        client.close_shot(shot.shot)
        print(json.dumps(told))


def save_all(client: Client, job: str, folder: Path) -> "list[str]":
    """Save what the queue of events brings, to the end of the job."""
    names = []
    while True:
        event = client.events.get(timeout=120)
        if isinstance(event.body, m.FrameDone):
            save_matte(event, folder)
            names += event.body.files
        if isinstance(event.body, m.JobFailed):
            raise SystemExit(event.body.error.message)
        if isinstance(event.body, m.JobDone):
            return names


def save_followed(client: Client, job: str, folder: Path) -> "list[str]":
    names = []
    for event in client.follow(job, mattes="bytes", credit=1):
        if isinstance(event.body, m.FrameDone):
            names += [path.relative_to(folder).as_posix() for path in save_matte(event, folder)]
    return names


def refused(client: Client) -> str:
    try:
        client.list_keyframes("0" * 16)
    except DaemonError as error:
        return error.code
    raise SystemExit("a shot that nobody opened was found")


def send_pixels(client: Client) -> int:
    """A plate and a mask from memory; returns how many frames the daemon has."""
    size = (32, 24)
    shot = client.open_shot(m.PlateSource(size=size), objects=("hero",), name=f"sent {platform.python_version()}").shot
    rgb = m.Pixels(*size, ("R", "G", "B"), "uint8")
    for frame in (1, 2):
        put = client.put_plate(shot, frame, rgb, bytearray(range(256)) * 9)
    mask = m.Pixels(*size, ("A",), "uint8")
    keyframes = client.set_keyframe(shot, 1, object="hero", pixels=mask, buffer=bytes([255] * 384 + [0] * 384))
    assert [keyframe.frame for keyframe in keyframes.keyframes] == [1]
    assert client.remove_keyframe(shot, 1).keyframes == ()
    client.delete_shot(shot)
    return put.frames


if __name__ == "__main__":
    main(*sys.argv[1:])
