"""Classifiers of the `transformers` library: each architecture answers here as the library does for one text alone."""

import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.library_models import ARCHITECTURES, Library, write_library_model
from helpers.models import write_hugging_face

from robust_core import ATTACKS, EXPLAINERS
from robust_core.errors import BadInput, Incompatible, RobustError
from robust_core.models import base_encoders, loading, masked_lm
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.library_reader import PADDED
from robust_core.models.networks.transformer import HuggingFaceClassifier
from robust_core.reading import describe_reading
from robust_core.runs import fingerprint_model
from robust_core.text import find_words
from robust_core.types import Example

torch.set_num_threads(1)
# Of various lengths, some of one; the last one is longer than any of these models reads.
TEXTS = ["A good, clever movie that isn't dull at all!", "bad", "so very bad and dull, dull, dull", "a good film",
         "dull bad movie", "It was :( because \U0001f9d1\u200d\U0001f680 &copy=2; \u4e2d\u6587", "the film " * 60]
LINE = TEXTS[:3]
# Without gradients: tables that are no plain embedding, and an architecture that is derived in training only.
NO_ROWS = {"ibert", "perceiver", "reformer"}
CLOSE = 1e-4


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Write each architecture once."""
    root, made = tmp_path_factory.mktemp("library"), {}

    def write(name: str) -> Path:
        if name not in made:
            made[name] = write_library_model(root / name, name)
        return made[name]

    return write


def load(folder: Path) -> TextClassifier:
    return loading.load(str(folder), "cpu")


def cut(model: TextClassifier) -> int:
    return min(model.length, 100)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_an_architecture_answers_as_in_the_library(folders, name):
    folder = folders(name)
    model, library = load(folder), Library(folder)
    if model.length > 100:
        model.tokens = model.tokens.until(100)
    want = library.proba(TEXTS, model.length)
    assert np.ptp(want, axis=0).max() > 1e-3
    alone = np.concatenate([model.predict_proba([text]) for text in TEXTS])
    for order in (range(len(TEXTS)), [3, 6, 1, 5, 4, 2, 0]):
        together = model.predict_proba([TEXTS[i] for i in order])
        assert np.abs(together - want[list(order)]).max() <= CLOSE
    assert np.abs(alone - want).max() <= CLOSE
    net = model.net
    assert isinstance(net, HuggingFaceClassifier)
    assert (net.reader is None) == (name.removesuffix("-conv") in PADDED)
    assert net.takes_rows == (name not in NO_ROWS)
    if not net.takes_rows:
        with pytest.raises(Incompatible, match="shows no gradients"):
            EXPLAINERS["ig"]().explain(model, LINE, [0] * 3)
        return
    check_gradients(model, library, want)


def check_gradients(model: TextClassifier, library: Library, want: np.ndarray) -> None:
    """Scores by rows are the library's, and rows that are moved a little move them as the gradient says."""
    encoded = model.embed(LINE)
    rows = encoded.embeddings.detach().requires_grad_()
    proba = model.logits(rows, encoded.mask).softmax(-1)
    assert np.abs(proba.detach().numpy() - want[:3]).max() <= CLOSE
    # Of logarithms: a probability of 1e-5 bends too soon for a line to follow it.
    slope, = torch.autograd.grad(model.logits(rows, encoded.mask).log_softmax(-1)[:, 0].sum(), rows)
    assert slope[~encoded.mask].abs().sum() == 0 and slope.abs().sum() > 0
    slope = slope.detach()
    # As far as should move the sum by 0.01 to either side, where the rows are not moved by more than 1 %.
    step = slope / slope.norm() * min(0.01 / slope.norm(), 0.01 * rows.detach().norm())

    def is_close(share: float) -> bool:
        with torch.no_grad():
            ahead, back = (model.logits(rows + sign * share * step, encoded.mask).log_softmax(-1)[:, 0].sum()
                           for sign in (1, -1))
        return float(ahead - back) == pytest.approx(2 * share * float((slope * step).sum()), rel=0.1, abs=2e-4 * share)

    # Nyströmformer's inverse bends so soon that only a shorter step is straight.
    assert is_close(1.0) or is_close(0.3) or is_close(0.1)
    vectors = model.representation(rows, encoded.mask)
    assert vectors.shape[0] == 3 and vectors.dim() == 2


