"""What is known to be wrong with how a stored model was made: lines that stand in its card, whatever its kind."""

from robust_core.errors import BadInput
from robust_core.files import join_inside
from robust_core.models.card_files import CARD, check_faults, read_json_card
from robust_core.models.encoder_cards import FOLDER
from robust_core.paths import checkpoint_folders


def list_known_faults(model_id: str) -> tuple[str, ...]:
    """Return the known faults of a stored model, a line each; none where there are none, or no such model.

    A table with figures of the model says them below.

    Args:
        model_id: Id of a classifier (`trec/cnn/base`), name of a sentence encoder (`simcse`), id of a classifier on an
            encoder's vectors (`encoders/simcse/sst2`), or of base classifiers of certificates (`smoothed/sst2`).

    Raises:
        BadInput: The card is damaged.
    """
    parts = model_id.split("/")
    names = [model_id]
    if len(parts) == 1:
        names = [f"{FOLDER}/{model_id}"]
    elif parts[0] == FOLDER:
        names = ["/".join(parts[:2])]
    for root in checkpoint_folders():
        for name in names:
            try:
                folder = join_inside(root, name, "model's name")
            except BadInput:
                return ()
            if (folder / CARD).is_file():
                return read_json_card(folder, lambda values: check_faults(values.get("known_faults", ())),
                                      f"The card of {model_id} is damaged; restore card.json.")
    return ()
