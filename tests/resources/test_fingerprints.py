"""Fingerprints of tables, lists and models: each file that decides an answer counts, and none is read twice."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.tables import forget_tables, scramble_neighbours

from robust_core import file_hashes
from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.file_hashes import sha256
from robust_core.paths import ROOT
from robust_core.resources import _tables, antonyms, fingerprints, stopwords
from robust_core.resources.encoder import NEEDED
from robust_core.resources.fingerprints import NAMES, TABLES, describe, fingerprint_folder, fingerprint_table


@pytest.fixture(autouse=True)
def nothing_read(monkeypatch):
    """Let each test begin as a fresh process does: nothing marked as read, no table in memory."""
    monkeypatch.setattr(file_hashes, "_READ", {})
    forget_tables()
    yield
    forget_tables()


def write_encoder(folder: Path, **contents: str) -> Path:
    """Write what looks like an encoder, with a card that is right."""
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_text(contents.get(name.partition(".")[0], name))
    (folder / "card.json").write_text(json.dumps({"sha256": {name: sha256(folder / name) for name in NEEDED}}))
    return folder


def write_masked(folder: Path, card: str = "{}", weights: str = "w") -> Path:
    """Write what looks like a folder of checkpoints with a masked language model."""
    (folder / "masked" / "minilm").mkdir(parents=True)
    (folder / "masked" / "minilm" / "card.json").write_text(card)
    (folder / "masked" / "minilm" / "model.safetensors").write_text(weights)
    return folder


def test_a_table_has_the_sum_of_its_file():
    for name, (file, _) in TABLES.items():
        assert fingerprint_table(name) == hashlib.sha256((_tables.TABLES / file).read_bytes()).hexdigest()


@pytest.mark.textattack
def test_every_name_has_a_fingerprint_of_its_own_and_a_title():
    found = {name: fingerprint_table(name) for name in NAMES}
    sums = {name: value for name, value in found.items() if name != "textattack"}
    assert len(set(sums.values())) == len(sums)
    assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in sums.values())
    assert found["textattack"].count(".") == 2, "a version"
    assert describe(NAMES) == {
        {"sentence-encoder": "encoder minilm", "masked-model": "masked-model minilm",
         "textattack": "package textattack"}.get(name, f"table {name}"): value for name, value in found.items()}


def test_an_unknown_name_is_refused():
    with pytest.raises(UnknownName, match="neighbors"):
        fingerprint_table("neighbors")


def test_a_changed_table_has_another_fingerprint_and_the_others_keep_theirs(tmp_path, monkeypatch):
    before = {name: fingerprint_table(name) for name in TABLES}
    monkeypatch.setattr(_tables, "TABLES", scramble_neighbours(tmp_path / "tables"))
    after = {name: fingerprint_table(name) for name in TABLES}
    assert {name for name in TABLES if before[name] != after[name]} == {"neighbours"}
    (tmp_path / "tables" / "wordnet.npz").unlink()
    with pytest.raises(MissingResource, match=r"wordnet\.npz"):
        fingerprint_table("wordnet")


def test_another_list_of_stop_words_has_another_fingerprint(monkeypatch):
    before = fingerprint_table("stop-words")
    monkeypatch.setattr(stopwords, "NEGATIONS", stopwords.NEGATIONS.replace("never", ""))
    stopwords.stop_words.cache_clear()
    assert fingerprint_table("stop-words") != before


@pytest.mark.parametrize("changed", ["model", "config", "tokenizer"])
def test_every_file_that_decides_a_vector_counts(changed, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_ENCODER", str(write_encoder(tmp_path / "one")))
    before, masked = fingerprint_table("sentence-encoder"), fingerprint_table("masked-model")
    monkeypatch.setenv("ROBUST_ENCODER", str(write_encoder(tmp_path / "same")))
    assert fingerprint_table("sentence-encoder") == before, "where it lies does not matter"
    monkeypatch.setenv("ROBUST_ENCODER", str(write_encoder(tmp_path / "other", **{changed: "x"})))
    assert fingerprint_table("sentence-encoder") != before
    assert fingerprint_table("masked-model") != masked, "it is made from the encoder"


def test_card_and_weights_of_the_masked_model_count(tmp_path, monkeypatch):
    found = []
    for name, values in (("a", {}), ("b", {}), ("c", {"card": "[]"}), ("d", {"weights": "v"})):
        monkeypatch.setenv("ROBUST_CHECKPOINTS", str(write_masked(tmp_path / name, **values)))
        found.append(fingerprint_table("masked-model"))
    assert found[0] == found[1] and len(set(found)) == 3
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "none"))
    with pytest.raises(MissingResource, match="masked language model"):
        fingerprint_table("masked-model")


def test_a_folder_is_known_by_names_and_contents_of_what_is_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "1_Pooling").mkdir(parents=True)
        (tmp_path / name / "1_Pooling" / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_text("w")
    before = fingerprint_folder(tmp_path / "a")
    assert fingerprint_folder(tmp_path / "b") == before
    (tmp_path / "b" / "README.md").write_text("what nobody reads")
    assert fingerprint_folder(tmp_path / "b") == before
    (tmp_path / "b" / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    assert fingerprint_folder(tmp_path / "b") != before
    shutil.move(tmp_path / "a" / "1_Pooling", tmp_path / "a" / "2_Pooling")
    assert fingerprint_folder(tmp_path / "a") != before


def test_a_file_is_read_once_and_again_after_it_has_changed(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(file_hashes, "sha256", lambda path: read.append(path) or sha256(path))
    shutil.copytree(_tables.TABLES, tmp_path / "tables")
    monkeypatch.setattr(_tables, "TABLES", tmp_path / "tables")
    for _ in range(3):
        fingerprint_table("antonyms")
    assert len(read) == 1
    path = tmp_path / "tables" / "antonyms.txt.gz"
    before = fingerprint_table("antonyms")
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(1, 1))
    assert fingerprint_table("antonyms") != before and len(read) == 2


def test_a_table_that_changed_after_it_was_read_is_no_ground_for_new_results(tmp_path, monkeypatch):
    """What is in memory is the old table: the sum of the new one beside its outcomes would be a lie."""
    shutil.copytree(_tables.TABLES, tmp_path / "tables")
    monkeypatch.setattr(_tables, "TABLES", tmp_path / "tables")
    assert antonyms("good")
    fingerprint_table("antonyms")
    path = tmp_path / "tables" / "antonyms.txt.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(BadInput, match="antonyms.txt.gz has changed since this program read it; start the program"):
        fingerprint_table("antonyms")


@pytest.mark.textattack
def test_all_of_them_take_a_blink_in_a_fresh_process_and_nothing_heavy():
    code = ("import sys, time; from robust_core.resources import fingerprints as f; start = time.perf_counter()\n"
            "found = f.describe(f.NAMES); print(time.perf_counter() - start)\n"
            "heavy = {'torch', 'transformers', 'tokenizers', 'sentence_transformers', 'textattack'} & {*sys.modules}\n"
            "assert len(found) == len(f.NAMES) and not heavy, heavy")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(done.stdout) < 2.0  # measured below 0.5; the margin is for busy machines
    fingerprints.describe(NAMES)
    start = time.perf_counter()
    for _ in range(20):
        fingerprints.describe(NAMES)
    assert (time.perf_counter() - start) / 20 < 0.02
