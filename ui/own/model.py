"""The dialog for models: where one comes from, the check in the background, the card of what was found."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import streamlit as st

from robust_core import datasets, environment, owners
from robust_core.datasets import same_labels
from robust_core.errors import RobustError
from robust_core.evaluation.preflight import ROWS, Preflight, run_preflight
from robust_core.files import short_name
from robust_core.jobs.manager import QUEUED, Job
from robust_core.models import model_zips, own_models, staging
from robust_core.models.staging import Staged
from robust_core.types import Example
from ui.own import model_card
from ui.session import dialogs, selection
from ui.shared import catalogue, loaded, people
from ui.widgets import refresh
from ui.widgets.markdown import escape_markdown, note, warn

ZIP, FOLDER, HUB = "Zip file", "Folder", "Hugging Face id"
_JOB, _ERROR = "own.model.job", "own.model.error"
Stage = Callable[[threading.Event], Staged]


class Tried(NamedTuple):
    """A model that was tried.

    Attributes:
        staged: Its files.
        found: What was found out.
        dataset: The data set whose rows it was asked; empty where none was.
    """

    staged: Staged
    found: Preflight
    dataset: str


def draw_dialog() -> None:
    """Draw what is to be done next: name a model, wait for its check, or decide on it."""
    _draw_kept()
    if message := st.session_state.pop(_ERROR, ""):
        warn(message)
    job = _find_job()
    if job is None:
        _draw_sources()
    elif not job.over:
        refresh.make_fragment(_draw_progress, True, job.id)
    elif isinstance(tried := _read_last(job), Tried):
        model_card.draw_card(tried.staged, tried.found, tried.dataset, model_card.Actions(_use, _discard, _measure))
    else:
        warn(job.error or "Stopped; nothing was kept.")
        st.button("Try another one", on_click=_forget_job, key="own.model.again", icon=":material/undo:")


def _find_job() -> Job | None:
    job_id = st.session_state.get(_JOB, "")
    loaded.get_jobs().touch(job_id)
    return loaded.get_jobs().get(job_id)


def _read_last(job: Job) -> object:
    return job.values[-1] if job.values and not job.error else None


def _forget_job() -> None:
    st.session_state.pop(_JOB, None)


def _draw_kept() -> None:
    """List this person's models, each with a button that removes it."""
    for card in own_models.list_kept_models():
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{escape_markdown(card.title)}** · {escape_markdown(card.config.get('source', ''))}")
            st.button("Remove", key=f"own.model.remove.{card.id}", on_click=remove, args=(card.id,),
                      icon=":material/delete:", help="Takes its files away. Results that were stored stay.")


def remove(model_id: str) -> None:
    """Take a model out of every picker, with its files; for a button's `on_click`."""
    try:
        own_models.remove_model(model_id)
    except RobustError as error:
        selection.notify(str(error))
    catalogue.look_again()
    st.session_state["models"] = [m for m in st.session_state.get("models", ()) if m != model_id]


def _draw_sources() -> None:
    kinds = [ZIP, FOLDER, HUB] if owners.may_name_folders() else [ZIP, HUB]
    st.session_state.setdefault("own.model.from", ZIP)
    kind = st.segmented_control("Where it is", kinds, key="own.model.from", required=True, persist_state="session")
    stage: Stage | None = None
    if kind == ZIP:
        file = st.file_uploader("Zip of a model folder", ["zip"], key="own.model.zip",
                                max_upload_size=_find_most_megabytes(),
                                help="The folder that save_pretrained writes: config.json, model.safetensors, "
                                     "tokenizer.json and what belongs to them. All else in it is left out; pickled "
                                     "weights and code are never opened.")
        if file is not None:
            stage = lambda stop: model_zips.stage_zip(file.name, file, stop)  # noqa: E731
    elif kind == FOLDER:
        folder = st.text_input("Folder on the machine that runs this app", key="own.model.folder",
                               persist_state="session", placeholder="models/my-classifier",
                               help="The folder that save_pretrained wrote. Its files are copied.").strip()
        if folder:
            stage = lambda stop: staging.stage_folder(folder, stop)  # noqa: E731
    else:
        hub = st.text_input("Hugging Face id", key="own.model.hub", persist_state="session",
                            placeholder="textattack/bert-base-uncased-SST-2",
                            help="Fetched from the hub where it can be reached from here; code that comes with a model "
                                 "is never run.").strip()
        if hub:
            stage = lambda stop: staging.stage_hub(hub, stop)  # noqa: E731
    st.button("Check it", type="primary", disabled=stage is None, key="own.model.check", icon=":material/fact_check:",
              on_click=_check, args=(stage,))
    note("It stays on the machine that runs this app, and is yours alone. Next you see what it answers, and decide.")


