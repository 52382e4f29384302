"""Where things lie: the program's own files, and the folders of whoever works with it."""

from pathlib import Path

from robust_core.environment import HOME, read_folder, read_variable
from robust_core.files import check_path
from robust_core.owners import find_person

_PACKAGE = HOME / "robust_core"
# Installed from a wheel, the app and its files lie inside the package (setup.py).
IS_INSTALLED = (_PACKAGE / "app").is_dir()
ROOT = _PACKAGE / "app" if IS_INSTALLED else HOME
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = ROOT / "results"
LESSONS = ROOT / "lessons"
# A blind reading of adversarial texts, with its key and verdicts.
READING = ROOT / "bench" / "reading"
# The pages whose tables and figures are written from `results/`.
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# Ids of the checkpoints that the wheel leaves out.
OUTSIDE = CHECKPOINTS / "outside.json"
SHIPPED_DATA = _PACKAGE / "resources" / "data"


def runs_folder() -> Path:
    """Return the folder of the store, of own trainings and of own data sets."""
    return read_folder("ROBUST_RUNS", "runs")


def person_folder() -> Path:
    """Return the folder of runs of the person that this thread works for."""
    person = find_person()
    return runs_folder() / "people" / person if person else runs_folder()


def own_checkpoints() -> Path:
    """Return the folder that own trainings go to."""
    return person_folder() / "checkpoints"


def checkpoint_folders() -> list[Path]:
    """Return the folders that hold checkpoints: the shipped one and the one of own trainings."""
    return [read_folder("ROBUST_CHECKPOINTS", CHECKPOINTS), own_checkpoints()]


def lesson_folders() -> list[Path]:
    """Return the folders that hold lessons: the program's own, and one that a teacher names."""
    return [LESSONS, read_folder("ROBUST_LESSONS", LESSONS)] if read_variable("ROBUST_LESSONS") else [LESSONS]


def training_states() -> Path:
    """Return the folder of the states that killed trainings go on from."""
    return person_folder() / "training"


def own_data() -> Path:
    """Return the folder of the data sets that people brought themselves."""
    return person_folder() / "data"


def own_files() -> Path:
    """Return the folder of the files that people brought for trainings beside data sets (`kept_files`)."""
    return person_folder() / "files"


def staged_models() -> Path:
    """Return the folder of models that people are trying before they keep them (`models.staging`)."""
    return person_folder() / "staged"


def own_judgements() -> Path:
    """Return the folder of the judgements on texts that people made."""
    return person_folder() / "judgements"


def count_uploads() -> tuple[int, int]:
    """Return how many data sets and files this person brought along, and how many all people did."""
    return _count_kept("data/*/about.json", "files/*.*")


def count_models() -> tuple[int, int]:
    """Return how many models this person brought along, and how many all people did."""
    return _count_kept("checkpoints/own-model/*/*/card.json")


def _count_kept(*kinds: str) -> tuple[int, int]:
    def count(folder: Path) -> int:
        return sum(len(list(folder.glob(kind))) for kind in kinds)

    everyone = [runs_folder(), *runs_folder().glob("people/*")]
    return count(person_folder()), sum(map(count, everyone))


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Return the folders to look for data sets in: the one that is named, else that of ROBUST_DATA, else the usual."""
    named = data_dir or read_variable("ROBUST_DATA")
    return [check_path(named, "folder of data sets")] if named else [Path("../shared/data"), Path("data")]


def encoder_folder() -> str:
    """Return the folder that takes the place of the packaged encoder; empty where none does."""
    named = read_variable("ROBUST_ENCODER")
    check_path(named, "folder of ROBUST_ENCODER")
    return named
