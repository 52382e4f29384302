"""A model of one's own: brought as a zip or a folder, tried, named, in every picker, and gone again."""

import io
import threading
import zipfile
from pathlib import Path

import pytest
from helpers.library_models import write_library_model
from helpers.pages import MODELS, app, click, doubles, page, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core import owners, paths
from robust_core.models import loading
from ui.session import dialogs
from ui.shared import catalogue, loaded

LOAD = loading.load
NAMES = {0: "NEGATIVE", 1: "POSITIVE"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A tiny DistilBERT with two classes."""
    return write_library_model(tmp_path_factory.mktemp("models") / "films", "distilbert", id2label={
        0: "LABEL_0", 1: "LABEL_1"}, label2id={"LABEL_0": 0, "LABEL_1": 1})


@pytest.fixture(autouse=True)
def loads(monkeypatch, doubles):  # noqa: F811 (it stands on the other one)
    """Let models be loaded but for the three doubles."""
    double = loading.load
    monkeypatch.setattr(loading, "load", lambda name, device="auto": (
        double(name, device) if name in MODELS else LOAD(name, "cpu")))


def zip_folder(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.iterdir():
            archive.write(path, f"films/{path.name}")
        archive.writestr("films/README.md", "a film classifier")
    return content.getvalue()


def checked(content: bytes | str, at: AppTest | None = None) -> AppTest:
    """Open the dialog from the Attack page, and check a zip or a folder; two clicks."""
    at = click(at or app(), "Your own model")
    if isinstance(content, bytes):
        at.file_uploader(key="own.model.zip").upload("films.zip", content, "application/zip")
    else:
        at.button_group(key="own.model.from").set_value("Folder")
        settle(at).text_input(key="own.model.folder").set_value(content)
    return wait(click(settle(at), "Check it"))


def wait(at: AppTest) -> AppTest:
    for _ in range(100):
        job = loaded.get_jobs().get(at.session_state["own.model.job"] if "own.model.job" in at.session_state else "")
        if job is None or job.over:
            return settle(at)
        threading.Event().wait(0.1)
    raise AssertionError(page(at))


def use(at: AppTest) -> AppTest:
    return click(at, "Use it")


def test_a_zip_is_tried_named_used_and_removed(folder):
    at = checked(zip_folder(folder))
    shown = page(at)
    assert " parameters · " in shown and "They have no names" in shown and "films.zip" in shown
    assert "Left out" not in shown and [e.label for e in at.expander if "Left out" in e.label]
    assert len(at.dataframe[-1].value) == 5
    at.selectbox(key=next(b.key for b in at.selectbox if b.label == "Names of the classes")).set_value(
        "negative, positive")
    settle(at)
    assert "right:" in page(at) and "have no names" not in page(at)
    at.text_input(key=next(t.key for t in at.text_input if t.label == "Name")).set_value("My films")
    use(settle(at))
    assert dialogs._OPEN not in at.session_state or not at.session_state[dialogs._OPEN]
    model = "own-model/distilbert/my-films"
    assert at.multiselect(key="models").value == [*MODELS, model]
    card = catalogue.read_cards()[model]
    assert card.labels == ("negative", "positive") and not list(paths.staged_models().iterdir())
    assert "distilbert · my-films" in page(at)
    click(at, "Your own model")
    click(at, "Remove")
    assert at.multiselect(key="models").value == [*MODELS] and not card.folder.exists()


def test_a_used_model_is_on_every_page(folder):
    at = checked(str(folder))
    at.selectbox(key=next(b.key for b in at.selectbox if b.label == "Names of the classes")).set_value(
        "negative, positive")
    use(settle(at))
    model = "own-model/distilbert/films"
    click(at, "Attack")
    assert "distilbert · films" in page(at)
    for name in ("2_Saliency", "4_Embeddings"):
        at.switch_page(f"pages/{name}.py")
        settle(at)
        shown = page(at) + "".join(table.value.to_string() for table in at.dataframe)
        assert model in at.multiselect(key="models").value and "films" in shown, (name, shown)
    at.switch_page("pages/3_Word_importance.py")
    settle(at)
    assert "distilbert · films" in at.selectbox(key="words.model").options
    at.switch_page("pages/5_Certified.py")
    assert "No certificate for distilbert · films" in page(settle(at))
    at.switch_page("pages/9_Models.py")
    settle(at)
    at.selectbox(key="models.detail").set_value(model)
    assert "Trained elsewhere" in page(settle(at))
    click(at, "Remove")
    assert model not in catalogue.read_cards() and "Trained elsewhere" not in page(at)


def test_what_cannot_be_used_is_one_line_and_a_way_on(tmp_path):
    at = checked(b"no zip at all")
    assert "films.zip cannot be read as a zip" in page(at) and not any(b.label == "Use it" for b in at.button)
    click(at, "Try another one")
    assert at.file_uploader(key="own.model.zip") and any(b.label == "Check it" for b in at.button)
    at = checked(str(tmp_path / "nowhere"), at)
    assert "There is no folder" in page(at)


def test_a_person_on_a_shared_app_names_no_folder(folder, monkeypatch):
    monkeypatch.setenv("ROBUST_SHARED", "1")
    ann = checked(zip_folder(folder))
    use(ann)
    assert any("films" in m for m in ann.multiselect(key="models").value)
    bob = click(app(), "Your own model")
    assert "Folder" not in bob.button_group(key="own.model.from").options
    assert all("films" not in option for option in bob.multiselect(key="models").options)
    owners.tell_people_apart(str)


def test_models_have_a_limit(folder, monkeypatch):
    monkeypatch.setenv("ROBUST_ALL_MODELS", "0")
    at = click(app(), "Your own model")
    at.file_uploader(key="own.model.zip").upload("films.zip", zip_folder(folder), "application/zip")
    assert "0 models were brought here; 0 are the most" in page(click(settle(at), "Check it"))
