"""Python functions and skops files as victims."""

import io
import json
import zipfile

import numpy as np
import pytest

from robust_core.errors import BadInput, MissingResource
from robust_core.runs import fingerprint_model
from robust_core.victims.opening import open_victim
from robust_core.victims.spending import Spending

MODULE = """
import numpy as np
LABELS = ("negative", "positive")
ASKED = []

def judge(texts):
    ASKED.append(list(texts))
    good = np.array([text.count("good") - text.count("bad") for text in texts], float)
    return np.stack([1 / (1 + np.exp(good)), 1 / (1 + np.exp(-good))], 1)

def nobody(texts): return [[0.5, 0.5]]
def words(texts): return ["positive" for _ in texts]
def scores(texts): return [[3.0, -1.0] for _ in texts]
def broken(texts): raise KeyError("no such word. At all")
number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Name of a module with functions in the present folder."""
    monkeypatch.chdir(tmp_path)
    name = f"judges_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return name


def test_a_function_answers_and_is_asked_once(module):
    victim = open_victim(f"{module}:judge")
    found = victim.predict_proba(["good", "bad", "good"])
    np.testing.assert_allclose(found[:, 1], [0.7310586, 0.2689414, 0.7310586], rtol=1e-5)
    assert victim.labels == ("negative", "positive") and found.dtype == np.float32
    open_victim(f"{module}:judge").predict_proba(["bad", "fine"])
    assert __import__(module).ASKED == [["good", "bad"], ["fine"]]
    assert open_victim(f"{module}:judge#no,yes").labels == ("no", "yes")


def test_another_file_or_version_is_another_victim(module, tmp_path):
    first = open_victim(f"{module}:judge").fingerprint
    assert open_victim(f"{module}:judge#no,yes").fingerprint != first
    __import__(module).judge.version = "2"
    second = open_victim(f"{module}:judge").fingerprint
    (tmp_path / f"{module}.py").write_text(MODULE + "\n")
    assert len({first, second, open_victim(f"{module}:judge").fingerprint}) == 3


@pytest.mark.parametrize(("name", "words"), [
    ("nobody", "answered 1 of 2"), ("words", "gives something else"), ("scores", "softmax"),
    ("broken", "KeyError: 'no such word"), ("number", "no function"), ("missing", "no function"),
    ("judge#one,two,three", "2 x 3 numbers")])
def test_functions_that_are_none_are_one_line(module, name, words):
    with pytest.raises(BadInput, match=words):
        open_victim(f"{module}:{name}").predict_proba(["a", "b"])


@pytest.mark.parametrize(("content", "words"), [
    ("import nothing_there", "ModuleNotFoundError"), ("x = (", "SyntaxError"), ("1 / 0", "ZeroDivisionError"),
    ("def judge(texts): return []", "Name the classes")])
def test_modules_that_cannot_be_used_are_one_line(tmp_path, monkeypatch, content, words):
    monkeypatch.chdir(tmp_path)
    name = f"bad_{abs(hash(content))}"
    (tmp_path / f"{name}.py").write_text(content)
    with pytest.raises(BadInput, match=words):
        open_victim(f"{name}:judge")


def test_a_module_that_is_not_there():
    with pytest.raises(BadInput, match="cannot be imported"):
        open_victim("no_such_module_here:judge")


def test_ceilings_count_calls_of_a_function(module):
    victim = open_victim(f"{module}:judge", Spending(max_calls=1))
    victim.predict_proba(["good"])
    with pytest.raises(BadInput, match="ceiling of 1 calls"):
        victim.predict_proba(["bad"])
    assert __import__(module).ASKED == [["good"]]


@pytest.fixture(scope="module")
def pipeline():
    """A small classifier of texts."""
    pytest.importorskip("skops")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["good film", "clever good cast", "bad film", "dull bad cast"] * 3
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["pos", "pos", "neg", "neg"] * 3)


def test_a_pipeline_in_a_skops_file(pipeline, tmp_path, own_runs):
    from skops.io import dump

    dump(pipeline, tmp_path / "films.skops")
    victim = open_victim(str(tmp_path / "films.skops"))
    texts = ["a good film", "a bad film", ""]
    np.testing.assert_allclose(victim.predict_proba(texts), pipeline.predict_proba(texts), atol=1e-7)
    assert victim.labels == ("neg", "pos") and not own_runs.exists()
    other = open_victim(f"skops:{tmp_path / 'films.skops'}#negative,positive")
    assert other.labels == ("negative", "positive") and fingerprint_model(other) != fingerprint_model(victim)
    with pytest.raises(BadInput, match="2 classes, not 3"):
        open_victim(f"{tmp_path / 'films.skops'}#a,b,c")


def test_what_may_run_code_is_not_opened(tmp_path):
    skops = pytest.importorskip("skops.io")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    skops.dump(make_pipeline(FunctionTransformer(_do_harm)), tmp_path / "films.skops")
    with pytest.raises(BadInput, match="is not opened: it holds .*_do_harm, which may run code"):
        open_victim(str(tmp_path / "films.skops"))


def _do_harm(texts):
    raise AssertionError("this must not run")


def test_files_that_are_no_classifiers_are_one_line(tmp_path, pipeline, monkeypatch):
    from skops.io import dump, dumps

    path = tmp_path / "films.skops"
    for content, words in ((b"", "no skops file"), (b"\x80\x04K\x01.", "no skops file"),
                           (dumps({"a": 1}), "gives no probabilities"),
                           (dumps(pipeline.steps[0][1]), "gives no probabilities")):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=words):
            open_victim(str(path))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("schema.json", json.dumps({"__class__": "x"}))
    path.write_bytes(packed.getvalue())
    with pytest.raises(BadInput, match="cannot be opened"):
        open_victim(str(path))
    dump(pipeline, path)
    monkeypatch.setenv("ROBUST_MODEL_MB", "0")
    with pytest.raises(BadInput, match="too long"):
        open_victim(str(path))
    with pytest.raises(BadInput, match="not there"):
        open_victim(str(tmp_path / "none.skops"))


def test_without_skops_it_says_what_to_install(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "films.skops", "w") as file:
        file.writestr("schema.json", "{}")
    monkeypatch.setitem(__import__("sys").modules, "skops", None)
    with pytest.raises(MissingResource, match="pip install skops scikit-learn"):
        open_victim(str(tmp_path / "films.skops"))
