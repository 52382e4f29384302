"""Taking an entry out of what is kept, for good; one line says what is gone."""

import shutil

from robust_core import trainings
from robust_core.errors import BadInput, list_names
from robust_core.files import explain_failures
from robust_core.history.entries import EVALUATION, JUDGED, LINK, TRAINING, TYPED, Entry, find_run, list_own_cards
from robust_core.judging.kept import ENDING
from robust_core.models import cards
from robust_core.paths import own_judgements
from robust_core.store import ResultStore


def describe_loss(entry: Entry) -> str:
    """Say what will be gone when an entry is removed."""
    if entry.kind == EVALUATION:
        return f"{entry.n:,} results and their explanations; only measuring again brings them back"
    if entry.kind == TYPED:
        return "the stored attack; links to it lead nowhere from then on"
    if entry.kind == TRAINING:
        return "the model's weights and its card; only training again brings it back"
    if entry.kind == JUDGED:
        return f"{entry.n:,} judgements; nothing brings them back"
    return "the state that the training could go on from"


def remove_entry(entry: Entry, store: ResultStore, links: ResultStore | None = None) -> str:
    """Remove an entry; return one line that says what is gone.

    Args:
        entry: The entry.
        store: The person's store.
        links: The store of the views behind links; the person's own by default.

    Raises:
        BadInput: It is in use, was removed before, or cannot be removed.
    """
    if entry.kind == EVALUATION:
        find_run(store, entry.id)
        gone = store.drop_run(entry.id)
        return f"Run {entry.id} is gone: {gone:,} results."
    if entry.kind == TYPED:
        _drop_view(entry.id, store, links or store)
        return "The stored attack is gone; links to it lead nowhere now."
    if entry.kind == TRAINING:
        return _remove_model(entry.id)
    if entry.kind == JUDGED:
        source, _, name = entry.id.partition("/")
        path = own_judgements() / source / f"{name}{ENDING}"
        with explain_failures(path.name, "removed"):
            path.unlink()
        return f"{entry.n:,} judgements of {entry.text} are gone."
    spec = next((one.order for one in trainings.list_unfinished() if one.order.id == entry.id), None)
    if spec is None:
        raise BadInput("This training is under way or was removed before.")
    trainings.forget_training(spec)
    return f"The unfinished training {entry.id} is gone."


def _drop_view(token: str, store: ResultStore, links: ResultStore) -> None:
    links.drop_view(token)
    if links is not store:
        for own in store.views():
            if store.get(own).get(LINK) == token:
                store.drop_view(own)


def _remove_model(model_id: str) -> str:
    card = next((card for card in list_own_cards() if card.id == model_id), None)
    if card is None or card.folder.is_symlink():
        raise BadInput("This model is not among those that were trained here.")
    users = [other.id for other in cards.cards() if model_id in other.config.get("parts", {})]
    if users:
        raise BadInput(f"{model_id} is a part of {list_names(users)}: remove that first.")
    with explain_failures(card.folder.name, "removed"):
        # Without its card it is no model any more, whatever else may fail.
        (card.folder / "card.json").unlink()
        shutil.rmtree(card.folder)
    return f"The model {model_id} is gone."
