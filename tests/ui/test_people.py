"""Several people at one app: whose is what, who may stop what, how much each may ask for."""

import json
import threading
from types import SimpleNamespace

import pytest
from helpers.pages import MODELS, app, click, doubles, page, settle  # noqa: F401 (doubles is used by pytest)

from robust_core import datasets, owners, paths, trainings, uploads
from robust_core.errors import BadInput
from robust_core.jobs.manager import JobManager
from robust_core.tables import Table
from ui.shared import loaded, people
from ui.train import form, progress

SPEC = {"dataset": "reviews", "architecture": "cnn"}


@pytest.fixture(autouse=True)
def one_person_again():
    yield
    owners.tell_people_apart(str)


@pytest.fixture
def shared(monkeypatch):
    monkeypatch.setenv("ROBUST_SHARED", "1")


def context(monkeypatch, cookies=None, headers=None, account=None):
    monkeypatch.setattr(people.st, "context", SimpleNamespace(cookies=cookies or {}, headers=headers or {}))
    monkeypatch.setattr(people.st, "user", SimpleNamespace(to_dict=lambda: account or {}))


@pytest.mark.parametrize("address, headers, variable, expected", [
    ("localhost", {}, "", False), ("127.0.0.1", {}, "", False), ("::1", {}, "", False), ("127.8.0.1", {}, "", False),
    ("0.0.0.0", {}, "", True), ("::", {}, "", True), ("192.168.1.7", {}, "", True), ("lab.example.org", {}, "", True),
    (None, {}, "", True), ("", {}, "", True), ("unix:///run/app.sock", {}, "", True),
    ("localhost", {"X-Forwarded-For": "10.0.0.1"}, "", True), ("127.0.0.1", {"Forwarded": "for=10.0.0.1"}, "", True),
    ("localhost", {}, "1", True), ("0.0.0.0", {}, "0", False), ("localhost", {"X-Real-Ip": "10.0.0.1"}, "0", False)])
def test_who_can_reach_the_app_decides_whether_it_is_shared(monkeypatch, address, headers, variable, expected):
    monkeypatch.setenv("ROBUST_SHARED", variable)
    monkeypatch.setattr(people.st, "get_option", lambda name: {"server.address": address}[name])
    context(monkeypatch, headers=headers)
    assert people.is_shared_server() is expected


def test_a_browser_is_a_person_however_its_cookie_is_masked(monkeypatch):
    token = bytes(range(16))

    def masked(mask: bytes) -> str:
        return f"2|{mask.hex()}|{bytes(c ^ mask[i % 4] for i, c in enumerate(token)).hex()}|1700000000"

    found = []
    for cookie in (masked(b"abcd"), masked(b"wxyz"), "2|61626364|00|1", "nonsense", "2|zz|zz|1", "", "2||00112233|1"):
        context(monkeypatch, {people._COOKIE: cookie})
        found.append(people._identify())
    assert found[0] == found[1] and len(set(found)) == 6, "a cookie that says nothing makes nobody anybody else"
    assert all(len(name) == 32 and name.isalnum() for name in found) and token.hex() not in found[0]


def test_an_account_is_a_person_on_every_machine(monkeypatch):
    account = {"is_logged_in": True, "iss": "https://id.example.org", "sub": "17", "email": "a@example.org"}
    found = []
    for who, cookie in ((account, "a"), (account, "b"), (account | {"sub": "18"}, "a"),
                        (account | {"is_logged_in": False}, "a")):
        context(monkeypatch, {people._COOKIE: cookie}, account=who)
        found.append(people._identify())
    assert found[0] == found[1] and len(set(found)) == 3


def test_each_person_has_a_folder_of_their_own(own_runs):
    def look():
        return {paths.own_checkpoints(), paths.training_states(), paths.own_data(), paths.checkpoint_folders()[1]}

    alone = look()
    with owners.act_for("ann"):
        ann = look()
        with owners.act_for("bob"):
            bob = look()
        assert look() == ann and owners.find_person() == "ann"
    assert look() == alone and paths.own_data() == own_runs / "data"
    assert not ann & bob and not ann & alone and all(path.is_relative_to(own_runs / "people" / "ann") for path in ann)


def test_what_somebody_brings_and_trains_is_theirs(own_runs):
    table = Table(("text", "label"), {"text": [f"text {i}" for i in range(40)], "label": ["0", "1"] * 20})
    spec = trainings.parse_spec(SPEC)
    with owners.act_for("ann"):
        uploads.add_dataset("mine", table, "text", "label", {"0": "no", "1": "yes"})
        spec.state.mkdir(parents=True)
        (spec.state / "order.json").write_text(json.dumps({"order": spec.values, "device": "cpu", "data_dir": None}))
        assert list(datasets.list_own()) == ["mine"] and len(trainings.list_unfinished()) == 1
        assert paths.count_uploads() == (1, 1)
    for person in ("bob", ""):
        with owners.act_for(person):
            assert datasets.list_own() == {} and trainings.list_unfinished() == [] and paths.count_uploads() == (0, 1)
            trainings.forget_training(spec)
    with owners.act_for("ann"):
        assert len(trainings.list_unfinished()) == 1, "nobody else can discard it"
        trainings.forget_training(spec)
        assert trainings.list_unfinished() == []


