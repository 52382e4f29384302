"""The network before the first step: built, and started from the encoder or from the base model."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from robust_core.errors import BadInput, UnknownName, quote
from robust_core.files import check_path
from robust_core.models import architectures, cards, fingerprints, loading
from robust_core.models.lora import add_low_rank
from robust_core.models.networks.additive import TURNS, AdditiveNetwork, is_negation
from robust_core.models.networks.base import Network
from robust_core.models.networks.word_masks import GroupedEmbedding
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.models.weight_files import load_weights
from robust_core.resources import word_vectors
from robust_core.resources.retrofitted import retrofitted_vectors
from robust_core.resources.swap_sets import SwapSet, read_swap_set
from robust_core.splits import TrainingTexts
from robust_core.text import Draft, split_word
from robust_core.train.recipe import Recipe
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.train.defence import Defence


class Start(NamedTuple):
    """A network before its training.

    Attributes:
        network: The network; what has `requires_grad` is to be trained.
        tokens: Its tokenizer.
        config: What `architectures.build` and `lora.merge_state` need to make it again, and what it started from.
        parent: SHA-256 of the encoder it adapts or of the packaged word vectors it reads; empty for other word models.
        known_faults: What the base model's card says is wrong with it, where it was started from one.
        swaps: The swap set of the recipe's file, whose words an additive model knows; None where there is none.
    """

    network: Network
    tokens: Subwords | WordVocabulary
    config: dict[str, Any]
    parent: str
    known_faults: tuple[str, ...] = ()
    swaps: SwapSet | None = None


def check_architecture(name: str) -> None:
    """Raise an error unless a name may be an architecture: one of ours, a folder, or an id of a Hugging Face hub.

    Raises:
        UnknownName: It is none of them.
        BadInput: It is too long, or holds a character that no name has.
    """
    folder = check_path(name, "architecture")
    if name in cards.ARCHITECTURES or name and folder.is_dir() or "/" in name or "-" in name:
        return
    raise UnknownName("architecture", name, list(cards.ARCHITECTURES))


def start_network(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, labels: tuple[str, ...],
                  texts: TrainingTexts, seed: int, root: Path | None = None) -> Start:
    """Build the network that a training starts from; draws from torch's global random numbers.

    Word models: the base model learns its table of word vectors, every defence takes the base model's and leaves it as
    it is. Where there is no base model of the same training texts, the table is learnt along. The packaged table of
    retrofitted vectors stays as it is under all of them.

    Raises:
        BadInput: The base model has other low-rank weights than the recipe asks for, or is damaged; or the recipe's
            file of swaps is none.
        MissingResource: An encoder is not here.
    """
    given = read_swap_set(recipe.swap_file) if recipe.swap_file else None
    return _start(defence, dataset, architecture, recipe, labels, texts, seed, root, given)._replace(swaps=given)


def _start(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, labels: tuple[str, ...],
           texts: TrainingTexts, seed: int, root: Path | None, given: SwapSet | None) -> Start:
    sizes: dict[str, Any] = {"length": recipe.length, "dropout": recipe.dropout}
    if (architecture == "additive") != (defence.name == "certified") and defence.name != "base":
        raise BadInput("Certified training is for the additive model, which trains under it or under base only; take "
                       "--architecture additive --defence certified.")
    if architecture == "additive":
        return _start_additive({"length": recipe.length}, labels, texts.splits["train"], given)
    base = None if defence.tunes_words else find_base_card(dataset, architecture, seed, texts, root)
    if architecture in cards.WORD_MODELS:
        sizes["embedding_dropout"] = recipe.embedding_dropout
        return _start_word_model(architecture, sizes, labels, texts.splits["train"], base)
    network, tokens = architectures.build(architecture, sizes, labels)
    # What another machine calls an encoder's folder is no proof of what lies in it.
    parent = fingerprints.hash_base_encoder(architecture, network)
    config: dict[str, Any] = {"network": sizes}
    if recipe.rank:
        add_low_rank(network, recipe.rank, recipe.lora_targets)
        config["lora_scale"] = 2.0
    if base is not None and defence.from_base:
        _continue(network, base, recipe)
        return Start(network, tokens, config | {"start": base.id}, parent, base.known_faults)
    return Start(network, tokens, config, parent)


def find_base_card(dataset: str, architecture: str, seed: int, texts: TrainingTexts, root: Path | None = None
                   ) -> cards.Card | None:
    """Return the card of the base model of the same texts: of the same seed, else of seed 0; None if there is none.

    One that learnt from the same draw before texts of later splits were left out counts too: its card says so.

    Args:
        dataset: Name of the data set.
        architecture: Name of the architecture.
        seed: Seed of the training.
        texts: Its texts.
        root: Folder of checkpoints to look into first.
    """
    known = {card.id: card for card in cards.cards(root)}
    stem = f"{dataset}/{cards.name_folder(architecture)}/base"
    same = (texts.data["train"]["sha256"], texts.drawn)
    for name in ([f"{stem}@{seed}"] if seed else []) + [stem]:
        card = known.get(name)
        if card is not None and card.data.get("train", {}).get("sha256") in same:
            return card
    return None


def _start_word_model(architecture: str, sizes: dict[str, Any], labels: tuple[str, ...], examples: Sequence[Example],
                      base: cards.Card | None) -> Start:
    config: dict[str, Any] = {"network": sizes}
    if architecture in cards.RETROFITTED:
        network, tokens = architectures.build(architecture, sizes, labels, retrofitted_vectors().words)
        return Start(network, tokens, config, fingerprints.hash_packaged(architecture))
    if base is None:
        vocabulary = learn_vocabulary(examples)
        network, tokens = architectures.build(architecture, sizes, labels, vocabulary)
        _set_word_vectors(network, vocabulary)
        return Start(network, tokens, config, "")
    given = loading.load(str(base.folder), "cpu")
    assert isinstance(given.tokens, WordVocabulary), "a word model's tokenizer is its vocabulary"
    network, tokens = architectures.build(architecture, sizes, labels, given.tokens.words)
    network.embedding.weight = nn.Parameter(given.net.embedding.weight.detach().clone(), requires_grad=False)
    return Start(network, tokens, config | {"start": base.id}, "", base.known_faults)


def _start_additive(sizes: dict[str, Any], labels: tuple[str, ...], examples: Sequence[Example],
                    given: SwapSet | None) -> Start:
    """Begin at zero for every word that training texts hold or that a swap may put into them."""
    # What negations and "but" do is known of opinions, not of topics.
    config = {"length": sizes["length"], "states": "sentiment" if len(labels) == 2 else "topic"}
    counts = Counter(word.lower() for e in examples for word in Draft.of(e.text).words)
    sets = [read_swap_set("wide")] + ([given] if given else [])
    known = sorted({other for word in counts for other in (word, *(o for some in sets for o in some.find(word)))})
    network, tokens = architectures.build("additive", config, labels, tuple(known))
    assert isinstance(network, AdditiveNetwork), "what architectures.build makes of this name"
    vectors = torch.from_numpy(word_vectors(known))
    network.learn_table(torch.cat([torch.zeros(2, vectors.shape[1]), vectors / vectors.std()]),
                        torch.tensor([[False, False]] * 2 + [[is_negation(w), w in TURNS] for w in known]))
    return Start(network, tokens, {"network": config}, "")


def _continue(network: Network, base: cards.Card, recipe: Recipe) -> None:
    """Give a network the trained weights of the base model."""
    if any(base.recipe.get(name) != getattr(recipe, name) for name in ("rank", "lora_targets")):
        raise BadInput(f"{base.id} has low-rank weights of rank {base.recipe.get('rank')} on "
                       f"{base.recipe.get('lora_targets')}; set rank and lora_targets to the same.")
    cards.check_files(base)
    own = network.state_dict()
    with torch.no_grad():
        for name, value in load_weights(base.folder / "model.safetensors").items():
            ours = own.get(f"{name}.default.weight" if ".lora_" in name else name)
            if ours is None or ours.shape != value.shape:
                raise BadInput(f"{base.id} is no start for this: its weights {quote(name)} belong to another network.")
            ours.copy_(value)


def learn_vocabulary(examples: Sequence[Example], at_least: int = 1) -> tuple[str, ...]:
    """Return the word pieces of the training texts, most frequent first, ties in alphabetical order."""
    counts = Counter(piece for e in examples for word in Draft.of(e.text).words for piece in split_word(word))
    return tuple(sorted((w for w, n in counts.items() if n >= at_least), key=lambda w: (-counts[w], w)))


def _set_word_vectors(network: Network, vocabulary: tuple[str, ...]) -> None:
    table = network.embedding.weight
    vectors = torch.from_numpy(word_vectors(vocabulary, table.shape[1]))
    # Coordinates of about 0.5: chosen on dev among 0.1, 0.25, 0.5 and 0.7, since the step size of Adam is absolute.
    vectors *= 0.5 / vectors.std()
    with torch.no_grad():
        table[2:] = vectors
        table[1] = torch.empty(table.shape[1]).uniform_(-0.05, 0.05)


def describe_network(begun: Start) -> dict[str, Any]:
    """Return the card's config of a network, what a defence added included."""
    added: dict[str, Any] = {}
    if begun.network.masks is not None:
        added["masks"] = dataclasses.asdict(begun.network.masks.config)
    if isinstance(begun.network.embedding, GroupedEmbedding):
        added["groups"] = len(begun.network.embedding.scale)
    if begun.network.reconstruction is not None:
        added["reconstruction"] = True
    return begun.config | {"network": begun.config["network"] | added}
