"""A tiny random sequence classifier of each architecture of the `transformers` library, in a folder of its own."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from helpers.models import byte_bpe, unigram, word_piece

HEAD = {"id2label": {0: "BAD", 1: "GOOD", 2: "SO SO"}, "label2id": {"BAD": 0, "GOOD": 1, "SO SO": 2},
        "initializer_range": 0.6}
BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 66}
LLAMA = BERT | {"num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64}
ROBERTA = BERT | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64,
        "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
        "forced_eos_token_id": None, "init_std": 0.6}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0,
      "pad_token_id": 0, "eos_token_id": 3, "initializer_factor": 1.5}
MOE = LLAMA | {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}


def bytes_without_special() -> tuple[Any, dict[str, str]]:
    """The tokenizer of GPT-2: bytes, nothing around a text, no pad."""
    from tokenizers import processors

    tokenizer, _ = byte_bpe()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer, {"unk_token": "</s>", "eos_token": "</s>", "bos_token": "</s>"}


def bytes_with_start() -> tuple[Any, dict[str, str]]:
    """The tokenizer of Llama: a sign before the text, none behind it; the pad is the end."""
    from tokenizers import processors

    tokenizer, _ = byte_bpe()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer, {"unk_token": "<unk>", "eos_token": "</s>", "bos_token": "<s>", "pad_token": "</s>"}


def pieces_with_end() -> tuple[Any, dict[str, str]]:
    """The tokenizer of T5: a sign behind the text."""
    from tokenizers import processors

    tokenizer, special = unigram()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A [SEP]", special_tokens=[("[SEP]", 3)])
    return tokenizer, special | {"eos_token": "[SEP]"}


def pieces_backwards() -> tuple[Any, dict[str, str]]:
    """The tokenizer of XLNet: both signs behind the text, the last one in a segment of its own."""
    from tokenizers import processors

    tokenizer, special = unigram()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A:0 [SEP]:0 [CLS]:2", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return tokenizer, special


# Architecture: tokenizer, the library's name, sizes.
ARCHITECTURES: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "albert": (unigram, "Albert", BERT | {"embedding_size": 8}),
    "arcee": (bytes_with_start, "Arcee", LLAMA),
    "bart": (byte_bpe, "Bart", BART),
    "bart-scaled": (byte_bpe, "Bart", BART | {"scale_embedding": True}),
    "bert": (word_piece, "Bert", BERT),
    "big_bird": (unigram, "BigBird", BERT | {"block_size": 4, "num_random_blocks": 1,
                                           "max_position_embeddings": 64}),
    "bigbird_pegasus": (byte_bpe, "BigBirdPegasus", BART | {"block_size": 4, "num_random_blocks": 1}),
    "biogpt": (bytes_with_start, "BioGpt", BERT | {"pad_token_id": 1}),
    "bloom": (bytes_with_start, "Bloom", {"hidden_size": 16, "n_layer": 2, "n_head": 2, "pad_token_id": 1}),
    "camembert": (byte_bpe, "Camembert", ROBERTA),
    "convbert": (word_piece, "ConvBert", BERT | {"embedding_size": 16, "head_ratio": 1, "conv_kernel_size": 3}),
    "ctrl": (bytes_without_special, "CTRL", {"n_embd": 16, "n_layer": 2, "n_head": 2, "dff": 32, "n_positions": 64}),
    "data2vec-text": (byte_bpe, "Data2VecText", ROBERTA),
    "deberta": (byte_bpe, "Deberta", BERT | {"pad_token_id": 1, "relative_attention": True, "type_vocab_size": 0,
                                             "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}),
    "deberta-v2": (unigram, "DebertaV2", BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                                                 "type_vocab_size": 0, "position_biased_input": False}),
    "deberta-v2-conv": (unigram, "DebertaV2", BERT | {"conv_kernel_size": 3, "conv_act": "gelu"}),
    "distilbert": (word_piece, "DistilBert", {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32,
                                              "max_position_embeddings": 66}),
    "electra": (word_piece, "Electra", BERT | {"embedding_size": 8}),
    "ernie": (word_piece, "Ernie", BERT),
    "esm": (byte_bpe, "Esm", ROBERTA | {"position_embedding_type": "absolute", "mask_token_id": 4}),
    "falcon": (bytes_with_start, "Falcon", BERT | {"pad_token_id": 1}),
    "flaubert": (byte_bpe, "Flaubert", {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64,
                                        "pad_index": 1, "pad_token_id": 1, "embed_init_std": 0.6, "init_std": 0.6}),
    "fnet": (unigram, "FNet", BERT),
    "funnel": (word_piece, "Funnel", {"block_sizes": [1, 1], "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32}),
    "gemma": (bytes_with_start, "Gemma", LLAMA | {"pad_token_id": 2}),
    "gemma2": (bytes_with_start, "Gemma2", LLAMA | {"pad_token_id": 2}),
    "gpt2": (bytes_with_start, "GPT2", GPT2 | {"pad_token_id": 2}),
    "gpt2-no-pad": (bytes_without_special, "GPT2", GPT2),
    "gpt_bigcode": (bytes_without_special, "GPTBigCode", GPT2),
    "gpt_neo": (bytes_without_special, "GPTNeo", {"hidden_size": 16, "num_layers": 2, "num_heads": 2,
                                                  "attention_types": [[["global", "local"], 1]],
                                                  "max_position_embeddings": 64}),
    "gpt_neox": (bytes_without_special, "GPTNeoX", BERT),
    "gptj": (bytes_without_special, "GPTJ", GPT2 | {"rotary_dim": 4}),
    "ibert": (byte_bpe, "IBert", ROBERTA),
    "layoutlm": (word_piece, "LayoutLM", BERT),
    "led": (byte_bpe, "LED", {k: v for k, v in BART.items() if k != "max_position_embeddings"} | {
        "attention_window": 4, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64}),
    "lilt": (byte_bpe, "Lilt", ROBERTA | {"channel_shrink_ratio": 2, "hidden_size": 24}),
    "llama": (bytes_with_start, "Llama", LLAMA | {"pad_token_id": 2}),
    "llama-no-pad": (bytes_with_start, "Llama", LLAMA),
    "longformer": (byte_bpe, "Longformer", ROBERTA | {"attention_window": 4}),
    "luke": (byte_bpe, "Luke", ROBERTA | {"entity_vocab_size": 10, "entity_emb_size": 8}),
    "markuplm": (byte_bpe, "MarkupLM", ROBERTA | {"type_vocab_size": 2}),
    "mbart": (byte_bpe, "MBart", BART | {"scale_embedding": True}),
    "megatron-bert": (word_piece, "MegatronBert", BERT),
    "mistral": (bytes_with_start, "Mistral", LLAMA | {"pad_token_id": 1, "sliding_window": 8}),
    "mixtral": (bytes_with_start, "Mixtral", MOE),
    "mobilebert": (word_piece, "MobileBert", BERT | {"embedding_size": 8, "true_hidden_size": 16,
                                                     "intra_bottleneck_size": 16, "initializer_range": 0.2}),
    "modernbert": (byte_bpe, "ModernBert", BERT | {"pad_token_id": 1, "cls_token_id": 0, "sep_token_id": 2,
                                                   "local_attention": 8, "reference_compile": False}),
    "mpnet": (byte_bpe, "MPNet", BERT | {"pad_token_id": 1}),
    "mpt": (bytes_without_special, "Mpt", {"d_model": 16, "n_layers": 2, "n_heads": 2, "max_seq_len": 64}),
    "mt5": (pieces_with_end, "MT5", T5),
    "mvp": (byte_bpe, "Mvp", BART),
    "nystromformer": (word_piece, "Nystromformer", BERT | {"num_landmarks": 4, "segment_means_seq_len": 4}),
    "openai-gpt": (bytes_without_special, "OpenAIGPT", GPT2),
    "opt": (bytes_with_start, "OPT", BERT | {"ffn_dim": 32, "word_embed_proj_dim": 16, "pad_token_id": 1,
                                             "init_std": 0.6, "max_position_embeddings": 64}),
    "perceiver": (byte_bpe, "Perceiver", {"num_latents": 4, "d_latents": 16, "d_model": 16,
                                          "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
                                          "num_cross_attention_heads": 2, "max_position_embeddings": 66}),
    "persimmon": (bytes_with_start, "Persimmon", BERT),
    "phi": (bytes_with_start, "Phi", LLAMA),
    "phi3": (bytes_with_start, "Phi3", LLAMA | {"pad_token_id": 1}),
    "plbart": (byte_bpe, "PLBart", BART),
    "qwen2": (bytes_without_special, "Qwen2", LLAMA),
    "qwen2_moe": (bytes_without_special, "Qwen2Moe", MOE | {"shared_expert_intermediate_size": 16}),
    "qwen3": (bytes_without_special, "Qwen3", LLAMA),
    "reformer": (pieces_with_end, "Reformer", {"hidden_size": 16, "num_attention_heads": 2, "attention_head_size": 8,
                                               "attn_layers": ["local", "local"], "feed_forward_size": 32,
                                               "axial_pos_shape": [8, 8], "axial_pos_embds_dim": [4, 12],
                                               "local_attn_chunk_length": 4,
                                               "max_position_embeddings": 64, "is_decoder": False}),
    "rembert": (unigram, "RemBert", BERT | {"input_embedding_size": 8, "output_embedding_size": 16}),
    "roberta": (byte_bpe, "Roberta", ROBERTA),
    "roberta-prelayernorm": (byte_bpe, "RobertaPreLayerNorm", ROBERTA),
    "roc_bert": (word_piece, "RoCBert", BERT | {"enable_pronunciation": False, "enable_shape": False}),
    "roformer": (word_piece, "RoFormer", BERT | {"embedding_size": 16}),
    "squeezebert": (word_piece, "SqueezeBert", BERT | {"embedding_size": 16, "q_groups": 1, "k_groups": 1,
                                                       "v_groups": 1,
                                                       "post_attention_groups": 1, "intermediate_groups": 1,
                                                       "output_groups": 1}),
    "stablelm": (bytes_with_start, "StableLm", LLAMA),
    "starcoder2": (bytes_with_start, "Starcoder2", LLAMA),
    "t5": (pieces_with_end, "T5", T5),
    "umt5": (pieces_with_end, "UMT5", T5),
    "xlm": (byte_bpe, "XLM", {"emb_dim": 16, "n_layers": 2, "n_heads": 2, "max_position_embeddings": 64, "pad_index": 1,
                              "pad_token_id": 1, "embed_init_std": 0.6, "init_std": 0.6}),
    "xlm-roberta": (byte_bpe, "XLMRoberta", ROBERTA),
    "xlm-roberta-xl": (byte_bpe, "XLMRobertaXL", ROBERTA),
    "xlnet": (pieces_backwards, "XLNet", {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 32}),
    "xmod": (byte_bpe, "Xmod", ROBERTA | {"languages": ["en_XX"], "default_language": "en_XX"}),
    "yoso": (byte_bpe, "Yoso", ROBERTA | {"use_expectation": True}),
}


def write_library_model(folder: Path, name: str, auto: str = "ForSequenceClassification", **changes: object) -> Path:
    """Write a random model of an architecture and its tokenizer.

    Args:
        folder: Where to.
        name: One of `ARCHITECTURES`.
        auto: End of the library's class, such as ForSequenceClassification or Model.
        changes: Other sizes or settings of the configuration.
    """
    import transformers

    make, family, sizes = ARCHITECTURES[name]
    tokenizer, special = _make_tokenizer(make)
    config = getattr(transformers, f"{family}Config")(
        **({"vocab_size": tokenizer.get_vocab_size()} | HEAD | sizes | changes))
    torch.manual_seed(5)
    getattr(transformers, f"{family}{auto}")(config).save_pretrained(folder, safe_serialization=True)
    names = ["input_ids"] if name == "fnet" else ["input_ids", "attention_mask"]
    if make in (word_piece, unigram, pieces_backwards) and name not in ("distilbert", "reformer"):
        names.append("token_type_ids")
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=names, **special
                                         ).save_pretrained(folder)
    return folder


class Library:
    """The library on one text at a time, as its own examples call it.

    Args:
        folder: Folder of a classifier.
    """

    def __init__(self, folder: Path) -> None:
        import transformers

        self.tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder))
        self.model = transformers.AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()

    def logits(self, text: str, length: int) -> torch.Tensor:
        """Return the (1, classes) scores of a text cut at a length."""
        return self.ask(**self.tokenizer(text, return_tensors="pt", truncation=True, max_length=length))

    def proba(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Return the (n, classes) probabilities of texts, each cut at a length."""
        return torch.cat([self.logits(text, length) for text in texts]).softmax(-1).numpy()

    @torch.inference_mode()
    def ask(self, **inputs: torch.Tensor) -> torch.Tensor:
        """Return the (1, classes) scores of one text's inputs."""
        if hasattr(self.model.base_model, "set_attention_type"):
            # As freshly loaded: it forgets its sparse attention once it has read a short text.
            self.model.base_model.set_attention_type(self.model.config.attention_type)
        return self.model(**inputs).logits


@functools.cache
def _make_tokenizer(make: Any) -> Any:
    return make()
