"""What a training reads: no text of a later split, whatever its case and its blanks; a card says what was left out."""

import json

import pytest
from helpers.cli import invoke, refused
from helpers.models import tiny_data
from hypothesis import given
from hypothesis import strategies as st

from robust_core import datasets, splits, tables, trainings, uploads
from robust_core.certify import inputs
from robust_core.errors import BadInput, MissingResource
from robust_core.models import cards
from robust_core.types import Example

TEXTS = {"train": ["A fine film .", "dull", "Slow", "a story", "good", "bad"],
         "dev": ["a FINE film.", "a plot", "Told well"], "test": ["slow", "a plot", "other"]}


def write(folder, texts=TEXTS, name="sst2"):
    (folder / name).mkdir(parents=True, exist_ok=True)
    for split, lines in texts.items():
        rows = [f"{text}\t{i % 2}" for i, text in enumerate(lines)]
        (folder / name / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return folder


def test_texts_of_later_splits_are_left_out(tmp_path):
    found = splits.load_training_texts("sst2", write(tmp_path))
    kept = {split: [e.text for e in examples] for split, examples in found.splits.items()}
    assert kept == {"train": ["dull", "a story", "good", "bad"], "dev": ["a FINE film.", "Told well"]}
    assert [e.uid for e in found.splits["train"]] == [f"sst2/train/{i}" for i in (1, 3, 4, 5)], "rows keep their names"
    for split, dropped, compared in (("train", 2, ["dev", "test"]), ("dev", 1, ["test"])):
        assert found.data[split] == {"n": len(kept[split]), "sha256": datasets.hash_examples(found.splits[split]),
                                     "dropped_overlap": dropped, "compared_with": compared}
    assert found.drawn == datasets.hash_examples(datasets.load("sst2", "train", tmp_path))
    assert splits.describe_overlap(found.data) == (
        "texts left out of train because they stand in dev or test as well: 2; "
        "texts left out of dev because they stand in test as well: 1")
    assert len(datasets.load("sst2", "train", tmp_path)) == 6, "who measures reads the file as it is"


def test_texts_are_drawn_before_any_is_left_out(tmp_path):
    write(tmp_path)
    for n in range(2, 7):
        chosen = datasets.choose(datasets.load("sst2", "train", tmp_path), n, 0)
        found = splits.load_training_texts("sst2", tmp_path, {"train": n})
        assert [e for e in chosen if e in found.splits["train"]] == found.splits["train"]
        assert found.data["train"]["n"] + found.data["train"]["dropped_overlap"] == n
        assert found.data["train"].get("drawn_from") == (6 if n < 6 else None)


def test_without_a_test_split_the_card_says_that_it_was_not_compared(tmp_path):
    write(tmp_path, {split: TEXTS[split] for split in ("train", "dev")})
    found = splits.load_training_texts("sst2", tmp_path)
    assert [e.text for e in found.splits["dev"]] == ["a FINE film.", "a plot", "Told well"]
    assert (found.data["dev"]["dropped_overlap"], found.data["dev"]["compared_with"]) == (0, [])
    assert (found.data["train"]["dropped_overlap"], found.data["train"]["compared_with"]) == (1, ["dev"])
    assert splits.describe_overlap(found.data).endswith("no test split is here to compare the texts with")
    with pytest.raises(MissingResource, match="The dev split of TREC"):
        splits.load_training_texts("trec", write(tmp_path, {"train": ["who?"]}, "trec"))


def test_a_test_split_needs_no_labels(tmp_path):
    write(tmp_path)
    (tmp_path / "sst2" / "test.tsv").write_text("text\tlabel\nDULL\t-1\nbad\n")
    found = splits.load_training_texts("sst2", tmp_path)
    assert [e.text for e in found.splits["train"]] == ["Slow", "a story", "good"]
    (tmp_path / "sst2" / "test.tsv").write_text("sentence\nDULL\n")
    with pytest.raises(BadInput, match="sst2/test.tsv needs a header line"):
        splits.load_training_texts("sst2", tmp_path)


def test_where_nothing_is_left_a_line_says_so(tmp_path):
    write(tmp_path, TEXTS | {"train": TEXTS["test"]})
    with pytest.raises(BadInput, match="Every train text of sst2 stands in dev or test as well: none is left"):
        splits.load_training_texts("sst2", tmp_path)
    refused(invoke("train", "--dataset", "sst2", "--architecture", "cnn", "--data-dir", tmp_path), "none is left")


@given(*[st.lists(st.sampled_from(["a", "A", "b", "B.", "c", "d"]), max_size=6)] * 2)
def test_dropped_texts_stand_in_the_other_and_kept_ones_do_not(mine, theirs):
    examples, others = ([Example(text) for text in texts] for texts in (mine, theirs))
    kept = splits.drop_texts(examples, splits.list_keys(others))
    assert not splits.list_keys(kept) & splits.list_keys(others)
    assert [e for e in examples if e not in kept] == [e for e in examples if e.text.lower() in
                                                      {text.lower() for text in theirs}]


def test_a_trained_model_and_the_log_say_what_was_left_out(tmp_path):
    data = tiny_data(tmp_path)
    with (data / "sst2" / "train.tsv").open("a") as file:
        file.write("The Film was good .\t1\n")
    options = ("--architecture", "cnn", "--data-dir", data, "--set", "epochs=1", "--set", "length=12", "--json")
    told = invoke("train", "--dataset", "sst2", "--out", tmp_path / "made", *options)
    assert "sst2/cnn/base: texts left out of train because they stand in dev or test as well: 1" in told.stderr
    card = cards.read_card(tmp_path / "made" / "sst2" / "cnn" / "base")
    assert card.data["train"]["n"] == 40 and card.data["train"]["dropped_overlap"] == 1
    assert card.data["dev"]["dropped_overlap"] == 0 and card.known_faults == ()


def test_texts_of_a_file_of_one_s_own_are_compared_too(tmp_path):
    texts = [f"film {i} is {'good' if i % 2 else 'bad'}" for i in range(60)]
    # Rows that differ by their capitals are two texts, and may lie in two splits.
    cells = {"text": texts + [text.upper() for text in texts], "label": ["no", "yes"] * 60}
    uploads.add_dataset("films", tables.Table(("text", "label"), cells), "text", "label")
    found = splits.load_training_texts("films")
    assert found.data["train"]["dropped_overlap"] > 0 and found.data["dev"]["dropped_overlap"] > 0
    later = {e.text.casefold() for split in ("dev", "test") for e in datasets.load("films", split)}
    assert not later & {e.text.casefold() for e in found.splits["train"]}


def test_base_classifiers_of_certificates_learn_from_the_same_texts(tmp_path, monkeypatch):
    class Encoder:
        def encode(self, texts):
            import numpy as np

            return np.random.default_rng(0).standard_normal((len(texts), 12)).astype("float32")

    monkeypatch.setattr(inputs.encoders, "load_default", lambda device="auto": Encoder())
    ready = inputs.prepare_splits("sst2", 2, "pca", data_dir=write(tmp_path))
    assert ready.splits["train"].texts == ("dull", "a story", "good", "bad")
    assert ready.data["train"]["dropped_overlap"] == 2 and ready.data["dev"]["compared_with"] == ["test"]


def test_a_defence_starts_from_a_base_model_of_before_the_comparison_and_takes_on_its_faults(tmp_path, monkeypatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    data = tiny_data(tmp_path)
    values = {"dataset": "sst2", "architecture": "cnn", "set": {"epochs": 1, "length": 12, "batch_size": 8}}

    def run(name):
        spec = trainings.parse_spec(values | {"defence": name}, str(data))
        *_, last = trainings.run_training(spec, tmp_path / "checkpoints", device="cpu", data_dir=str(data))
        return last["card"]

    base = run("base")
    with (data / "sst2" / "test.tsv").open("a") as file:
        file.write("the film was good\t1\n")
    path = base.folder / "card.json"
    old = json.loads(path.read_text())
    del old["data"]["train"]["dropped_overlap"], old["data"]["train"]["compared_with"]
    path.write_text(json.dumps(old | {"known_faults": ["It learnt a text of the test split."]}))
    later = run("freelb")
    assert later.config["start"] == base.id and later.known_faults == ("It learnt a text of the test split.",)
    assert later.data["train"]["dropped_overlap"] == 1 and later.data["train"]["n"] == 39
