import threading
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matted.service.scheduler import BATCH_SHARE, Scheduler, Ticket

GPU, OTHER = "cuda:0", "cuda:1"
_numbers = count(1)


def ticket(job, user="anna", *, batch=False, folder=None, number=None):
    return Ticket(job, next(_numbers) if number is None else number, user, batch, folder or job)


def scheduler_of(*tickets):
    scheduler = Scheduler()
    for each in tickets:
        scheduler.add(each)
    return scheduler


def turns(scheduler, most, device=GPU, seconds=1.0):
    """Who had the device in each turn, every turn as long as the next."""
    had = []
    for _ in range(most):
        taken = scheduler.take(device)
        had.append(taken.job)
        scheduler.charge(taken, seconds)
    return had


def test_when_nothing_waits_then_nothing_is_taken():
    assert Scheduler().take(GPU) is None


def test_when_interactive_work_comes_then_it_goes_before_batch_that_came_first():
    scheduler = scheduler_of(ticket("batch", batch=True), ticket("interactive", "ben"))

    assert scheduler.take(GPU).job == "interactive"


def test_when_both_kinds_wait_then_batch_gets_its_share_and_no_more():
    scheduler = scheduler_of(ticket("batch", "anna", batch=True), ticket("interactive", "ben"))

    had = turns(scheduler, 10 * BATCH_SHARE)

    assert had.count("batch") == 10
    assert all(had[at : at + BATCH_SHARE].count("batch") == 1 for at in range(0, len(had), BATCH_SHARE))


def test_when_two_devices_take_turns_then_the_batch_job_of_each_gets_its_share():
    scheduler = Scheduler()
    for device, job in ((GPU, "one"), (OTHER, "two")):
        scheduler.add(ticket(job, batch=True))
        assert scheduler.take(device).job == job
    scheduler.add(ticket("busy one", "ben"))
    scheduler.add(ticket("busy two", "carl"))

    had = [job for _ in range(6 * BATCH_SHARE) for device in (GPU, OTHER) for job in turns(scheduler, 1, device)]

    assert had.count("one") == had.count("two") == 6


def test_when_one_user_has_a_hundred_jobs_then_another_with_one_gets_half_of_the_time():
    scheduler = scheduler_of(*(ticket(f"anna {number}") for number in range(100)), ticket("ben", "ben"))

    had = turns(scheduler, 20)

    assert had.count("ben") == 10
    assert set(had) == {"ben", "anna 0"}  # a user's own jobs one after another


def test_when_frames_of_one_user_take_longer_then_seconds_are_shared_not_turns():
    scheduler = scheduler_of(ticket("slow", "anna"), ticket("quick", "ben"))
    spent = {"slow": 0.0, "quick": 0.0}
    for _ in range(200):
        taken = scheduler.take(GPU)
        seconds = 5.0 if taken.job == "slow" else 0.5
        scheduler.charge(taken, seconds)
        spent[taken.job] += seconds

    assert abs(spent["slow"] - spent["quick"]) <= 5.0


def test_when_a_user_comes_new_then_old_work_of_others_gives_no_claim_and_no_right():
    scheduler = scheduler_of(ticket("anna"))
    turns(scheduler, 50)

    scheduler.add(ticket("ben", "ben"))
    had = turns(scheduler, 20)

    assert abs(had.count("ben") - 10) <= 1  # not the fifty turns anna had before


def test_when_a_user_sends_jobs_one_at_a_time_then_his_share_is_no_larger():
    scheduler = scheduler_of(ticket("long", "anna"), ticket("short 0", "ben"))
    spent = {"anna": 0.0, "ben": 0.0}
    for number in range(100):
        taken = scheduler.take(GPU)
        seconds = 1.0 if taken.user == "anna" else 10.0
        scheduler.charge(taken, seconds)
        spent[taken.user] += seconds
        if taken.user == "ben":  # it ends with its turn, and the next comes only then
            scheduler.remove(taken.job)
            scheduler.add(ticket(f"short {number + 1}", "ben"))

    assert abs(spent["anna"] - spent["ben"]) <= 10.0


def test_when_two_jobs_have_one_folder_then_only_one_is_begun():
    scheduler = scheduler_of(ticket("first", folder="v001"), ticket("second", "ben", folder="v001"))

    assert scheduler.take(GPU).job == "first"
    assert scheduler.take(OTHER) is None
    scheduler.charge(ticket("first"), 100.0)
    assert scheduler.take(GPU).job == "first"  # ben owes less, but the folder is taken
    scheduler.remove("first")
    assert scheduler.take(OTHER).job == "second"


