"""What earlier versions wrote still opens: a checkpoint, an encoder, base classifiers, a result store, a claim.

The files in `made_before/` were written by the code of 2026-11-22, with small random networks, and `told.json` by what
that code read from them. They are never written anew: a format that changes has to keep opening them.
"""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.encoders import Words, body
from helpers.results import RUN, result

from robust_core.certify import base_classifiers
from robust_core.claims.files import read_claims
from robust_core.models import cards, encoder_cards, loading
from robust_core.models.base_encoders import BaseEncoder
from robust_core.store import FILE, ResultStore
from ui.models.figures import read_figures

MADE = Path(__file__).parent / "made_before"
TOLD = json.loads((MADE / "told.json").read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def shelf(monkeypatch):
    """Let the old checkpoints be the shipped ones."""
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(MADE / "checkpoints"))


def test_an_old_checkpoint_predicts_what_it_did():
    card, = cards.cards()
    assert (card.id, card.labels, card.defence_name) == ("sst2/cnn/base", ("negative", "positive"), "base")
    found = loading.load("sst2/cnn/base", "cpu").predict_proba(["a good film", "a bad film", "nothing known"])
    assert found == pytest.approx(np.array(TOLD["proba"]), abs=1e-6)


def test_an_old_encoder_adds_its_weights():
    card, = encoder_cards.cards()
    assert [card.id] == TOLD["encoder"] and card.config == {"lora_scale": 2.0, "length": 16}
    encoder = body()
    name = "encoder.layer.0.attention.self.query.weight"
    before = encoder.state_dict()[name][0].tolist()
    encoder_cards.apply(card, BaseEncoder(encoder, Words(), card.parent))
    assert encoder.state_dict()[name][0].tolist() == pytest.approx(TOLD["query"], abs=1e-6) != pytest.approx(before)


def test_old_base_classifiers_judge_as_they_did():
    rows = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 1, 2, 2)
    model = base_classifiers.load("digits")
    assert model.judge("dssn", 0.5)(rows).tolist() == TOLD["smoothed"] and model.labels == ("0", "1")


def test_an_old_store_holds_its_results_and_takes_new_ones(tmp_path):
    (tmp_path / FILE).write_bytes(gzip.decompress((MADE / "results.sqlite.gz").read_bytes()))
    store = ResultStore(tmp_path)
    failed = result("1", status="failed", perturbed="a good movie", swaps=(), curve=())
    assert repr(store.results(TOLD["run"])) == repr([result(), failed])
    assert store.runs() == {TOLD["run"]: RUN} and store.open_run(RUN) == TOLD["run"] == RUN.id
    assert store.comparisons(RUN.id, {"name": "ig"}) == {"1": {"kendall_tau": 0.5}}
    assert store.get(TOLD["view"]) == {"text": "a good film"}
    store.append(RUN.id, result("2"))
    assert len(store.results(RUN.id)) == 3
    store.close()


def test_an_old_claim_is_read_and_shown():
    claim, = read_claims([MADE / "claim.json"])
    assert (claim["value"], claim["value_se"], claim["run"]) == (0.5, None, TOLD["run"])
    figure, = read_figures(MADE)["sst2/cnn/base"]
    assert (figure.metric, figure.value, figure.attack, figure.n) == ("accuracy_under_attack", 0.5, "textfooler", 2)
