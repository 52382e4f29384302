"""TextAttack's process, which writes into the file named by WATCHED_DOORS what each search uses, a name a line."""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])

from helpers.watch import DoorWatch  # noqa: E402 (its folder is found first)
from robust_core.attacks.textattack import parts, worker  # noqa: E402

LOG = Path(os.environ["WATCHED_DOORS"])


def tell(name: str) -> None:
    """Write a name down before anything else happens."""
    with LOG.open("a") as file:
        file.write(name + "\n")


class Watched(worker._Server):
    """Watches each search, from its order to its end."""

    def _serve(self, order):
        with DoorWatch(tell):
            super()._serve(order)


parts.prepare()
Watched().run()
