"""The code in README.md and docs/adding.md runs as printed."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.doubles import BagOfWords
from helpers.encoders import training as sentence_training
from helpers.models import tiny_data
from safetensors.torch import load_file
from streamlit.testing.v1 import AppTest

from robust_core import ATTACKS, DEFENCES, EXPLAINERS, Example, datasets, trainings
from robust_core.attacks.base import Attack
from robust_core.defences.freelb import FreeLB
from robust_core.encoder_training import METHODS
from robust_core.encoder_training.base import Schedule, make_method
from robust_core.encoder_training.loop import EncoderLoop
from robust_core.encoder_training.specs import parse_spec
from robust_core.experiments import readme
from robust_core.explainers.base import Explainer
from robust_core.paths import ROOT
from robust_core.registry import to_record
from robust_core.train.defence import Defence
from robust_core.train.recipe import make_recipe
from ui.frame import list_pages


def code(name: str) -> str:
    """Return the Python of a page."""
    return "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL))


def recipes() -> dict[str, str]:
    """The code under each heading of docs/adding.md."""
    parts = re.split(r"^## ", (ROOT / "docs" / "adding.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = {part.splitlines()[0]: re.findall(r"```python\n(.*?)```", part, re.DOTALL) for part in parts}
    assert all(len(blocks) == 1 for blocks in found.values()), "each recipe is one file"
    return {heading: blocks[0] for heading, blocks in found.items()}


RECIPES = recipes()


@pytest.fixture
def follow(tmp_path, monkeypatch):
    """Copy a recipe into a file outside the package and import it from there; what it registers is taken back."""
    for registry in (ATTACKS, DEFENCES, EXPLAINERS, METHODS):
        len(registry)
        monkeypatch.setattr(registry, "_members", dict(registry._members))
    monkeypatch.setattr(datasets, "DATASETS", dict(datasets.DATASETS))

    def load(heading: str):
        path = tmp_path / f"{re.sub(r'[^a-z]', '_', heading.lower())}.py"
        path.write_text(RECIPES[heading], encoding="utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        # Classes made by `dataclass` look their module up.
        monkeypatch.setitem(sys.modules, path.stem, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_an_attack_made_by_the_page_works(follow):
    class CaseSensitive(BagOfWords):
        def unit_ids(self, unit):
            return (1,) if unit.isupper() else super().unit_ids(unit)

    follow("An attack")
    shout = ATTACKS["shout"]
    assert to_record(shout(shortest=4)) == {"name": "shout", "max_queries": 0, "time_limit": 0.0, "shortest": 4}
    victim = CaseSensitive({"good": 2.0, "dull": -1.0})
    result, = (e.result for e in shout().run([victim], [Example("A good but dull film.", None, "d/0")]) if e.result)
    assert (result.status, result.perturbed) == ("succeeded", "A GOOD but dull film.")


def test_a_defence_made_by_the_page_minimises_its_loss(follow, tmp_path, monkeypatch):
    cls = follow("A defence").LabelSmoothing
    values = {"dataset": "sst2", "architecture": "cnn", "set": {"epochs": 2, "batch_size": 8, "length": 12}}
    data, asked, written = str(tiny_data(tmp_path)), [], cls.loss
    monkeypatch.setattr(cls, "loss", lambda self, *given: asked.append(self.doubt) or written(self, *given))
    trained, cards = {}, {}
    # The base model comes last: a word model takes its vectors from one that is there.
    for name, more in (("label-smoothing", {"doubt": 0.0}), ("label-smoothing", {"doubt": 0.3}), ("base", {})):
        spec = trainings.parse_spec(values | {"defence": name, "set": values["set"] | more}, data)
        *_, last = trainings.run_training(spec, tmp_path / "checkpoints", device="cpu", data_dir=data)
        key = name + str(more.get("doubt", ""))
        trained[key], cards[key] = load_file(last["card"].folder / "model.safetensors"), last["card"]
    assert asked == [0.0] * 10 + [0.3] * 10, "forty rows in batches of eight, twice, for each of two trainings"
    assert cards["label-smoothing0.3"].defence == {"name": "label-smoothing", "doubt": 0.3}
    assert all(torch.equal(trained["base"][k], v) for k, v in trained["label-smoothing0.0"].items())
    assert any(not torch.equal(trained["base"][k], v) for k, v in trained["label-smoothing0.3"].items())


def test_an_explainer_made_by_the_page_explains(follow):
    follow("An explainer")
    victim = BagOfWords({"good": 2.0, "dull": -1.0})
    text = "A good but dull film."
    (found,), (empty,) = (EXPLAINERS["word-alone"]().explain(victim, [t], [1]) for t in (text, ""))
    proba = victim.predict_proba(["", "good", "dull"])[:, 1]
    assert found.scores == pytest.approx([0, proba[1] - proba[0], 0, proba[2] - proba[0], 0])
    assert [text[start:end] for start, end in found.spans] == ["A", "good", "but", "dull", "film"]
    assert found.method == {"name": "word-alone"} and not empty.scores


def test_a_sentence_method_made_by_the_page_minimises_its_terms(follow):
    follow("A sentence encoder")
    spec = parse_spec("uniform", settings={"weight": 0.5, "checks": 2})
    assert spec.words == ["--method", "uniform", "--set", "weight=0.5", "--set", "checks=2"]
    schedule, rows = Schedule(batch_size=4, rank=4, checks=1, learning_rate=0.01), [(1, 5 + i, 9, 2) for i in range(8)]
    losses = {}
    for method in (make_method("simcse"), spec.method):
        setup = sentence_training()
        trained = EncoderLoop(setup, method.objective(setup), schedule, rows, lambda encoder: 0.5)
        losses[method.name] = [e["terms"] for e in trained.run() if e["kind"] == "step"], trained.weights
    assert set(losses["uniform"][0][0]) == {"contrast", "uniformity"} and losses["uniform"][0][0]["uniformity"] < 0
    one, two = losses["simcse"][1], losses["uniform"][1]
    assert one.keys() == two.keys() and any(not torch.equal(one[name], two[name]) for name in one)


def test_a_data_set_made_by_the_page_loads(follow, tmp_path):
    follow("A data set")
    (tmp_path / "moods").mkdir()
    (tmp_path / "moods" / "dev.tsv").write_text("text\tlabel\nWhat a day!\tcheerful\nRain again .\t0\n")
    found = datasets.load("moods", "dev", tmp_path)
    assert [(e.text, e.label, e.uid) for e in found] == [("What a day!", 1, "moods/dev/0"),
                                                         ("Rain again.", 0, "moods/dev/1")]
    assert make_recipe("cnn", "moods").length == 20


def test_a_page_made_by_the_page_runs(tmp_path):
    path = tmp_path / "10_Lengths.py"
    path.write_text(RECIPES["A page"], encoding="utf-8")
    page, = list_pages(tmp_path)
    assert (page.title, page.subtitle) == ("Lengths", "How many words the text has.")
    assert page.icon == ":material/straighten:"
    at = AppTest.from_file(str(path), default_timeout=30)
    at.session_state["text"] = "a very good film"
    at.run()
    assert not at.exception and at.metric[0].value == "4"


def test_a_classifier_of_one_s_own_can_be_attacked(follow):
    victim = follow("Your own classifier").Keywords()
    follow("An attack")
    result, = (e.result for e in ATTACKS["shout"]().run([victim], [Example("It is good", 1, "k/0")]) if e.result)
    assert (result.status, result.perturbed, result.after) == ("succeeded", "It is GOOD", (0.5, 0.5))


def test_every_recipe_is_used_here():
    text = Path(__file__).read_text(encoding="utf-8")
    assert all(f'"{heading}"' in text for heading in RECIPES)


def test_what_nobody_would_call_is_refused():
    with pytest.raises(TypeError, match="Wrong.losses would never be called: a defence may define loss, objective"):
        type("Wrong", (Defence,), {"losses": lambda self, network, batch: None})
    with pytest.raises(TypeError, match="Wrong.step would never be called"):
        type("Wrong", (FreeLB,), {"step": staticmethod(lambda batch: None)})
    with pytest.raises(TypeError, match="Wrong has a loss and an objective"):
        type("Wrong", (FreeLB,), {"loss": lambda self, network, batch: None})
    with pytest.raises(TypeError, match="a sentence method may define objective"):
        type("Wrong", (METHODS["simcse"],), {"terms": lambda self, batch: None})
    type("Right", (Defence,), {"loss": lambda self, network, batch: None, "_own": lambda self: None,
                               "variant": property(lambda self: "x"), "made": classmethod(lambda cls: cls())})
    for registry, base, hook in ((ATTACKS, Attack, "search"), (EXPLAINERS, Explainer, "attribute")):
        with pytest.raises(TypeError, match=f"Wrong is no {registry.kind} yet: it does not define {hook}"):
            registry.register("wrong", title="Wrong", source="https://example.org")(type("Wrong", (base,), {}))
        assert "wrong" not in registry


def test_the_readme_runs(capsys):
    exec(compile(code("README.md"), "README.md", "exec"), {"__name__": "readme"})
    status, text = capsys.readouterr().out.strip().split(" ", 1)
    assert status in ("succeeded", "failed") and text


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in (
    "results", "speed", "adding", "data", "freeze", "index", "tour"))])
def test_a_page_shows_commands_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    main = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "robust_core" / "cli").glob("*.py"))
    for command in set(re.findall(r"python -m robust_core (\w+)", text)):
        assert f"def {command}(" in main
    for module in set(re.findall(r"python -m ((?:bench|robust_core)\.[\w.]+)", text)):
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").exists(), module
    for path in re.findall(r"^\| (`[^|]+`) \|", text, re.MULTILINE):
        for name in re.findall(r"`([\w./]+\.\w+|[\w./]+/)`", path):
            assert (ROOT / name).exists() or (ROOT / "robust_core" / name).exists(), name


def test_a_table_that_differs_is_named_and_mended(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- table:methods -->\nold\n<!-- /table -->\nafter\n", encoding="utf-8")
    assert readme.find_stale([page]) == [page] == readme.write_pages([page])
    text = page.read_text(encoding="utf-8")
    assert "| attack | `textfooler` |" in text and text.startswith("Before\n") and text.endswith("-->\nafter\n")
    assert readme.find_stale([page]) == [] == readme.write_pages([page])


def test_the_map_of_the_tree_is_the_tree():
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Where things are")[1].split("## Safety")[0]
    first = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    shown = [name.rstrip("/") for cell in first for name in re.findall(r"`([^`]+)`", cell)]
    folders = {str(path.parent.relative_to(ROOT)) for top in ("robust_core", "ui", "pages", "bench")
               for path in (ROOT / top).rglob("*.py")}
    assert folders <= set(shown) and len(shown) == len(set(shown))
    assert all((ROOT / name).exists() for name in shown)
    for line in (line for line in text.splitlines() if line.startswith("| `")):
        folder, files = line.split("|")[1:3]
        for name in re.findall(r"`(\w+\.py)`", files):
            assert (ROOT / folder.strip(" `/") / name).exists(), name


def test_the_walks_through_the_tree_name_what_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:robust_core|ui|pages|attacks|tests)/[\w/]+\.py)", text))
    assert len(paths) > 20
    for path in paths:
        assert any((root / path).exists() for root in (ROOT, ROOT / "robust_core")), path
    named = re.findall(r"`([\w/]+\.py): (\w+)`", text)
    assert len(named) > 20
    for path, name in named:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {name}\b", code, re.MULTILINE), (path, name)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}.md" for name in (
    "results", "speed", "adding", "architecture", "data", "freeze"))])
def test_a_page_names_tests_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in re.findall(r"tests/[\w/]+(?:\.py)?", text):
        assert (ROOT / path).exists(), path


def test_files_of_the_public_source_are_converted_as_the_page_says(tmp_path):
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    program, = re.findall(r"<<'END'\n(.*?)\nEND\n", text, re.DOTALL)
    source = tmp_path / "stsa.binary.test"
    source.write_bytes("1 a rancid crème brûlée .\n".encode() + "0 it 's maelström .\n".encode("latin-1"))
    done = subprocess.run([sys.executable, "-", str(source), str(tmp_path / "sst2" / "test.tsv")], input=program,
                          text=True, encoding="utf-8", capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = [(e.text, e.label) for e in datasets.load("sst2", "test", tmp_path)]
    assert found == [("a rancid crème brûlée.", 1), ("it's maelström.", 0)]


def test_each_page_that_is_linked_to_is_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for link in re.findall(r"\]\(([^)#:]+)\)", prose):
            assert (page.parent / link).exists(), (page.name, link)


def test_the_index_lists_every_page_of_the_documentation():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)(?:#[^)]*)?\)", index))
    assert linked == {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert "(docs/index.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_help_tells_the_first_line_of_each_commands_docstring():
    from robust_core.cli import program

    known = {}
    for path in (ROOT / "robust_core" / "cli").glob("*.py"):
        command = r'^@app\.command\(\)\ndef (\w+)\(.*?^    """(.*?)$'
        for name, doc in re.findall(command, path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            known[name.replace("_", "-")] = program.Command(path.stem, doc.removesuffix('"""'))
    assert known == program.COMMANDS
