"""The base defence: none."""

import dataclasses
from typing import ClassVar

from robust_core.defences import DEFENCES
from robust_core.train.defence import Defence


@DEFENCES.register("base", title="Base", source="https://arxiv.org/abs/1408.5882")
@dataclasses.dataclass(frozen=True)
class Base(Defence):
    """Plain cross-entropy on the training texts, no defence."""

    tunes_words: ClassVar[bool] = True
