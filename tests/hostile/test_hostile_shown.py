"""Hostile cards and files on the pages: whatever they hold is shown as text."""

import json

import pytest
from helpers.markdown import list_markdown
from helpers.pages import MODELS, app, card, click, doubles, settle  # noqa: F401 (a fixture)
from helpers.uploads import BAD, GOOD

# What cannot be mistaken for the program's own text.
MARK = "http://evil.example/"
LABELS = (f"![a]({MARK}a.png)", f"[b]({MARK}b) :red[x] {MARK}")


@pytest.fixture(autouse=True)
def private_folders(tmp_path, monkeypatch):
    """Matplotlib keeps what it needs in the test's own folder."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))


@pytest.fixture
def hostile_card(tmp_path):
    """A model whose card holds hostile text in every field that is shown."""
    values = card(MODELS[0]) | {"labels": list(LABELS), "device": f"[d]({MARK})", "version": f"![v]({MARK})",
                                "defence": {"name": f"[n]({MARK})", "strength": f"<b>{MARK}"},
                                "recipe": {f"![k]({MARK})": f"[v]({MARK})"}, "architecture": f"[arch]({MARK})",
                                "files": {f"![f]({MARK})": "ab" * 32},
                                "data": {f"[s]({MARK})": {"n": 1, "sha256": MARK}}}
    (tmp_path / "checkpoints" / MODELS[0] / "card.json").write_text(json.dumps(values))


def check(at) -> None:
    """Nothing that is drawn as Markdown holds the address unbroken."""
    texts = list(list_markdown(at))
    assert len(texts) > 10
    for text in texts:
        assert MARK not in text and "evil.example](" not in text, text


@pytest.mark.parametrize("name", ["1_Attack", "2_Saliency", "3_Word_importance", "4_Embeddings", "6_Train", "9_Models",
                                  "10_Leaderboard"])
def test_a_hostile_card_is_text_on_every_page(hostile_card, name):
    at = app(models=MODELS[0])
    if name == "1_Attack":
        at = click(at, "Attack")
    else:
        at.switch_page(f"pages/{name}.py")
        at = settle(at)
    check(at)


@pytest.mark.parametrize("name, header", [
    (f"[f]({MARK}).csv", "id,review,stars"), ("films.csv", f"![i]({MARK}),[c]({MARK}),[l]({MARK})"),
    (f"![x]({MARK}) :red[y].csv", f"a,$b$,{MARK}"), ("films.csv", f"text,{MARK}")])
def test_an_upload_with_hostile_names_is_text(name, header):
    rows = [f"{i},{t},{'good' if t in GOOD else LABELS[1]}" for i, t in enumerate(t.replace(",", "").replace('"', "")
                                                                           for t in [*GOOD[:20], *BAD[:20]])]
    at = app()
    at.switch_page("pages/6_Train.py")
    at = settle(at)
    at.get_by_key("train.data").set_value("Your own file")
    at = settle(at)
    at.file_uploader(key="train.file").upload(name, "\n".join([header, *rows]).encode(), "text/csv")
    at.run()
    assert not at.exception
    check(at)


def test_the_list_of_fields_is_the_one_that_streamlit_draws(hostile_card):
    """The check above sees what it must: a caption that is not made plain is found."""
    at = app(models=MODELS[0])
    at.caption[0].proto.body = f"[x]({MARK})"
    with pytest.raises(AssertionError):
        check(at)