@pytest.mark.parametrize("name", ["bert", "roberta", "gpt2", "gpt2-no-pad", "llama", "bart", "xlnet", "t5", "fnet"])
def test_attacks_and_lime_ask_what_the_library_is_asked(folders, name):
    folder = folders(name)
    model, library = load(folder), Library(folder)
    examples = [Example(text, None, str(i)) for i, text in enumerate(LINE)]
    attack = ATTACKS["textfooler"](max_queries=60)
    results = [event.result for event in attack.run([model], examples) if event.result is not None]
    assert len(results) == 3
    for result in results:
        for text, found in ((result.example.text, result.before), (result.perturbed, result.after)):
            assert np.abs(library.proba([text], cut(model))[0] - found).max() <= CLOSE
    words = len(find_words(LINE[0]))
    keep = np.random.default_rng(0).random((12, words)) < 0.6
    rows = model.blanked(LINE[0], keep)
    names = library.tokenizer.model_input_names
    given = {key: value for key, value in library.tokenizer(LINE[0], return_tensors="pt").items() if key in names}
    want = torch.cat([library.ask(**given | {"input_ids": torch.tensor([row])}) for row in rows]).softmax(-1).numpy()
    assert np.abs(model.proba_from_ids(rows) - want).max() <= CLOSE
    # A pad at the end would be passed over by architectures that read the last token.
    pad = model.net.model.config.pad_token_id
    assert model.tokens.blank_id not in (pad, *model.tokens.prefix, *model.tokens.suffix)


@pytest.mark.parametrize(("name", "changes", "length"), [
    ("bert", {}, 66), ("roberta", {}, 64), ("mpnet", {}, 64), ("gpt2", {}, 64), ("bart", {}, 64), ("xlnet", {}, 4096),
    ("bert", {"max_position_embeddings": 300}, 300), ("roberta", {"max_position_embeddings": 302}, 300),
])
def test_a_model_reads_as_far_as_it_can_and_says_so(tmp_path, name, changes, length):
    folder = write_library_model(tmp_path / name, name, **changes)
    model, library = load(folder), Library(folder)
    assert model.length == length
    text = "a good film, " * 150
    assert np.abs(model.predict_proba([text]) - library.proba([text], length)).max() <= CLOSE
    read = model.readable_words(text)
    assert describe_reading(model, text) == ("" if read == 450 else f"reads {read} of 450 words")
    assert (read == 450) == (length == 4096)


def test_the_library_is_quiet_from_the_time_when_a_model_is_opened(folders, recwarn):
    from transformers.utils import logging as library

    others = logging.getLogger("sentence_transformers")
    level = others.level
    library.set_verbosity_warning()
    load(folders("bert"))
    assert library.get_verbosity() == logging.ERROR and others.level == level
    warnings.warn_explicit("old", FutureWarning, "modeling_bert.py", 1, "transformers.models.bert.modeling_bert")
    assert not [w for w in recwarn if "modeling_bert" in w.filename]


def test_the_tokenizer_may_end_before_the_model_does(tmp_path):
    import transformers

    folder = write_library_model(tmp_path / "bert", "bert")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), model_max_length=20)
    tokenizer.save_pretrained(folder)
    assert load(folder).length == 20


@pytest.mark.parametrize(("changes", "line"), [
    ({"num_labels": 1, "id2label": {0: "score"}, "label2id": {"score": 0}}, "regression"),
    ({"problem_type": "regression"}, "regression"),
    ({"problem_type": "multi_label_classification"}, "several labels at once"),
])
def test_models_that_choose_no_class_are_refused_in_words(tmp_path, changes, line):
    with pytest.raises(BadInput, match=line):
        load(write_library_model(tmp_path / "bert", "bert", **changes))


@pytest.mark.parametrize(("name", "changes", "line"), [
    ("reformer", {"attn_layers": ["local", "lsh"], "lsh_attn_chunk_length": 4}, "read before"),
    ("yoso", {"use_expectation": False}, "cannot read|cannot be run|differently each time"),
    ("nystromformer", {"segment_means_seq_len": 16}, "cannot read|cannot be run"),
])
def test_models_without_one_answer_a_text_are_refused(tmp_path, name, changes, line):
    with pytest.raises((BadInput, Incompatible), match=line):
        load(write_library_model(tmp_path / name, name, **changes))


