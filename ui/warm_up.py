"""Loading in the background what the first click will need."""

import collections
import contextlib
import json
import threading

import streamlit as st

from robust_core.errors import RobustError
from robust_core.jobs import memory
from robust_core.registry import to_record
from robust_core.types import Example
from ui.session.selection import (
    DEFAULT_TEXT,
    find_default_device,
    list_default_models,
    make_default_attacks,
    make_default_explainer,
)
from ui.shared.catalogue import fingerprint_model
from ui.shared.loaded import find_devices, get_explanations, get_jobs, get_models
from ui.widgets import charts


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Load the default models and the attack's tables in the background, once for the process; keep memory small."""
    def work() -> None:
        device, record = find_default_device(), json.dumps(to_record(make_default_explainer()), sort_keys=True)
        loaded = [(m, get_models().ask(m, fingerprint_model(m), device)) for m in list_default_models()]
        for _, future in loaded:
            future.exception()
        find_devices()
        ready = [(m, future.result()) for m, future in loaded if future.exception() is None]
        # A first attack loads the sentence encoder and the tables; whatever is missing, a person's own attack says so.
        with contextlib.suppress(RobustError):
            for attack in make_default_attacks() if ready else ():
                collections.deque(attack.run([ready[0][1]], [Example(DEFAULT_TEXT)]), maxlen=0)
        for model_id, _ in ready:
            get_explanations().ask(model_id, fingerprint_model(model_id), device, DEFAULT_TEXT, 1, record)
        # The first chart loads pandas and Plotly, for more than a second.
        charts.make_curve_figure([], {}).to_json()

    threading.Thread(target=work, name="warm-up", daemon=True).start()
    memory.give_back_when_idle(lambda: get_jobs().is_busy() or get_explanations().is_busy())