def _find_most_megabytes() -> int:
    """Return how large an upload may be: as a model may, and as Streamlit takes it."""
    return max(1, min(environment.read_limit("model_mb"), int(st.get_option("server.maxUploadSize"))))


def _check(stage: Stage) -> None:
    device = selection.read_selection().device

    def work(stop: threading.Event) -> Iterator[Any]:
        yield "Reading the files …"
        staged = stage(stop)
        try:
            yield from _try(staged, "", device, stop)
        except BaseException:
            staging.discard(staged)
            raise

    _submit(work)


def _measure(staged: Staged, dataset: str) -> None:
    """Try a staged model once more, on rows of another data set."""
    device = selection.read_selection().device
    _submit(lambda stop: _try(staged, dataset, device, stop))


def _submit(work: Callable[[threading.Event], Iterator[Any]]) -> None:
    try:
        people.check_models()
        st.session_state[_JOB] = loaded.submit_job("own-model", work, "Check of a model")
    except RobustError as error:
        st.session_state[_ERROR] = str(error)


def _try(staged: Staged, dataset: str, device: str, stop: threading.Event) -> Iterator[Any]:
    """Open a staged model and ask it; at last yield `Tried`."""
    try:
        yield "Opening the model …"
        model = loaded.get_models().ask(str(staged.folder), "", device).result()
        if stop.is_set():
            return
        yield "Asking it …"
        dataset = dataset or choose_dataset(model.labels)
        yield Tried(staged, run_preflight(model, _draw_rows(dataset)), dataset)
    except RobustError as error:
        # The folder has a name that nobody gave it.
        raise type(error)(str(error).replace(short_name(staged.folder), staged.source)) from None


def _draw_rows(dataset: str) -> Sequence[Example]:
    """Return some rows of a data set; none where it cannot be read, which is no reason to give the model up."""
    try:
        return datasets.choose(datasets.load(dataset, "test"), ROWS, 0) if dataset else ()
    except RobustError:
        return ()


def choose_dataset(labels: Sequence[str]) -> str:
    """Return a data set that is here: with a model's labels, else with as many; empty where there is none."""
    known = model_card.list_datasets(len(labels))
    return next((name for name in known if same_labels(labels, datasets.describe(name).labels)),
                known[0] if known else "")


def _draw_progress() -> bool:
    job = _find_job()
    if job is None or job.over:
        return False
    said = [value for value in job.values if isinstance(value, str)]
    note("Waiting for its turn" if job.status == QUEUED else said[-1] if said else "Reading the files …")
    st.button("Stop", key="own.model.stop", icon=":material/stop:", on_click=loaded.stop_job, args=(job.id,))
    return True


def _use(staged: Staged, name: str, labels: Sequence[str]) -> None:
    """Keep a model: it is in every picker from now on, and picked."""
    try:
        people.check_models()
        model = loaded.get_models().ask(str(staged.folder), "", selection.read_selection().device).result()
        card = own_models.keep_model(staged, model, name, labels)
    except RobustError as error:
        st.session_state[_ERROR] = str(error)
        return
    _forget_job()
    catalogue.look_again()
    selection.choose_models(card.id)
    dialogs.close_dialog()


def _discard(staged: Staged) -> None:
    staging.discard(staged)
    _forget_job()
