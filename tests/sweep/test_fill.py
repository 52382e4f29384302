"""The parent of a sweep: what is missing is done once, whoever does it, however often workers are lost."""

import functools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.doubles import BagOfWords, Planted, WordEncoder
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, MissingResource, to_plain
from robust_core.events import Event
from robust_core.explainers import EXPLAINERS
from robust_core.models import loading
from robust_core.store import ResultStore
from robust_core.sweep import work
from robust_core.sweep.executor import Heard, Here
from robust_core.sweep.fill import fill_store
from robust_core.sweep.leases import Leases
from robust_core.sweep.merge import merge_stores
from robust_core.sweep.shards import Part, Shard, choose_examples, read_shard, size_shards, write_shard
from robust_core.sweep.tasks import Task, Victim, make_task
from robust_core.types import Example

TEXTS = ("a good movie", "a bad movie", "good and good", "a good but dull movie", "a fine movie")
COUNT = 60


@pytest.fixture(autouse=True)
def doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model, an encoder and an attack without weights, found by name."""
    monkeypatch.setattr(loading, "load", lambda name, device="auto": BagOfWords(id=name))
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    monkeypatch.setattr(work, "_KEPT", type(work._KEPT)())


@functools.cache
def make(count: int = COUNT, models: int = 2, explainers: tuple = ()) -> list[Task]:
    examples = [Example(TEXTS[i % len(TEXTS)], i % 2, f"double/{i}") for i in range(count)]
    return [make_task(Victim.of(name, BagOfWords(id=name)), Planted(), ("double", "test", "0"), examples, 0,
                      explainers=explainers) for name in (f"double/{k}" for k in range(models))]


class Losing:
    """An executor whose workers are lost with some shards after some messages.

    Args:
        loses: Says of a shard after how many messages its worker is lost; None, or more than there are, for never.
    """

    def __init__(self, loses: Callable[[Shard], int | None]) -> None:
        self.slots, self._here, self._loses = 2, Here(threading.Event()), loses
        self._shards: list[Shard] = []
        self.submitted: list[Shard] = []
        self.closed, self.lost = False, 0

    def submit(self, shard: Shard) -> None:
        assert len(self._shards) < self.slots
        self._shards.append(shard)
        self.submitted.append(shard)

    def events(self, wait: float) -> Iterator[Heard]:
        shard = self._shards.pop(0)
        self._here.submit(read_shard(write_shard(shard)))
        for count, heard in enumerate(self._here.events(wait)):
            if count == self._loses(shard):
                self.lost += 1
                yield shard.number, {"kind": "lost", "reason": "SIGKILL"}
                return
            yield heard

    def close(self) -> None:
        self.closed = True


def run(tasks: list[Task], folder: Path, **options) -> list[Event]:
    return list(fill_store(tasks, ResultStore(folder), threading.Event(), **options))


def count_stored(events: list[Event]) -> Counter:
    return Counter((event.uid, event.victim) for event in events if event.kind == "stored")


def read(folder: Path) -> dict:
    store = ResultStore(folder)
    return {(run_id, r.example.uid): (r.status, r.perturbed, r.before, r.after, r.queries, r.forward_passes, r.swaps)
            for run_id in store.runs() for r in store.each(run_id)}


def test_what_is_stored_is_not_computed_again_also_after_a_change(tmp_path):
    events = run(make(20), tmp_path)
    assert count_stored(events) == Counter((f"double/{i}", f"double/{k}") for i in range(20) for k in range(2))
    progress = [event.data for event in events if event.kind == "progress"]
    assert progress[0] == {"part": "attacks", "total": 40, "done": 0} and progress[-1]["done"] == 40
    assert not count_stored(run(make(20), tmp_path))
    events = run(make(30, models=3), tmp_path)
    assert sum(count_stored(events).values()) == 90 - 40
    assert [event.data["done"] for event in events if event.kind == "progress"][::len(events)] == [40]
    assert len(read(tmp_path)) == 90


@pytest.mark.parametrize(("every", "after"), [(1, 0), (1, 3), (2, 9), (3, 1)])
def test_lost_workers_lose_and_double_nothing(every, after, tmp_path):
    executor = Losing(lambda shard: after if shard.tries < 2 and shard.number % every == 0 else None)
    stored = count_stored(run(make(), tmp_path, executor=executor))
    assert set(stored.values()) == {1} and len(stored) == 2 * COUNT and executor.closed
    assert executor.lost
    run(make(), tmp_path / "one")
    assert read(tmp_path) == read(tmp_path / "one")


def test_after_three_workers_a_shard_is_given_up_and_the_rest_is_done(tmp_path):
    executor = Losing(lambda shard: 0 if "double/7" in shard.uids and shard.model == "double/0" else None)
    with pytest.raises(BadInput, match=r"3 workers were lost with the same texts \(SIGKILL\), \d+ in all"):
        run(make(), tmp_path, executor=executor)
    assert sum("double/7" in s.uids and s.model == "double/0" for s in executor.submitted) == 3
    assert 2 * COUNT - len(read(tmp_path)) == size_shards(2 * COUNT, 2) and executor.closed


def test_workers_that_are_lost_for_ever_but_hand_something_over_come_to_an_end(tmp_path):
    executor = Losing(lambda shard: 2)
    assert len(count_stored(run(make(), tmp_path, executor=executor))) == 2 * COUNT == len(read(tmp_path))


def test_an_error_of_a_worker_ends_the_run_as_it_is(tmp_path, monkeypatch):
    error = MissingResource("The table", "Build it.")

    def fails(shard, stop):
        if shard.model == "double/1":
            yield {"kind": "failed", "error": to_plain(error)}
        else:
            yield from real(shard, stop)

    real = work.work
    monkeypatch.setattr("robust_core.sweep.executor.work", fails)
    with pytest.raises(MissingResource, match=r"The table is missing\. Build it\."):
        run(make(), tmp_path)
    assert len(read(tmp_path)) == COUNT


def test_two_sweeps_share_the_work(tmp_path):
    found: list[Counter] = []
    began = threading.Barrier(2)

    def sweep() -> None:
        events = []
        for event in fill_store(make(), ResultStore(tmp_path), threading.Event()):
            if not events:
                began.wait()
            events.append(event)
        found.append(count_stored(events))

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and all(found), "one did everything"
    assert set((found[0] + found[1]).values()) == {1} and sum((found[0] + found[1]).values()) == 2 * COUNT


def test_a_lease_ends_with_its_owner_and_with_the_lock_of_one_that_died(tmp_path):
    one, two = Leases(tmp_path), Leases(tmp_path)
    assert one.claim("run", ["a", "b"]) == {"a", "b"} == one.claim("run", ["a", "b"])
    assert two.claim("run", ["b", "c"]) == {"c"} and two.claim("other", ["b"]) == {"b"}
    one.release("run", ["b"])
    assert two.claim("run", ["a", "b"]) == {"b"}
    one._lock.release()  # as the system does when the process ends
    assert two.claim("run", ["a"]) == {"a"}
    two.close()
    three = Leases(tmp_path)
    assert three.claim("run", ["a", "b", "c"]) == {"a", "b", "c"}
    three.close()
    assert not list((tmp_path / "leases").glob(f"{two._owner}*"))


def test_a_file_of_leases_that_is_none_is_one_line(tmp_path):
    (tmp_path / "leases.sqlite").write_text("no database at all, but long enough to be read as one" * 20)
    with pytest.raises(BadInput, match="leases.sqlite"):
        run(make(), tmp_path)


@pytest.mark.parametrize("after", [0, 5])
def test_stop_ends_it_with_what_is_stored(tmp_path, after):
    stop, stored = threading.Event(), 0
    for event in fill_store(make(), ResultStore(tmp_path), stop):
        stored += event.kind == "stored"
        if stored >= after:
            stop.set()
    assert stored < 2 * COUNT and len(read(tmp_path)) == stored
    assert sum(count_stored(run(make(), tmp_path)).values()) == 2 * COUNT - stored


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 50), st.integers(1, 3), st.integers(1, 9))
def test_parts_are_disjoint_and_together_everything(count, models, of):
    tasks = make(count, models)
    parts = [choose_examples(tasks, Part(number, of)) for number in range(1, of + 1)]
    for at, task in enumerate(tasks):
        found = [example for part in parts for example in part[at]]
        assert len(found) == count and set(found) == set(task.examples)
    counts = [sum(map(len, part.values())) for part in parts]
    size = max(1, count * models // (of * 6))
    assert max(counts) - min(counts) <= (1 + models) * size


def test_merged_parts_are_what_one_process_finds(tmp_path):
    explainers = (EXPLAINERS["loo"](),)
    run(make(explainers=explainers), tmp_path / "one")
    for number in (1, 2, 3):
        run(make(explainers=explainers), tmp_path / str(number), part=Part(number, 3))
    folders, store = [tmp_path / "1", tmp_path / "2", tmp_path / "3"], ResultStore(tmp_path / "all")
    merged = merge_stores(folders, store)
    assert sum(part.new for part in merged) == 2 * COUNT and all(part.comparisons for part in merged)
    assert read(tmp_path / "one") == read(tmp_path / "all")
    assert sorted(store.explained(), key=str) == sorted(ResultStore(tmp_path / "one").explained(), key=str)
    assert not any(part.new for part in merge_stores(folders, store))
    assert not count_stored(run(make(explainers=explainers), tmp_path / "all"))


def test_what_is_no_part_is_not_merged(tmp_path):
    store = ResultStore(tmp_path / "all")
    with pytest.raises(BadInput, match="holds no results.sqlite"):
        merge_stores([tmp_path / "nothing"], store)
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(BadInput, match="is the store itself"):
        merge_stores([tmp_path / "all"], store)
    run(make(), tmp_path / "1")
    with ResultStore(tmp_path / "1")._connection() as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("UPDATE runs SET id = 'ffffffffffff' WHERE rowid = 1")
    with pytest.raises(BadInput, match="is damaged"):
        merge_stores([tmp_path / "1"], store)


def test_a_search_that_breaks_is_said_and_the_others_go_on(tmp_path, monkeypatch):
    real = Planted.search

    def search(self, target, rng):
        if "dull" in target.draft.text:
            raise ZeroDivisionError
        return real(self, target, rng)

    monkeypatch.setattr(Planted, "search", search)
    events = run(make(), tmp_path)
    broken = [event for event in events if event.kind == "error"]
    assert broken and len(read(tmp_path)) + len(broken) == 2 * COUNT
    assert all(event.data["message"] for event in broken)
