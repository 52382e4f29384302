"""Tiny random classifiers of pairs of texts, in folders as Hugging Face has them."""

from pathlib import Path

from helpers.library_models import BERT, ROBERTA
from helpers.models import byte_bpe, word_piece

NLI = {0: "entailment", 1: "neutral", 2: "contradiction"}


def write_pair_model(folder: Path, family: str = "Bert", **changes: object) -> Path:
    """Write a random classifier that reads 64 pieces, and a tokenizer that lays out pairs as BERT or RoBERTa do."""
    import torch
    import transformers
    from tokenizers import processors

    if family == "Bert":
        tokenizer, special = word_piece()
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        sizes, names = BERT, ["input_ids", "token_type_ids", "attention_mask"]
    else:
        tokenizer, special = byte_bpe()
        sizes, names = ROBERTA, ["input_ids", "attention_mask"]
    labels = {"id2label": NLI, "label2id": {name: i for i, name in NLI.items()}, "initializer_range": 0.6,
              "vocab_size": tokenizer.get_vocab_size()}
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**(sizes | labels | {"max_position_embeddings": 66} | changes))
    getattr(transformers, f"{family}ForSequenceClassification")(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **special
                                         ).save_pretrained(folder)
    return folder
