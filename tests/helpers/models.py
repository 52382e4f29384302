"""Small models and data sets."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.additive import FLAGS, AdditiveNetwork
from robust_core.models.tokens import WholeWords, WordVocabulary


def word_model(kind: type, seed: int = 0) -> TextClassifier:
    """A random word model."""
    torch.manual_seed(seed)
    tokens = WordVocabulary(tuple(f"w{i}" for i in range(40)), 30)
    return TextClassifier(f"double/{kind.__name__}", LABELS, kind(len(tokens), 2, width=16), tokens, CPU)


def draw_additive(seed: int, words: Sequence[str], classes: int = 2, states: str = "sentiment") -> TextClassifier:
    """Return an additive model with drawn entries and the flags of its words: not and never, but and yet."""
    rng = np.random.default_rng(seed)
    net = AdditiveNetwork(len(words) + 2, classes, states)
    table = rng.normal(size=net.embedding.weight.shape)
    table[:2] = 0
    table[2:, -FLAGS] = [word in ("not", "never") for word in words]
    table[2:, -1] = [word in ("but", "yet") for word in words]
    with torch.no_grad():
        net.embedding.weight.copy_(torch.from_numpy(table))
        net.bias.copy_(torch.from_numpy(rng.normal(size=classes)))
    return TextClassifier("sst2/additive/drawn", tuple(f"c{i}" for i in range(classes)), net,
                          WholeWords(tuple(words), 50), CPU)


def bert_config(**changes) -> dict:
    """A tiny BERT."""
    return {"model_type": "bert", "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 32, "max_position_embeddings": 32, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu",
            "pad_token_id": 0} | changes


def write_hugging_face(folder: Path, family: str) -> Path:
    """Write a random sequence classifier and its tokenizer."""
    import transformers

    make, name, more = FAMILIES[family]
    tokenizer, special = make()
    config = getattr(transformers, f"{name}Config")(vocab_size=tokenizer.get_vocab_size(), **(SIZES | more))
    torch.manual_seed(5)
    model = getattr(transformers, f"{name}ForSequenceClassification")(config)
    model.save_pretrained(folder, safe_serialization=True)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return folder


GOOD, BAD = ("good", "great", "clever", "fine", "lovely"), ("bad", "dull", "weak", "poor", "awful")


def tiny_data(root: Path) -> Path:
    """Forty texts whose one telling word gives the label, as sst2; those of dev and test end in a sign of their own."""
    (root / "sst2").mkdir(parents=True)
    tails = ("", "to me", "indeed", "for us", "there")
    pairs = [(head, tail) for head in ("film", "story", "cast", "end") for tail in tails]
    for split, end in (("train", ""), ("dev", "."), ("test", "!")):
        rows = [f"the {head} was {words[i % 5]} {tail}{end}\t{label}" for label, words in ((1, GOOD), (0, BAD))
                for i, (head, tail) in enumerate(pairs)]
        (root / "sst2" / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(rows) + "\n")
    return root


CPU = torch.device("cpu")
LABELS = ("negative", "positive")
TEXTS = ["A good, clever movie that isn't dull at all!", "bad", "so very bad and dull, dull, dull",
         "the film works well", "unbelievably clever story-telling \U0001f600 by them (really)"]
CORPUS = [*TEXTS, "a good good bad bad film, movie and story; not very clever", "abcdefghijklmnopqrstuvwxyz 0123456789"]


def list_pieces() -> tuple[list[str], list[str]]:
    """The characters of the corpus and its words of up to five letters, sorted.

    Listed, not learned: what the library's trainers of WordPiece and Unigram learn, and in which order, differs from
    process to process, and with it the random model that stands behind the ids.
    """
    text = unicodedata.normalize("NFKD", " ".join(CORPUS)).lower()
    return sorted({*text} - {" "}), sorted({word for word in re.findall(r"[a-z]+", text) if 1 < len(word) <= 5})


def word_piece():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters, words = list_pieces()
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters), *words]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer, {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]",
                       "mask_token": "[MASK]"}


def byte_bpe():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer, {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>",
                       "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}


def unigram():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    letters, words = list_pieces()
    scores = ([(piece, 0.0) for piece in special] + [(letter, -6.0) for letter in ("\u2581", *letters)]
              + [(f"\u2581{word}", -5.0) for word in words])
    tokenizer = Tokenizer(models.Unigram(scores, 1, False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.add_special_tokens(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer, {"pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "[CLS]", "sep_token": "[SEP]",
                       "mask_token": "[MASK]"}


SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
         "max_position_embeddings": 66, "initializer_range": 0.6, "id2label": {0: "NEGATIVE", 1: "POSITIVE"},
         "label2id": {"NEGATIVE": 0, "POSITIVE": 1}}
FAMILIES = {
    "bert": (word_piece, "Bert", {}),
    "distilbert": (word_piece, "DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}),
    "albert": (unigram, "Albert", {"embedding_size": 8}),
    "roberta": (byte_bpe, "Roberta", {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}),
    "deberta": (byte_bpe, "Deberta", {"pad_token_id": 1, "relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                                      "type_vocab_size": 0, "position_biased_input": False}),
    "deberta-v2": (unigram, "DebertaV2", {"relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                                          "type_vocab_size": 0, "position_biased_input": False}),
}
