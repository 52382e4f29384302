"""What a defence is, what a training under one is, and the base defence: none."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.defences import DEFENCES
from robust_core.train.defence import Defence

if TYPE_CHECKING:

    from robust_core.train.setup import Row

    Rows = Generator[dict[str, Any], None, Sequence[Row]]


@DEFENCES.register("base", title="Base", source="https://arxiv.org/abs/1408.5882")
@dataclasses.dataclass(frozen=True)
class Base(Defence):
    """Plain cross-entropy on the training texts, no defence."""

    tunes_words: ClassVar[bool] = True