def test_when_a_job_was_begun_then_no_other_device_takes_it():
    scheduler = scheduler_of(ticket("anna"))

    assert scheduler.take(GPU).job == "anna"
    assert scheduler.take(OTHER) is None
    assert scheduler.take(GPU).job == "anna"


def test_when_a_job_waits_then_it_can_be_withdrawn_and_a_begun_one_cannot():
    scheduler = scheduler_of(ticket("begun"), ticket("waits"))
    scheduler.take(GPU)

    assert scheduler.withdraw("waits")
    assert not scheduler.withdraw("waits")
    assert not scheduler.withdraw("begun")
    assert scheduler.counts() == (0, 1)
    scheduler.remove("begun")
    assert scheduler.counts() == (0, 0)


def test_when_jobs_wait_then_ahead_counts_those_that_come_before():
    scheduler = scheduler_of(
        ticket("batch", batch=True, number=1), ticket("one", number=2), ticket("two", "ben", number=3)
    )

    assert [scheduler.ahead(job) for job in ("one", "two", "batch", "unknown")] == [0, 1, 2, 0]


def test_when_a_waiting_job_is_added_again_then_it_takes_the_new_priority():
    scheduler = scheduler_of(ticket("long", "anna"), ticket("mine", "ben", batch=True))
    assert turns(scheduler, 3) == ["long", "long", "long"]

    scheduler.add(ticket("mine", "ben"))

    assert sorted(turns(scheduler, 2)) == ["long", "mine"]
    assert scheduler.counts() == (0, 2)


def test_when_a_device_waits_then_a_new_job_wakes_it():
    scheduler, taken = Scheduler(), []
    device = threading.Thread(target=lambda: taken.append(scheduler.take(GPU, wait=60)))
    device.start()

    scheduler.add(ticket("anna"))

    device.join(30)
    assert [each.job for each in taken] == ["anna"]


@st.composite
def workloads(draw):
    """Jobs as (user, batch, folder, turns it needs, when it comes), and how many devices there are."""
    job = st.tuples(
        st.sampled_from("abc"),
        st.booleans(),
        st.sampled_from(["v1", "v2", None]),
        st.integers(1, 5),
        st.integers(0, 20),
    )
    return draw(st.lists(job, min_size=1, max_size=12)), draw(st.integers(1, 3))


@given(workloads())
def test_whatever_comes_every_job_ends_and_the_rules_hold(workload):
    jobs, devices = workload
    scheduler = Scheduler()
    left = {f"job {at}": job[3] for at, job in enumerate(jobs)}
    work = sum(left.values())
    coming = {at: [] for at in range(21)}
    for at, (user, batch, folder, _, when) in enumerate(jobs):
        coming[when].append(ticket(f"job {at}", user, batch=batch, folder=folder and (user, folder), number=at))
    home, begun = {}, {}
    for step in range(21 + work):
        for each in coming.get(step, []):
            scheduler.add(each)
        for device in range(devices):
            taken = scheduler.take(device)
            if taken is None:
                continue
            assert home.setdefault(taken.job, device) == device
            assert begun.setdefault(taken.folder, taken.job) == taken.job
            left[taken.job] -= 1
            scheduler.charge(taken, 1.0)
            if left[taken.job] == 0:
                scheduler.remove(taken.job)
                del begun[taken.folder]
    assert not any(left.values())  # a device is never idle while it could work


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), min_size=1, max_size=10))
def test_whoever_waits_a_users_first_job_never_waits_longer_than_its_share_allows(jobs):
    scheduler = scheduler_of(*(ticket(f"job {at}", user, batch=batch) for at, (user, batch) in enumerate(jobs)))
    users = {(user, batch) for user, batch in jobs}
    longest = BATCH_SHARE * (len(users) + 1)  # turns between two of a user's, in either kind of work
    last = dict.fromkeys(users, -1)
    for turn in range(4 * longest):
        taken = scheduler.take(GPU)
        scheduler.charge(taken, 1.0)
        last[taken.user, taken.batch] = turn
        assert turn - min(last.values()) <= longest


@pytest.mark.parametrize("batch", [False, True])
def test_when_a_user_has_both_kinds_then_each_of_his_jobs_still_ends(batch):
    scheduler = scheduler_of(ticket("batch", batch=True), ticket("interactive"), ticket("other", "ben", batch=batch))

    assert set(turns(scheduler, 8 * BATCH_SHARE)) == {"batch", "interactive", "other"}
