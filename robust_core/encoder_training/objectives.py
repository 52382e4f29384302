"""What a training minimises: SimCSE's contrast, and what RobustSentEmbed adds to it."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from robust_core.encoder_training.losses import contrastive_loss, info_nce_loss, replaced_loss
from robust_core.encoder_training.networks import Discriminator, SentenceBatch, Training
from robust_core.encoder_training.perturbations import MixedAscent, TokenTable, perturb_as_released
from robust_core.encoder_training.replaced_tokens import Special, replace_tokens
from robust_core.errors import Incompatible
from robust_core.models import masked_lm
from robust_core.models.lora import add_low_rank

if TYPE_CHECKING:
    from robust_core.encoder_training.robustsentembed import RobustSentEmbed
    from robust_core.encoder_training.simcse import SimCSE

Terms = dict[str, torch.Tensor]


class Objective:
    """A training under SimCSE.

    Args:
        training: The training.
        method: Its parameters.

    Attributes:
        modules: Further modules trained along, left out of the finished encoder.
    """

    def __init__(self, training: Training, method: "SimCSE") -> None:
        self.training, self.method = training, method
        self.modules: dict[str, nn.Module] = {}

    def terms(self, batch: SentenceBatch) -> Terms:
        """Return the weighted terms of a batch's loss, scalars with their graphs; their sum is minimised.

        The network is in train mode; torch's global random numbers are the training's stream for dropout.
        """
        first, second = self.views(batch)
        return {"contrast": info_nce_loss(first, second, self.method.temperature)}

    def views(self, batch: SentenceBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return two (n, d) views of each sentence, which differ by dropout."""
        network = self.training.network
        rows = network.embedding(batch.ids)
        with self.training.autocast():
            both = network.view(torch.cat([rows, rows]), torch.cat([batch.mask, batch.mask]))
        first, second = both.chunk(2)
        return first, second


class RobustObjective(Objective):
    """A training under RobustSentEmbed.

    Args:
        training: The training.
        method: Its parameters.

    Raises:
        Incompatible: The generator has other pieces than the encoder.
    """

    method: "RobustSentEmbed"

    def __init__(self, training: Training, method: "RobustSentEmbed") -> None:
        super().__init__(training, method)
        (pieces, width), unit = training.network.embedding.weight.shape, training.unit
        self._noise = training.random.noise
        self._table = TokenTable(pieces, width, unit, method.token_step, method.updates, self._noise)
        self._sentence = MixedAscent(
            method.sentence_radius * unit,
            method.sentence_step * unit,
            min(method.sentence_start, method.sentence_radius) * unit,
            method.mix,
            method.updates,
        )
        if method.detection:
            self._prepare_detection()

    def _prepare_detection(self) -> None:
        training = self.training
        self._generator = masked_lm.load("minilm", str(training.device))
        known = training.tokens.vocabulary()
        if self._generator.vocabulary() != known:
            raise Incompatible("The generator's pieces are not the encoder's; set detection=0.")
        special = tuple({*training.tokens.prefix, *training.tokens.suffix, training.tokens.pad_id})
        self._special = Special(special, self._generator.mask_id, len(known))
        discriminator = Discriminator(training.second())
        add_low_rank(discriminator, training.rank, training.lora_targets)
        self.modules["discriminator"] = discriminator.to(training.device)

    def terms(self, batch: SentenceBatch) -> Terms:
        """Return SimCSE's term, with the adversarial view as one more positive, and those of RobustSentEmbed."""
        method, network = self.method, self.training.network
        rows = network.embedding(batch.ids)
        needs_view = method.positive or method.regulariser > 0
        needs_tokens = method.detection > 0 or method.token_contrast > 0
        with self._measuring():
            clean = self._view(rows, batch).detach() if needs_view or needs_tokens else rows
            tokens = self._tokens(rows, clean, batch) if needs_tokens else rows
            sentence = self._perturbed(rows, clean, batch) if needs_view else rows
        first, second = self.views(batch)
        adversarial = self._view(sentence, batch) if needs_view else first
        views = [second, adversarial] if method.positive else [second]
        terms = {"contrast": contrastive_loss(first, views, method.temperature)}
        if method.regulariser:
            # The released code reads the target through the embedding layer twice as well.
            target = self._view(self._doubled(rows), batch) if method.released_attack else second
            terms["regulariser"] = method.regulariser * info_nce_loss(target, adversarial, method.temperature)
        if method.token_contrast:
            moved = self._view(rows + tokens, batch)
            terms["token_contrast"] = method.token_contrast * info_nce_loss(moved, second, method.temperature)
        if method.detection:
            terms["detection"] = method.detection * self._detection(batch, tokens, first)
        return terms

    def _view(self, rows: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        with self.training.autocast():
            return self.training.network.view(rows, batch.mask)

    @contextlib.contextmanager
    def _measuring(self) -> Iterator[None]:
        """Switch dropout and batch norms to eval for the while, so that a perturbation answers to the encoder alone."""
        network = self.training.network
        before = network.training
        network.eval()
        try:
            yield
        finally:
            network.train(before)

    def _tokens(self, rows: torch.Tensor, clean: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        rows = rows.detach()
        return self._table.find(lambda delta: self._climbed(rows + delta, clean, batch), batch.ids, batch.mask)

    def _perturbed(self, rows: torch.Tensor, clean: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        """Return (n, t, d) rows under the sentence-level perturbation."""
        rows, method = rows.detach(), self.method
        if method.released_attack:
            return perturb_as_released(
                lambda x: self._climbed(x, clean, batch), self._doubled(rows).detach(), method.updates, method.mix
            )
        return rows + self._sentence.find(lambda delta: self._climbed(rows + delta, clean, batch), batch.mask,
                                          rows.shape[-1], self._noise)

    def _climbed(self, rows: torch.Tensor, clean: torch.Tensor, batch: SentenceBatch) -> torch.Tensor:
        return info_nce_loss(self._view(rows, batch), clean, self.method.temperature, reduction="sum")

    def _doubled(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the output of the embedding layer, which the released code feeds to that layer once more."""
        return self.training.network.body.embedded(rows)

    def _detection(self, batch: SentenceBatch, delta: torch.Tensor, meaning: torch.Tensor) -> torch.Tensor:
        method, network = self.method, self.training.network
        ids, changed = replace_tokens(batch, method.masked, self._special, self._generator.likeliest, self._noise,
                                      method.everywhere)
        discriminator = self.modules["discriminator"]
        with self.training.autocast():
            scores = discriminator(network.embedding(ids) + delta, batch.mask, meaning)
        counted = torch.ones_like(batch.mask) if method.pads else batch.mask
        return replaced_loss(scores, changed, counted)
