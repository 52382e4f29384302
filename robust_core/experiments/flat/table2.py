"""FLAT, Tables 2 and 3: accuracy of base, adversarial training and FLAT, clean and under the attack trained against."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Claim, Experiment, Options, Subject
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.comparison import CLEAN, compare_models, write_comparison_table
from robust_core.store import ResultStore

DATA = ("sst2", "ag_news", "trec")
ATTACKS = ("textfooler", "pwws")
STANDS = {"cnn": "CNN", "lstm": "LSTM", "minilm": "BERT"}

# Percent, after DATA. Clean accuracy (Table 2), by architecture and model; accuracy under attack (Table 3, AA).
ACCURACY: Mapping[tuple[str, str], tuple[float, float, float]] = {
    ("lstm", "base"): (84.40, 91.08, 90.80), ("cnn", "base"): (84.18, 91.32, 91.20),
    ("minilm", "base"): (91.32, 93.59, 97.40),
    ("lstm", "adversarial-textfooler"): (82.32, 90.29, 87.60), ("lstm", "adversarial-pwws"): (82.59, 91.16, 89.60),
    ("lstm", "flat-textfooler"): (84.79, 91.00, 91.00), ("lstm", "flat-pwws"): (83.69, 91.37, 91.20),
    ("cnn", "adversarial-textfooler"): (82.15, 90.99, 89.20), ("cnn", "adversarial-pwws"): (83.42, 91.30, 90.00),
    ("cnn", "flat-textfooler"): (83.09, 91.64, 89.20), ("cnn", "flat-pwws"): (83.31, 91.03, 89.20),
    ("minilm", "adversarial-textfooler"): (91.38, 90.30, 96.00),
    ("minilm", "adversarial-pwws"): (90.88, 93.38, 95.20),
    ("minilm", "flat-textfooler"): (91.54, 94.07, 96.20), ("minilm", "flat-pwws"): (91.05, 93.09, 96.60),
}
ATTACKED: Mapping[tuple[str, str, str], tuple[float, float, float]] = {
    ("lstm", "base", "textfooler"): (5.05, 45.00, 44.40),
    ("lstm", "adversarial", "textfooler"): (12.36, 48.39, 51.20),
    ("lstm", "flat", "textfooler"): (17.76, 54.16, 55.20),
    ("cnn", "base", "textfooler"): (1.98, 8.74, 45.20),
    ("cnn", "adversarial", "textfooler"): (2.53, 15.84, 52.60),
    ("cnn", "flat", "textfooler"): (37.07, 25.18, 62.20),
    ("minilm", "base", "textfooler"): (4.72, 11.84, 37.60),
    ("minilm", "adversarial", "textfooler"): (5.60, 30.67, 40.00),
    ("minilm", "flat", "textfooler"): (12.41, 32.29, 55.00),
    ("lstm", "base", "pwws"): (11.64, 54.53, 54.40), ("lstm", "adversarial", "pwws"): (18.73, 61.17, 64.20),
    ("lstm", "flat", "pwws"): (19.66, 62.41, 67.80),
    ("cnn", "base", "pwws"): (8.29, 18.86, 54.20), ("cnn", "adversarial", "pwws"): (12.63, 33.21, 63.00),
    ("cnn", "flat", "pwws"): (14.83, 71.37, 65.60),
    ("minilm", "base", "pwws"): (11.70, 32.34, 51.60), ("minilm", "adversarial", "pwws"): (14.44, 33.38, 65.20),
    ("minilm", "flat", "pwws"): (14.61, 49.16, 68.20),
}


def make_subject(dataset: str, architecture: str, defence: str, attack: str = "") -> Subject:
    """Return a model of the experiment with the paper's figures."""
    entry = plan_training(dataset, architecture, defence, **({"attack": attack} if attack else {}))
    own, place = ((attack,) if attack else ATTACKS), DATA.index(dataset)
    paper = {CLEAN: ACCURACY[architecture, f"{defence}-{attack}" if attack else defence][place]}
    paper |= {name: ATTACKED[architecture, defence, name][place] for name in own}
    # A transformer that has learnt from TextFooler meets PWWS as well: one that has learnt from PWWS is rarely trained.
    both = architecture == "minilm" and attack == "textfooler"
    return Subject(entry, ATTACKS if both else own, paper)


@EXPERIMENTS.register("flat/table2", title="FLAT, Tables 2 and 3", source="https://arxiv.org/abs/2203.12709")
class FlatTable2(Experiment):
    """Accuracy of base, adversarially trained and FLAT models, clean and under the attack they were trained with.

    Differs: FLAT and adversarial training attack half of the training texts (MiniLM 2,000 of them or, where the table
    says so, fewer) in two rounds, where the paper attacks all of them in three to five; MiniLM stands in for BERT, and
    what has learnt from TextFooler meets PWWS too; AG News models learn from a fixed draw of texts and are attacked on
    a part of its test set; IMDB is left out.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return base and the defences against each attack, for each data set and architecture."""
        return [found for dataset in DATA for architecture in STANDS for found in (
            make_subject(dataset, architecture, "base"),
            *(make_subject(dataset, architecture, defence, attack) for attack in ATTACKS
              for defence in ("adversarial", "flat")))]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the models."""
        yield from compare_models(self, self.subjects(), options, store, stop)

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and attack."""
        return write_comparison_table(self, found, "FLAT paper", STANDS)
