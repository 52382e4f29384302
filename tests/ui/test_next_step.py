"""The next step that each page suggests: the page is there, and what it needs is set by one click."""

import ast
from pathlib import Path

import pytest
from helpers.pages import app, attacked, doubles, settle  # noqa: F401 (a fixture)

from robust_core.errors import UnknownName
from robust_core.paths import ROOT
from ui.saliency.page import LAST
from ui.session import next_step


def list_suggestions() -> list[tuple[Path, str, str]]:
    """Return file, page and key of every call of `suggest`."""
    found = []
    for path in [*(ROOT / "pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "next_step.suggest":
                key, = (ast.literal_eval(word.value) for word in node.keywords if word.arg == "key")
                found.append((path, ast.literal_eval(node.args[0]), key))
    return found


def test_every_page_suggests_a_page_that_is_there():
    found = list_suggestions()
    for _, title, _ in found:
        assert (ROOT / next_step.find_page(title)).is_file()
    keys = [key for _, _, key in found]
    # The Attack page suggests one of two, under one key.
    assert len(set(keys)) == len(keys) - 1
    for page in (ROOT / "pages").glob("*.py"):
        name = page.stem.partition("_")[2].lower()
        near = [path for path, _, _ in found if path == page or path.parent.name == name]
        assert near, f"{page.name} suggests nothing"
    with pytest.raises(UnknownName, match="Unknown page 'Nowhere'"):
        next_step.find_page("Nowhere")


def go_on(at, key: str, title: str):
    """Click what the page suggests and return the app on the page where that leads."""
    at.button(key=key).click()
    at = settle(at)
    assert at.title[0].value == title
    return at


def test_an_attack_leads_to_its_reasons_and_on_to_an_attack_again():
    at = app()
    assert at.button(key="attack.next").label == "New here? Take the first lesson"
    at = attacked()
    assert at.button(key="attack.next").label == "See the reasons word by word"
    at = go_on(at, "attack.next", "Saliency")
    assert at.session_state["saliency.source"] == LAST
    at = go_on(at, "saliency.next", "Word importance")
    assert at.selectbox(key="words.model").value in at.session_state["models"]
    at.selectbox(key="words.model").set_value(at.session_state["models"][1])
    at = go_on(settle(at), "words.next", "Attack")
    assert at.session_state["job"], "the attack is still there"


def test_the_models_page_leads_to_its_data_set_on_the_leaderboard():
    at = app()
    at.switch_page("pages/9_Models.py").run()
    at = go_on(at, "models.next", "Leaderboard")
    assert at.selectbox(key="board.dataset").value == "sst2"


def test_the_leaderboard_leads_to_an_attack_on_the_model_that_is_picked():
    at = app()
    at.session_state["models"] = []
    at.session_state["board.presets"] = ["careful"]
    at.session_state["board.attack"] = "textfooler"
    at.switch_page("pages/10_Leaderboard.py").run()
    picked = next(name for name in at.selectbox(key="board.entry").options if "MiniLM · base" in name)
    at.selectbox(key="board.entry").select(picked).run()
    assert at.button(key="board.next").label == "Attack a text on MiniLM · base"
    at = go_on(at, "board.next", "Attack")
    assert at.session_state["models"] == ["sst2/minilm/base"]


@pytest.mark.parametrize("page, key, title", [("12_About", "about.next", "Lessons"),
                                              ("7_Lessons", "lessons.attack", "Attack"),
                                              ("6_Train", "train.next", "Models")])
def test_other_pages_lead_on(page, key, title):
    at = app()
    at.switch_page(f"pages/{page}.py").run()
    go_on(at, key, title)
