"""The Train page's form, filled as a model was trained."""

import dataclasses

import streamlit as st

from robust_core import datasets, trainings
from robust_core.defences import DEFENCES
from robust_core.errors import BadInput
from robust_core.models.cards import ARCHITECTURES, Card
from robust_core.train.recipe import make_recipe
from ui.train import form, own_files
from ui.widgets import forms


def restore_form(card: Card) -> None:
    """Fill the form with what a card says of its training; files of one's own are to be chosen again.

    Raises:
        BadInput: It was not trained but made of others, or its data set is not here.
        MissingResource: Its data set is not here.
    """
    if card.is_made_of_others:
        raise BadInput(f"{card.id} was not trained: `combine` made it of other models.")
    state = st.session_state
    if card.dataset == "reviews":
        state["train.data"] = form.SAMPLE
    elif card.dataset in datasets.DATASETS:
        state["train.data"], state["train.known"] = form.KNOWN, card.dataset
    elif card.dataset in datasets.list_own():
        state["train.data"], state["train.own"] = form.OWN, card.dataset
    else:
        raise BadInput(f"The data set {card.dataset} is not here any more.")
    if card.architecture in ARCHITECTURES:
        state["train.architecture"] = card.architecture
    else:
        state["train.architecture"], state["train.encoder"] = form.ELSE, card.architecture
    forms.preset_form(DEFENCES, "train.defence", dict(card.defence))
    state["train.preset"], state["seed"] = form.PLAIN, card.seed
    # What is suggested counts as filled in: else it would take the place of what was chosen.
    suggested = trainings.suggest_parameters(DEFENCES[card.defence_name], card.dataset, "", None)
    state["train.filled.defence"] = [card.defence_name, form.PLAIN, suggested]
    usual = dataclasses.asdict(make_recipe(card.architecture, card.dataset, trainings.measure_size(card.dataset, None)))
    state["train.filled.recipe"] = usual
    for name, value in usual.items():
        if name not in own_files.FIELDS:
            state[f"train.recipe.{name}"] = card.recipe.get(name, value)
