"""The number of threads follows what is free; what is found does not depend on it."""

import os
import subprocess
import sys
import threading

import pytest
import torch

from robust_core import datasets, environment
from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput
from robust_core.explainers import EXPLAINERS
from robust_core.models import loading, threads

CPU = torch.device("cpu")


class Machine:
    """Tells how long a batch of `work` seconds takes with some threads, others having taken some cores."""

    def __init__(self, most: int) -> None:
        self.rule, self.taken, self.clock, self.again = threads.ThreadRule(most), 0, 0.0, 0.0
        self.most = most

    def seconds(self, count: int, work: float) -> float:
        """Shared equally and waited for: a thread on a core that another program has takes half as long again."""
        late = 2.2 if count > max(1, self.most - self.taken) else 1.0
        return work * (0.1 + 0.9 / count) * late

    def run(self, work: float, batches: int) -> list[int]:
        """Run some batches; return the number of threads of each."""
        counts = []
        for _ in range(batches):
            count = self.rule.count
            counts.append(count)
            first = self.seconds(count, work)
            self.clock += first
            other = self.rule.choose_other(first)
            if other is not None:
                again = self.seconds(other, work)
                self.again += again
                self.rule.record(other, first, again)
        return counts


@pytest.fixture
def two(monkeypatch):
    """Torch has two threads and nobody set a number."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("ROBUST_THREADS", raising=False)
    fresh = threads._Threads()
    monkeypatch.setattr(threads, "_THREADS", fresh)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield fresh
    torch.set_num_threads(before)


@pytest.mark.parametrize("work", [0.004, 0.03, 0.2])
def test_a_core_that_is_taken_takes_a_thread_away_and_gives_it_back(work):
    machine = Machine(2)
    free = machine.run(work, int(20 / work))
    assert set(free) == {2}
    machine.taken = 1
    busy = machine.run(work, int(60 / work))
    assert busy[-1] == 1
    late = sum(count == 2 for count in busy) * work
    assert late < 25, f"{late:.1f} s of work were run with two threads while one was better"
    machine.taken = 0
    assert machine.run(work, int(60 / work))[-1] == 2


@pytest.mark.parametrize("most", [2, 6, 16])
@pytest.mark.parametrize("taken", [0, 1])
def test_trying_costs_little(most, taken):
    machine = Machine(most)
    machine.taken = taken
    machine.run(0.01, 300)
    machine.again = machine.clock = 0.0
    machine.run(0.01, 20_000)
    assert 0 < machine.again <= 0.025 * machine.clock


def test_many_threads_go_down_by_halves_and_no_further_than_is_worth_it():
    machine = Machine(16)
    machine.taken = 1
    counts = machine.run(0.05, 4000)
    assert counts[0] == 16 and counts[-1] == 8 and set(counts) <= {16, 8, 4}


def test_new_work_is_tried_at_once_and_a_long_batch_is_not_run_twice_at_first():
    rule = threads.ThreadRule(2)
    assert rule.choose_other(0.01) == 1 and threads.ThreadRule(2).choose_other(1.0) is None
    rule.record(1, 0.01, 0.5)
    assert rule.choose_other(0.01) is None
    rule.begin()
    assert rule.choose_other(0.01) == 1
    assert threads.ThreadRule(1).choose_other(0.01) is None


def test_a_tie_leaves_the_core_to_others():
    rule = threads.ThreadRule(2)
    for _ in range(4):
        rule.record(1, 0.02, 0.02)
    assert rule.count == 1
    for _ in range(9):
        rule.record(2, 0.02, 0.019)
    assert rule.count == 1


def test_a_batch_runs_with_the_number_chosen_and_leaves_torch_as_it_was(two):
    seen = []
    threads.run_batch(lambda: seen.append(torch.get_num_threads()), CPU)
    two._rules[two].count = 1
    threads.run_batch(lambda: seen.append(torch.get_num_threads()), CPU)
    with threads.lend_threads("cpu"):
        seen.append(torch.get_num_threads())
        threads.run_batch(lambda: seen.append(torch.get_num_threads()), CPU)
    assert seen[0] == 2 and 1 in seen[1:-2] and seen[-2:] == [1, 1] and torch.get_num_threads() == 2
    with pytest.raises(ZeroDivisionError):
        threads.run_batch(lambda: 1 // 0, CPU)
    assert torch.get_num_threads() == 2
    found = []
    torch.set_num_threads(1)
    worker = threading.Thread(target=lambda: found.extend([
        threads.run_batch(torch.get_num_threads, CPU), torch.get_num_threads()]))
    worker.start()
    worker.join()
    assert found == [1, 2], "a new thread does not begin with what another thread's batch ran with"
    two._rules[two].count = 2
    assert threads.run_batch(torch.get_num_threads, CPU) == 1, "a number that somebody set in a thread stays"


@pytest.mark.parametrize("variable", ["ROBUST_THREADS", "OMP_NUM_THREADS"])
def test_a_number_that_somebody_set_stays(two, monkeypatch, variable):
    monkeypatch.setenv(variable, "2")
    assert two.find_rule(CPU) is None
    assert threads.run_batch(torch.get_num_threads, CPU) == 2


@pytest.mark.parametrize("given", ["0", "two", "-1", "1.5", "99999"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, given):
    monkeypatch.setenv("ROBUST_THREADS", given)
    with pytest.raises(BadInput, match="ROBUST_THREADS must be a whole number from 1"):
        environment.read_threads()


def test_the_environment_is_set_before_torch_is_loaded():
    names = ("OMP_NUM_THREADS", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY", "ROBUST_THREADS")
    code = ("import os, robust_core, torch\n"
            f"print(torch.get_num_threads(), *(os.environ.get(name) for name in {names[:3]}))")

    def ask(**given: str) -> list[str]:
        environment = {name: value for name, value in os.environ.items() if name not in names} | given
        return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True,
                              check=True).stdout.split()

    assert ask(ROBUST_THREADS="1", OMP_NUM_THREADS="2") == ["1", "1", "200", "0"]
    assert ask(OMP_NUM_THREADS="2", OMP_WAIT_POLICY="active") == ["2", "2", "None", "None"]


@pytest.mark.parametrize(("name", "n"), [("cnn", 4), ("minilm", 2)])
def test_texts_are_the_same_though_the_number_changes_at_every_batch(two, monkeypatch, name, n):
    victim = loading.load(f"sst2/{name}/base", "cpu")
    examples = list(datasets.load("reviews", "dev")[:n])
    attack = ATTACKS["textfooler"](max_queries=120)

    def find(choose):
        monkeypatch.setattr(threads.ThreadRule, "choose_other", choose)
        return {e.uid: (r.perturbed, r.status, r.queries, r.before, r.after, r.similarity)
                for e in attack.run([victim], examples) if (r := e.result) is not None}

    used = []

    def keep_one(rule, seconds):
        rule.count = 1

    def change(rule, seconds):
        used.append(rule.count)
        rule.count = 3 - rule.count

    alone = find(keep_one)
    assert find(change) == alone and len(alone) == n and {1, 2} == set(used)


def test_gradients_explain_with_the_number_chosen(two, monkeypatch):
    victim = loading.load("sst2/cnn/base", "cpu")
    victim.predict_proba(["A fine film, and a long one."] * 2)
    two._rules[victim.net].count = 1
    seen, explainer = [], EXPLAINERS["ixg"]()
    whole = type(explainer).attribute
    monkeypatch.setattr(type(explainer), "attribute",
                        lambda *given: seen.append(torch.get_num_threads()) or whole(*given))
    explainer.explain(victim, ["A fine film."], [1])
    assert seen == [1] and torch.get_num_threads() == 2


def test_each_network_has_a_number_of_its_own(two):
    first, second = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for network in (first, second):
        threads.run_batch(torch.get_num_threads, CPU, network)
    two._rules[first].count = 1
    # What is tried now and then does not count: the first of the two runs gives the answer.
    assert [threads.run_batch(torch.get_num_threads, CPU, n) for n in (first, second, first)] == [1, 2, 1]
    del first, network
    assert len(two._rules) <= 1, "a network that is gone takes its number along"
