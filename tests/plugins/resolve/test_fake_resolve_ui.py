"""What the stand-in's UIManager does, truth and lies."""

import pytest

from fakes.resolve import Machine, NotMeasured, Profile, WouldBlock


def machine_of(edition="studio", version=(20, 3, 2), **switches):
    return Machine(Profile(edition, version, **switches))


@pytest.fixture
def machine():
    return machine_of()


class Shown:
    """A window with one of each, and what its callbacks were told."""

    def __init__(self, machine):
        self.machine, self.events = machine, []
        self.ui = machine.fusion.UIManager
        self.dispatcher = machine.bmd.UIDispatcher(self.ui)
        ui = self.ui
        rows = [
            ui.Label({"ID": "Lamp", "Text": "no daemon"}),
            ui.HGroup({"Weight": 0}, [ui.Button({"ID": "Go", "Text": "Propagate"}), ui.HGap(0, 1.0)]),
            ui.CheckBox({"ID": "Tick", "Text": "again"}),
            ui.ComboBox({"ID": "Route", "Events": {"CurrentIndexChanged": True}}),
            ui.SpinBox({"ID": "Count", "Minimum": 1, "Maximum": 9, "Value": 3, "Events": {"ValueChanged": True}}),
            ui.LineEdit({"ID": "Objects", "Text": "hero=alpha", "Events": {"EditingFinished": True}}),
            ui.TextEdit({"ID": "Said", "ReadOnly": True}),
            ui.Tree({"ID": "Shots", "Events": {"ItemClicked": True}}),
            ui.TabBar({"ID": "Tabs"}),
        ]
        self.window = self.dispatcher.AddWindow({"ID": "Matted", "WindowTitle": "Matted"}, [ui.VGroup(rows)])
        self.items = self.window.GetItems()
        self.window.On.Matted.Close = lambda event: self.dispatcher.ExitLoop()
        self.window.Show()

    def listen(self, id, what):
        setattr(self.window.On[id], what, self.events.append)


@pytest.fixture
def shown(machine):
    return Shown(machine)


# -- who has it


@pytest.mark.parametrize(
    ("edition", "version", "there"),
    [("studio", (19, 1), True), ("studio", (21, 1), True), ("free", (18, 6), True), ("free", (19, 1), False)],
    ids=["studio-19.1", "studio-21.1", "free-18.6", "free-19.1"],
)
def test_when_ui_manager_is_asked_for_then_the_free_edition_lost_it_in_19_1(edition, version, there):
    machine = machine_of(edition, version)

    manager = machine.fusion.UIManager

    assert (manager is not None) is there
    assert (machine.modal is None) is there


def test_when_the_free_edition_was_asked_then_nothing_answers_until_the_artist_clicks_the_dialog_away():
    machine = machine_of("free", (20, 3, 2))
    assert machine.fusion.UIManager is None

    assert machine.resolve.GetProjectManager() is None and machine.resolve.OpenPage("color") is False
    machine.artist.click_away()

    assert machine.resolve.GetProjectManager() is not None


def test_when_the_manager_must_be_called_then_the_attribute_alone_is_none_of_it():
    machine = machine_of(ui_form="call")

    assert machine.fusion.UIManager().Label({"Text": "here"}) is not None
    assert not hasattr(machine.fusion.UIManager, "Label")


@pytest.mark.parametrize("edition", ["studio", "free"])
def test_when_a_script_comes_from_outside_then_only_studio_answers(edition):
    machine = machine_of(edition)

    assert (machine.bmd.scriptapp("Resolve") is machine.resolve) is (edition == "studio")


# -- windows


def test_when_an_element_or_an_attribute_is_unknown_then_it_is_refused(shown):
    with pytest.raises(NotMeasured):
        shown.ui.Gauge({})
    with pytest.raises(NotMeasured):
        shown.ui.Label({"Color": "red"})
    with pytest.raises(NotMeasured):
        shown.items["Lamp"].Colour = "red"
    with pytest.raises(NotMeasured):
        shown.window.Minimise()
    with pytest.raises(NotMeasured):
        shown.items["Lamp"].AddItem("text")


