"""Ray's side of sweeps, with a stand-in for the library."""

import builtins
import json
import threading

import pytest
from helpers.fake_ray import FakeRay
from helpers.sweeps import make_tasks, write_plan

from bench.kill import outcomes
from robust_core.errors import BadInput, Incompatible, MissingResource
from robust_core.store import ResultStore
from robust_core.sweep.cluster import Cluster
from robust_core.sweep.fill import fill_store


def fill(tasks, folder, **options):
    return list(fill_store(tasks, ResultStore(folder), threading.Event(), device="cpu", **options))


def test_actors_find_what_one_process_finds_also_when_some_are_lost(data, tmp_path):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json"), data)
    fill(tasks, tmp_path / "one")
    heard = []

    def loses(line: str) -> bool:
        heard.append(line)
        return len(heard) in (2, 9)

    ray = FakeRay({"CPU": 2.0}, loses)
    executor = Cluster("auto", device="cpu", ray=ray)
    assert executor.slots == 2 and ray.asked == [{"num_cpus": 1}]
    events = fill(tasks, tmp_path / "two", executor=executor)
    assert sum(event.kind == "stored" for event in events) == 40
    assert outcomes(tmp_path / "one") == outcomes(tmp_path / "two")
    assert not ray.open and ray.killed == ray.actors <= 4


def test_an_actor_with_another_engine_gets_no_work(data, tmp_path):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json"), data)

    def change(actor) -> None:
        hello = json.loads(actor.hello())
        actor.hello = lambda: json.dumps(hello | {"engine": 0})

    with pytest.raises(Incompatible, match="A worker has the engine 0"):
        fill(tasks, tmp_path / "two", executor=Cluster("auto", 1, device="cpu", ray=FakeRay({}, change=change)))
    assert not outcomes(tmp_path / "two")


def test_gpus_are_counted():
    ray = FakeRay({"CPU": 16.0, "GPU": 4.0})
    assert Cluster("auto", threads=2, ray=ray).slots == 4 and ray.asked == [{"num_gpus": 1, "num_cpus": 2}]


def test_a_cluster_that_is_not_there_or_open_to_others_is_one_line(monkeypatch):
    with pytest.raises(BadInput, match="No Ray cluster answers at '127.0.0.1:1': Could not find"):
        Cluster("127.0.0.1:1", ray=FakeRay({}))
    with pytest.raises(BadInput, match="RAY_AUTH_MODE=token"):
        Cluster("10.0.0.7:6379", ray=FakeRay({}))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert Cluster("10.0.0.7:6379", ray=FakeRay({})).slots == 1


def test_without_ray_a_line_says_how_to_get_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name == "ray":
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingResource, match="pip install -r requirements-cluster.txt"):
        Cluster("auto")
