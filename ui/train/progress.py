"""The trainings of this program: begun, stopped, gone on with, and drawn while they run."""

import contextlib
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from robust_core import datasets, trainings
from robust_core.cleaning import check_typed
from robust_core.defences import DEFENCES
from robust_core.errors import RobustError
from robust_core.jobs import process
from robust_core.jobs.manager import DONE, FAILED, QUEUED, STOPPED, Job
from ui.session import next_step, selection, true_label
from ui.shared import catalogue, loaded
from ui.train.form import TrainingForm
from ui.widgets import charts, refresh
from ui.widgets.markdown import escape_markdown, format_code

# Seconds between two looks at a running training; most dots of single steps in a figure.
_LOOK, _DOTS = 1.0, 300


class Progress(NamedTuple):
    """What the events of a training come to.

    Attributes:
        epochs: Its "epoch" events.
        steps: Some of its "step" events.
        latest: The newest event, empty before the first.
        model: Id of the stored model, empty until it is stored.
        overlap: What was left out of its texts because later splits hold it too, empty where nothing was.
    """

    epochs: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    latest: dict[str, Any]
    model: str
    overlap: str = ""


def sort_events(values: Sequence[dict[str, Any]]) -> Progress:
    """Sort the events of a training; an epoch that is told twice counts once."""
    epochs = {e["epoch"]: e for e in values if e["kind"] == "epoch"}
    steps = [e for e in values if e["kind"] == "step"]
    stored = next((e["row"]["model"] for e in reversed(values) if e["kind"] == "stored"), "")
    overlap = next((e["message"] for e in values if e["kind"] == "overlap"), "")
    return Progress([epochs[i] for i in sorted(epochs)], steps[::-(-len(steps) // _DOTS) or 1],
                    dict(values[-1]) if values else {}, stored, overlap)


def start_training(form: TrainingForm, resume: bool = False) -> None:
    """Begin a training, or go on with it; a plain message says why where it cannot begin."""
    spec = form.spec
    if any(job.label == spec.id and not job.over for job in loaded.list_trainings()):
        return
    words = ["train", *spec.words, "--name", spec.name, "--device", form.device, "--events"]
    words += ["--data-dir", form.data_dir] if form.data_dir else []
    words += ["--resume"] if resume else []
    try:
        job_id = loaded.submit_training(lambda stop: process.run_command(words, stop), spec.id)
    except RobustError as error:
        selection.notify(str(error))
        return
    st.session_state["train.job"] = job_id


def resume_training(found: trainings.Unfinished) -> None:
    """Go on with a training that was stopped or killed."""
    start_training(TrainingForm(found.order, found.device, found.data_dir), resume=True)


def stop_training() -> None:
    """Ask the training that is shown to end, if it is this person's; its state is kept."""
    wanted = st.session_state.get("train.job", "")
    if any(job.id == wanted for job in loaded.list_trainings()):
        loaded.get_trainings().stop(wanted)


def discard_training(spec: trainings.TrainingSpec) -> None:
    """Remove the state of a training of this person's; a plain message says why where it cannot be removed."""
    try:
        trainings.forget_training(spec)
    except RobustError as error:
        selection.notify(str(error))


def pick_training() -> Job | None:
    """Draw a picker of trainings where there are several; return the one to show, the newest unless one is picked."""
    jobs = {job.id: job for job in reversed(loaded.list_trainings())}
    if not jobs:
        return None
    if st.session_state.get("train.job") not in jobs:
        st.session_state["train.job"] = next(iter(jobs))
    if len(jobs) > 1:
        st.selectbox("Trainings", list(jobs), key="train.job", format_func=lambda i: f"{jobs[i].label}: "
                                                                                     f"{_STATUS[jobs[i].status]}")
    return jobs[st.session_state["train.job"]]


_STATUS = {QUEUED: "waiting", "running": "training", DONE: "finished", STOPPED: "stopped", FAILED: "failed"}


def show_training(job: Job) -> None:
    """Draw a training: how far it is, its curves, and what can be done; it draws itself again while it runs."""
    if job.over:
        _draw_training(job)
        return

    def draw() -> bool:
        now = loaded.get_trainings().get(job.id)
        if now is None or now.over:
            # The whole page is drawn once more: the new model is in the list of models now.
            return False
        _draw_training(now)
        return True

    refresh.make_fragment(draw, True, job.id, every=_LOOK)


def _draw_training(job: Job) -> None:
    now = sort_events(job.values)
    st.subheader(format_code(job.label), anchor=False)
    if job.over:
        _draw_ended(job, now)
    else:
        st.progress(_measure_share(now), escape_markdown(_describe_progress(job, now)))
        st.button("Stop", key="train.stop", on_click=stop_training, icon=":material/stop:", disabled=job.stop.is_set(),
                  help="Its state is kept: it can go on later, exactly where it was.")
    if now.overlap:
        st.caption(escape_markdown(f"{now.overlap[:1].upper()}{now.overlap[1:]}."))
    if now.epochs or now.steps:
        _draw_curves(job, now)


def _draw_ended(job: Job, now: Progress) -> None:
    if job.status == DONE and now.model:
        card = catalogue.read_cards().get(now.model)
        kept = f"{100 * card.dev_accuracy:.1f} % of dev, epoch {card.epochs}" if card else "stored"
        line = f"Finished in {_format_time(job.seconds(0.0))}: {kept}. The model is in the list of models now."
        st.success(escape_markdown(line),
                   icon=":material/check:")
        next_step.suggest("Attack", "Try it on the Attack page", key="train.try", prepare=_take_along,
                          args=(now.model,), about="With this model chosen and a text of its data")
    elif job.status == STOPPED:
        st.info("Stopped. " + ("What it had learnt is kept; it can go on below." if now.epochs or now.steps else
                               "It had not begun to learn yet."), icon=":material/stop:")
    else:
        st.error(escape_markdown(job.error))


def _take_along(model_id: str) -> None:
    """Choose a model that was just trained, and the first text of its dev split with its true label."""
    selection.choose_models(model_id)
    card = catalogue.read_cards().get(model_id)
    with contextlib.suppress(RobustError):
        if card is not None:
            first, labels = datasets.load(card.dataset, "dev")[0], datasets.describe(card.dataset).labels
            text = check_typed(first.text)
            st.session_state["text"] = text
            if first.label is not None:
                true_label.write_label(text, catalogue.show_label(labels[first.label]))


def _measure_share(now: Progress) -> float:
    latest = now.latest
    if "epochs" in latest:
        done = latest["epoch"] if latest["kind"] == "epoch" else latest["epoch"] - 1 + latest["step"] / latest["steps"]
        return min(1.0, done / latest["epochs"])
    return now.epochs[-1]["epoch"] / now.epochs[-1]["epochs"] if now.epochs else 0.0


def _describe_progress(job: Job, now: Progress) -> str:
    """Say in one line what a running training is doing, and how long it will take."""
    latest = now.latest
    if job.status == QUEUED:
        return f"Waiting for its turn: number {loaded.get_trainings().queue_position(job.id)} in the queue"
    if job.stop.is_set():
        return "Stopping: what it has learnt is being kept …"
    if not latest:
        return "Starting: libraries and data are being loaded …"
    if latest["kind"] == "attack":
        return (f"Round {latest['round']} of {latest['rounds']}: {latest['done']} of {latest['total']} texts attacked, "
                f"{latest['succeeded']} flipped · about {_format_time(latest['eta'])} to go in this round")
    if latest["kind"] == "teacher":
        return f"The teacher has labelled {latest['done']:,} of {latest['total']:,} texts"
    if latest["kind"] not in ("epoch", "step"):
        return "Training …"
    return f"Epoch {latest['epoch']} of {latest['epochs']} · about {_format_time(latest['eta'])} to go"


def _format_time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _draw_curves(job: Job, now: Progress) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("**Loss terms**", help="Each part of what is minimised. Lines: means over an epoch; dots: single "
                                           "steps. Curves differ in dash and marker as well as in colour.")
        st.plotly_chart(charts.make_losses(now.epochs, now.steps), config=charts.CONFIG, key=f"train.losses.{job.id}")
    with right:
        st.markdown("**Accuracy on dev**", help="Share of the held-out dev split that is classified correctly after "
                                                "each epoch. The ring marks the epoch whose weights are kept.")
        if now.epochs:
            chance = 1 / len(datasets.describe(job.label.split("/")[0]).labels)
            st.plotly_chart(charts.make_dev_accuracy(now.epochs, chance), config=charts.CONFIG,
                            key=f"train.dev.{job.id}")
        else:
            st.caption("It is measured after each epoch.")


def _describe_saved(saved: float | None) -> str:
    """Say how long ago a state was saved; a clock that was set back in between makes it no time ago."""
    if saved is None:
        return "broken off before anything was saved"
    return f"saved {_format_time(max(time.time() - saved, 0.0))} ago"


def draw_unfinished() -> None:
    """Draw the trainings that were stopped or killed, each with what can be done with it."""
    busy = {job.label for job in loaded.list_trainings() if not job.over}
    found = [one for one in trainings.list_unfinished() if one.order.id not in busy]
    if not found:
        return
    st.subheader("Unfinished trainings", anchor=False)
    for one in found:
        with st.container(horizontal=True, vertical_alignment="center"):
            about = f"{DEFENCES[one.order.defence.name].title} · {_describe_saved(one.saved)}"
            st.markdown(f"{format_code(one.order.id)} · {escape_markdown(about)}")
            st.button("Resume", key=f"train.resume.{one.order.id}", on_click=resume_training, args=(one,),
                      icon=":material/play_arrow:")
            st.button("Discard", key=f"train.discard.{one.order.id}", on_click=discard_training,
                      args=(one.order,), icon=":material/delete:")