def test_when_an_element_is_looked_for_then_it_is_found_by_its_id_alone(shown):
    assert shown.window.Find("Lamp").Text == "no daemon" and shown.window.Find("Nothing") is None
    assert "Go" in shown.items
    assert shown.ui.FindWindow("Matted").Find("Count").Value == 3
    assert shown.ui.FindWindow("Other") is None


def test_when_the_artist_clicks_then_the_callback_runs_in_the_loop_and_not_before(shown):
    shown.listen("Go", "Clicked")
    shown.machine.artist.click("Go")
    assert shown.events == []
    shown.machine.screen.close("Matted")

    shown.dispatcher.RunLoop()

    assert [(event["who"], event["what"]) for event in shown.events] == [("Go", "Clicked")]


def test_when_a_button_is_greyed_out_or_its_window_hidden_then_it_cannot_be_pressed(shown):
    shown.items["Go"].Enabled = False
    shown.machine.artist.click("Go")
    assert not shown.machine.screen.events

    shown.window.Hide()

    with pytest.raises(LookupError):
        shown.machine.artist.click("Go")


def test_when_the_artist_types_ticks_and_chooses_then_the_elements_hold_it(shown):
    artist = shown.machine.artist
    shown.items["Route"].AddItems(["clip matte", "track above"])
    for id, what in (("Route", "CurrentIndexChanged"), ("Count", "ValueChanged"), ("Objects", "EditingFinished")):
        shown.listen(id, what)
    shown.machine.screen.events.clear()

    artist.type("Route", "track above")
    artist.type("Count", 5)
    artist.type("Objects", "car=Saver1")
    artist.click("Tick")
    shown.machine.screen.close("Matted")
    shown.dispatcher.RunLoop()

    assert [event["who"] for event in shown.events] == ["Route", "Count", "Objects"]
    assert (shown.items["Route"].CurrentText, shown.items["Route"].CurrentIndex) == ("track above", 1)
    assert (shown.items["Count"].Value, shown.items["Objects"].Text, shown.items["Tick"].Checked) == (
        5,
        "car=Saver1",
        True,
    )


def test_when_a_tree_is_filled_then_its_rows_are_picked_and_told(shown):
    tree = shown.items["Shots"]
    tree.SetHeaderLabels(["Clip", "State"])
    row = tree.NewItem()
    row.Text[0], row.Text[1] = "A001", "sent"
    tree.AddTopLevelItem(row)
    shown.listen("Shots", "ItemClicked")

    shown.machine.screen.pick("Shots", 0)
    shown.machine.screen.close("Matted")
    shown.dispatcher.RunLoop()

    assert shown.events[0]["item"].Text[1] == "sent" and tree.TopLevelItemCount() == 1
    tree.Clear()
    assert tree.TopLevelItemCount() == 0


@pytest.mark.parametrize("signals", [True, False])
def test_when_a_script_sets_what_the_artist_can_then_it_hears_of_it_as_if_the_artist_had(signals):
    shown = Shown(machine_of(ui_sets_signal=signals))
    shown.listen("Count", "ValueChanged")

    shown.items["Count"].Value = 7
    shown.items["Count"].Value = 7
    shown.machine.screen.close("Matted")
    shown.dispatcher.RunLoop()

    assert len(shown.events) == (1 if signals else 0)


def test_when_a_window_is_closed_then_it_stays_until_the_script_hides_it(shown):
    shown.machine.screen.close("Matted")
    shown.dispatcher.RunLoop()
    assert shown.machine.screen.facts()["windows"] == ["Matted"]

    shown.window.Hide()

    assert shown.machine.screen.facts()["windows"] == []


# -- the loop