def test_another_tokenizer_is_another_model(tmp_path):
    """The same weights read other ids: what was stored of the one must not answer for the other."""
    one = write_hugging_face(tmp_path / "one", "bert")
    other = shutil.copytree(one, tmp_path / "other")
    text = (other / "tokenizer.json").read_text(encoding="utf-8")
    assert '"lowercase": true' in text
    (other / "tokenizer.json").write_text(text.replace('"lowercase": true', '"lowercase": false'), encoding="utf-8")
    models = [loading.load(str(folder), "cpu") for folder in (one, one, other)]
    for model in models:
        model.id = "own"
    assert [*models[0].text_row("Film")] != [*models[2].text_row("Film")]
    found = [fingerprint_model(model) for model in models]
    assert found[0] == found[1] != found[2]


def test_pieces_past_the_table_are_named(tmp_path):
    import transformers

    folder = write_library_model(tmp_path / "roberta", "roberta")
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
    tokenizer.add_tokens(["@user"])
    tokenizer.save_pretrained(folder)
    model, library = load(folder), Library(folder)
    assert np.abs(model.predict_proba(LINE) - library.proba(LINE, 64)).max() <= CLOSE
    with pytest.raises(BadInput, match="no row for the piece '@user'"):
        model.predict_proba(["@user a good film"])


def test_what_is_typed_reaches_an_own_model_unchanged(folders):
    """Cleaning belongs to the data sets that come along, not to models that somebody brings."""
    folder = folders("roberta")
    model, library = load(folder), Library(folder)
    typed = ["It 's n't  good ,  is it ?", "I loved it <br /> :)", "&copy=2; &amp; \u201cquotes\u201d", "cafe\u0301"]
    assert np.abs(model.predict_proba(typed) - library.proba(typed, 64)).max() <= CLOSE
    for text in typed:
        found = EXPLAINERS["ixg"]().explain(model, [text], [0])[0]
        assert found.text == text and found.spans == find_words(text)


@pytest.mark.parametrize("text", ["It was :( because", "I loved it :)", "\U0001fae0 good",
                                  "\U0001f468\u200d\U0001f469\u200d\U0001f467 bad film", "x &copy=2; good"])
@pytest.mark.parametrize("name", ["bert", "roberta", "albert", "gpt2-no-pad"])
def test_words_beside_unusual_characters_have_their_pieces(folders, name, text):
    """Each word owns the pieces between its first and its last character, and no others."""
    model = load(folders(name))
    coded, spans = model.tokens.encode(text), find_words(text)
    assert coded.read == len(spans)
    assert sorted({owner for owner in coded.owner if owner >= 0}) == list(range(len(spans)))
    offsets = model.tokens._tokenizer.encode(text, add_special_tokens=False).offsets
    inner = coded.owner[len(model.tokens.prefix): len(coded.owner) - len(model.tokens.suffix)]
    for (start, end), owner in zip(offsets, inner, strict=True):
        overlaps = [i for i, span in enumerate(spans) if span.start < end and start < span.end]
        assert owner == (overlaps[0] if overlaps else -1)


@pytest.mark.parametrize("name", ["bert", "distilbert", "gpt2-no-pad", "llama", "bart", "t5", "fnet", "mobilebert",
                                  "xlnet", "longformer"])
def test_an_encoder_reads_a_text_alike_in_any_batch_or_is_refused(tmp_path, name):
    folder = write_library_model(tmp_path / name, name, "Model")
    try:
        given = base_encoders.load_base_encoder(str(folder), 32)
    except RobustError as error:
        assert name in ("bart", "t5", "fnet", "mobilebert", "xlnet", "longformer"), str(error)
        return
    from robust_core.models.batching import pad_rows

    rows = [given.tokens.ids(text) for text in TEXTS]
    with torch.no_grad():
        ids, mask = pad_rows(rows, given.tokens.pad_id, torch.device("cpu"))
        together = given.body(given.body.table(ids), mask)
        for i, row in enumerate(rows):
            alone = given.body.model(input_ids=torch.tensor([row])).last_hidden_state[0]
            assert (together[i, : len(row)] - alone).abs().max() <= CLOSE * 10


@pytest.mark.parametrize("name", ["bert", "roberta", "fnet", "big_bird", "xlm"])
def test_a_masked_language_model_answers_or_is_refused(tmp_path, name):
    ends = {"xlm": "WithLMHeadModel"}
    folder = write_library_model(tmp_path / name, name, ends.get(name, "ForMaskedLM"))
    try:
        model = masked_lm.load(str(folder), "cpu")
        values = model.pseudo_perplexity(LINE)
    except RobustError:
        assert name in ("fnet", "xlm")
        return
    assert np.isfinite(values).all()
