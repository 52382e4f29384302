"""How much each training of the experiments may cost, so that the compared models get alike."""

from typing import Any

from robust_core.models.cards import find_family

# The compute of a training: what a round attacks, the epochs before and after it, the texts of AG News.
ATTACKED = {"cnn": 3_460, "lstm": 3_460, "minilm": 2_000}
EPOCHS = {"cnn": {"clean_epochs": 6, "round_epochs": 6}, "lstm": {"clean_epochs": 6, "round_epochs": 6},
          "minilm": {"clean_epochs": 3, "round_epochs": 2}}
ROWS = {"ag_news": 8_000}
# Epochs of a defence on embeddings, and the one from which CARL contrasts.
ON_EMBEDDINGS = {"epochs": 5, "after": 3.0}
# MiniLM on AG News, whose texts are twice as long: fewer epochs, for its base model too, and low-rank weights that the
# folder of checkpoints has room for. The paper's perturbations for AG News (steps of 0.01 from none) hardly change it;
# LARGE are its for SST-2.
SHORT, NARROW = {"epochs": 2, "after": 1.0}, {"rank": 4, "learning_rate": 1e-3}
LARGE = {"start": 0.6, "step": 0.1, "passes": 2}
Entry = dict[str, Any]


def plan_training(dataset: str, architecture: str, defence: str = "base", **values: object) -> Entry:
    """Return a training as a plan names it, with the compute that all trainings of its kind get.

    Args:
        dataset: Name of the data set.
        architecture: cnn, lstm, either on retrofitted vectors, or minilm.
        defence: Name of the defence.
        values: attack, preset and name as in a plan; anything else is a parameter.
    """
    entry: Entry = {"dataset": dataset, "architecture": architecture, "defence": defence}
    entry |= {key: values.pop(key) for key in ("attack", "preset", "name") if key in values}
    settings: dict[str, Any] = {"rows": ROWS[dataset]} if dataset in ROWS else {}
    family = find_family(architecture)
    narrow = (dataset, architecture) == ("ag_news", "minilm")
    settings |= NARROW if narrow else {}
    epochs = SHORT if narrow else ON_EMBEDDINGS
    if defence in ("adversarial", "flat") and "preset" not in entry:
        settings |= {"rounds": 2, "attacked": ATTACKED[family]} | EPOCHS[family]
    elif defence in ("freelb", "carl", "rar"):
        settings |= epochs if defence == "carl" else {"epochs": epochs["epochs"]}
        settings |= LARGE if narrow else {}
    elif defence == "base" and narrow:
        settings |= {"epochs": epochs["epochs"]}
    settings |= values
    return entry | ({"set": settings} if settings else {})