@pytest.mark.parametrize("where", ["dispatcher", "named"])
def test_when_a_timer_runs_then_it_comes_back_until_it_is_stopped(where):
    shown = Shown(machine_of(ui_timeouts=where))
    timer = shown.ui.Timer({"ID": "Poll", "Interval": 50})
    target = shown.dispatcher.On.Poll if where == "named" else shown.dispatcher.On
    target.Timeout = lambda event: (
        shown.events.append(event),
        shown.dispatcher.ExitLoop() if len(shown.events) == 3 else None,
    )
    timer.Start()

    shown.dispatcher.RunLoop()

    assert [event["who"] for event in shown.events] == ["Poll"] * 3
    assert shown.machine.screen.facts()["timers"] == 1
    timer.Stop()
    assert shown.machine.screen.facts()["timers"] == 0


def test_when_an_event_is_not_asked_for_then_only_clicks_come(machine):
    shown = Shown(machine)
    shown.items["Shots"].Events = {}
    for what in ("ItemClicked", "ItemDoubleClicked"):
        shown.listen("Shots", what)
    tree = shown.items["Shots"]
    tree.AddTopLevelItem(tree.NewItem())
    machine.screen.pick("Shots", 0)
    machine.screen.close("Matted")
    shown.dispatcher.RunLoop()

    assert shown.events == []


def test_when_resolve_closes_a_window_without_a_word_then_it_is_no_longer_visible():
    shown = Shown(machine_of(ui_close="silent"))
    assert shown.window.Visible is True
    shown.machine.screen.close("Matted")

    assert shown.window.Visible is False and not shown.machine.screen.events


def test_when_no_timer_is_named_then_one_callback_is_for_all(shown):
    shown.dispatcher.On.Timeout = lambda event: shown.dispatcher.ExitLoop()
    shown.ui.Timer({"Interval": 50, "SingleShot": True}).Start()

    shown.dispatcher.RunLoop()

    assert shown.machine.screen.facts()["timers"] == 0


def test_when_timers_or_single_steps_are_missing_then_their_names_are_none():
    shown = Shown(machine_of(ui_timer=False))

    assert shown.ui.Timer is None and shown.dispatcher.StepLoop is None


def test_when_single_steps_are_there_then_one_event_is_handled_at_a_time():
    shown = Shown(machine_of(step_loop=True))
    shown.listen("Go", "Clicked")
    for _ in range(2):
        shown.machine.artist.click("Go")

    shown.dispatcher.StepLoop()

    assert len(shown.events) == 1


def test_when_nothing_could_end_the_loop_then_it_would_block(shown):
    shown.machine.screen.patience = 0.01

    with pytest.raises(WouldBlock):
        shown.dispatcher.RunLoop()


def test_when_a_callback_fails_then_the_loop_goes_on(shown):
    shown.window.On.Go.Clicked = lambda event: 1 / 0
    shown.machine.artist.click("Go")
    shown.machine.screen.close("Matted")

    shown.dispatcher.RunLoop()

    assert [type(error) for error in shown.machine.screen.errors] == [ZeroDivisionError]


def test_when_the_artist_has_a_plan_then_each_step_waits_until_the_last_was_handled(shown):
    def started(event):
        shown.items["Lamp"].Text = "sending"

    shown.window.On.Go.Clicked = started
    seen = []
    shown.machine.screen.plan.extend(
        [
            lambda: shown.machine.artist.click("Go"),
            lambda: seen.append(shown.machine.screen.shown("Lamp").attrs["Text"]),
            lambda: shown.machine.screen.close("Matted"),
        ]
    )

    shown.dispatcher.RunLoop()

    assert seen == ["sending"]


@pytest.mark.parametrize(("page", "there"), [("fusion", True), ("edit", False)])
def test_when_the_current_comp_is_asked_for_then_it_is_there_on_the_fusion_page_alone(machine, page, there):
    item = machine.artist.place_generator(0, 10)
    item.comps.start()
    machine.artist.page(page)

    assert (machine.fusion.GetCurrentComp() is not None) is there