def test_a_job_works_for_whoever_submitted_it():
    manager, seen = JobManager(start=lambda work: work()), []
    with owners.act_for("ann"):
        job = manager.submit("attack", lambda stop: iter([seen.append(paths.own_data().parts[-3:])]))
    assert manager.get(job).owner == "ann" and seen == [("people", "ann", "data")]


@pytest.mark.parametrize("most, most_of_all, submitted", [(2, 50, 2), (4, 3, 3), (0, 50, 0), (4, 0, 0)])
def test_a_person_has_so_many_jobs_and_all_together_so_many(most, most_of_all, submitted):
    manager, go = JobManager(1), threading.Event()
    try:
        with owners.act_for("ann"):
            for _ in range(submitted):
                manager.submit("attack", lambda stop: iter([go.wait(20)]), most=most, most_of_all=most_of_all)
            with pytest.raises(BadInput, match=f"^{submitted} .*jobs run or wait already; {submitted} are the most"):
                manager.submit("attack", lambda stop: iter([]), most=most, most_of_all=most_of_all)
        with owners.act_for("bob"):
            if most_of_all == 50:
                manager.submit("attack", lambda stop: iter([]), most=1, most_of_all=most_of_all)
    finally:
        go.set()


def test_somebody_alone_has_no_limit_of_a_person(monkeypatch):
    manager, go = JobManager(1), threading.Event()
    for _ in range(9):
        manager.submit("attack", lambda stop: iter([go.wait(20)]), most=1, most_of_all=50)
    go.set()


def test_data_sets_have_a_limit(monkeypatch):
    for name in ("one", "two"):
        folder = paths.runs_folder() / "people" / "ann" / "data" / name
        folder.mkdir(parents=True)
        (folder / "about.json").write_text("{}")
    monkeypatch.setenv("ROBUST_UPLOADS", "2")
    monkeypatch.setattr(people, "find_person", owners.find_person)
    with owners.act_for("ann"), pytest.raises(BadInput, match="^You have brought 2 data sets and files; 2 are the "):
        people.check_uploads()
    with owners.act_for("bob"):
        people.check_uploads()
        monkeypatch.setenv("ROBUST_ALL_UPLOADS", "2")
        with pytest.raises(BadInput, match="^2 data sets and files were brought here; 2 are the most"):
            people.check_uploads()


@pytest.mark.parametrize("name, expected", [
    ("distilbert-base-uncased", False), ("google/electra-small", False), ("", False), ("bert_base.v2", False),
    ("/etc", True), ("../secret", True), ("~/models", True), ("a/b/c", True), ("a\\b", True), ("./x", True),
    ("file:///etc", True), ("a..b", True), ("with space", True), ("nul\0", True), ("C:/models", True), (".", True)])
def test_a_hub_name_is_no_folder(name, expected):
    assert form.is_folder_name(name) is expected


def test_a_folder_that_is_here_is_no_hub_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    assert form.is_folder_name("models")


@pytest.mark.parametrize("person, allowed, expected", [("", "", True), ("ann", "", False), ("ann", "1", True),
                                                       ("ann", "yes", False)])
def test_who_may_name_folders(monkeypatch, person, allowed, expected):
    monkeypatch.setenv("ROBUST_ALLOW_FOLDERS", allowed)
    with owners.act_for(person):
        assert owners.may_name_folders() is expected


def test_two_sessions_see_only_their_own_trainings(shared, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(progress.process, "run_command", lambda words, stop: iter([{"kind": "other"}] * stop.wait(20)))
    ann, bob = app(), app()
    for at in (ann, bob):
        at.switch_page("pages/6_Train.py").run()
    next(b for b in ann.button if b.label == "Train").click().run()
    job, = loaded.get_trainings().jobs()
    ann.run()
    bob.run()
    assert any(b.label == "Stop" for b in ann.main.button) and not any(b.label == "Stop" for b in bob.main.button)
    bob.session_state["train.job"] = job.id
    bob.run()
    assert not any(b.label == "Stop" for b in bob.main.button)
    assert ann.session_state["person"] == job.owner != bob.session_state["person"]
    next(b for b in ann.main.button if b.label == "Stop").click().run()
    assert loaded.get_trainings().get(job.id).stop.is_set()
    go.set()


def test_whoever_has_the_link_watches_and_cannot_stop(monkeypatch):
    monkeypatch.setattr(loaded, "find_person", owners.find_person)
    with owners.act_for("ann"):
        job = loaded.submit_job("attack", lambda stop: iter([stop.wait(20)]), "typed text")
    for person, stopped in (("bob", False), ("", False), ("ann", True)):
        with owners.act_for(person):
            loaded.stop_job(job)
        assert loaded.get_jobs().get(job).stop.is_set() is stopped


def test_a_link_to_a_view_is_for_everybody(shared):
    ann = settle(click(app(models=MODELS[0]), "Attack"))
    click(ann, "Link")
    assert (paths.runs_folder() / "results.sqlite").is_file()
    bob = app(view=ann.session_state["view"])
    assert "Finished" in page(bob) and "leads nowhere" not in page(bob)


@pytest.mark.parametrize("query, said", [("job", "The attack of this address is not here any more"),
                                         ("work", "What it had stored is kept: start it again to go on.")])
def test_what_a_restart_took_is_said(query, said):
    assert said in page(app(**{query: "gone"}))
