"""The forward pass of BERT encoders (Devlin et al. 2019), and nothing else of the library it comes from.

The packaged MiniLM is victim, saliency model and sentence encoder at once, and importing `transformers` takes several
times as long as loading it. Parameter names are those of Hugging Face's BertModel, so its files load unchanged;
a test compares both on the same weights.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

from robust_core.errors import BadInput, RobustError, first_sentence
from robust_core.files import read_json, short_name
from robust_core.models.networks import bert_cpu
from robust_core.models.networks.shapes import on_no_device
from robust_core.models.weight_files import find_misfits, load_weights, read_header

T = TypeVar("T")
Gate = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class _Embeddings(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width, padding_idx=config.get("pad_token_id", 0))
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        places = self.position_embeddings.weight[: rows.shape[1]] + self.token_type_embeddings.weight[0]
        return self.dropout(self.LayerNorm(rows + places))


class _SelfAttention(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.dropout = config["attention_probs_dropout_prob"]
        self.query, self.key, self.value = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, hidden: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
        n, t, d = hidden.shape
        q, k, v = (layer(hidden).view(n, t, self.heads, d // self.heads).transpose(1, 2)
                   for layer in (self.query, self.key, self.value))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, dropout_p=self.dropout * self.training)
        return mixed.transpose(1, 2).reshape(n, t, d)


class _Output(nn.Module):
    def __init__(self, inner: int, config: dict) -> None:
        super().__init__()
        self.dense = nn.Linear(inner, config["hidden_size"])
        self.LayerNorm = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.dropout = nn.Dropout(config["hidden_dropout_prob"])

    def forward(self, inner: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        return self.LayerNorm(self.dropout(self.dense(inner)) + residual)


class _Attention(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.self = _SelfAttention(config)
        self.output = _Output(config["hidden_size"], config)

    def forward(self, hidden: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
        return self.output(self.self(hidden, keep), hidden)


class _Intermediate(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.dense = nn.Linear(config["hidden_size"], config["intermediate_size"])

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return F.gelu(self.dense(hidden))


class Layer(nn.Module):
    """Attention and the two products after it."""

    def __init__(self, config: dict) -> None:
        super().__init__()
        self.attention = _Attention(config)
        self.intermediate = _Intermediate(config)
        self.output = _Output(config["intermediate_size"], config)

    def forward(self, hidden: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
        """Return the next (n, t, d) hidden states; `keep` is (n, 1, 1, t) bool, or None without pads."""
        hidden = self.attention(hidden, keep)
        return self.output(self.intermediate(hidden), hidden)


class _Stack(nn.Module):
    def __init__(self, config: dict) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))

    def layers(self) -> list[Layer]:
        """Return the layers in order."""
        return [layer for layer in self.layer if isinstance(layer, Layer)]


def _pick_own(weights: Mapping[str, T]) -> dict[str, T]:
    """Return what belongs to the encoder: not the pooler, a head or the index of positions."""
    named = {name.removeprefix("bert."): weight for name, weight in weights.items()}
    return {name: weight for name, weight in named.items()
            if name != "embeddings.position_ids" and not name.startswith(("pooler.", "cls."))}


class Bert(nn.Module):
    """A BERT encoder that reads word-embedding rows.

    Args:
        config: The dictionary of Hugging Face's config.json.
    """

    def __init__(self, config: dict) -> None:
        super().__init__()
        if config.get("model_type") != "bert" or config.get("hidden_act", "gelu") != "gelu":
            raise ValueError("Bert reads BERT encoders with GELU only")
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = _Stack(config)
        self._products = 6 * config["num_hidden_layers"]
        self._layouts: dict[torch.dtype, tuple[Any, bert_cpu.PackedBert]] = {}

    @classmethod
    def from_folder(cls, folder: Path) -> "Bert":
        """Read config.json and model.safetensors; weights become fp32.

        Raises:
            BadInput: A file is damaged, or they do not fit together.
        """
        path = folder / "model.safetensors"
        try:
            config = read_json(folder / "config.json")
            # Sizes are compared with the file before anything of these sizes is allocated.
            with on_no_device():
                misfit = next(find_misfits(cls(config), _pick_own(read_header(path))), None)
            if misfit:
                raise ValueError(misfit)
            model = cls(config)
        except (RobustError, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError,
                ZeroDivisionError) as error:
            raise BadInput(f"{short_name(folder)} holds no BERT encoder that can be read: {first_sentence(error)}."
                           ) from None
        state = {name: value.float() for name, value in _pick_own(load_weights(path)).items()}
        model.load_state_dict(state, strict=True, assign=True)
        return model.eval()

    @property
    def table(self) -> nn.Embedding:
        """The table of word-embedding rows."""
        return self.embeddings.word_embeddings

    @property
    def width(self) -> int:
        """Coordinates of a hidden state."""
        return int(self.config["hidden_size"])

    @property
    def epsilon(self) -> float:
        """Added to variances where layers are normed."""
        return float(self.config["layer_norm_eps"])

    def embedded(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the output of the embedding layer, (n, t, d), of word-embedding rows."""
        return self.embeddings(rows)

    def forward(self, rows: torch.Tensor, mask: torch.Tensor, gate: Gate | None = None) -> torch.Tensor:
        """Return the last hidden states.

        Args:
            rows: (n, t, d) word-embedding rows.
            mask: (n, t) bool, True at real tokens.
            gate: Changes the output of the embedding layer, such as by word masks: from rows, output and mask to the
                new output and the tokens that may be attended to.

        Returns:
            (n, t, d) hidden states.
        """
        if bert_cpu.is_usable(rows) and (layers := self._packed()):
            with torch.autocast("cpu", enabled=False):
                return layers(*self._begin(rows.float(), mask, gate))
        hidden, keep = self._begin(rows, mask, gate)
        for layer in self.encoder.layer:
            hidden = layer(hidden, keep)
        return hidden

    def _begin(self, rows: torch.Tensor, mask: torch.Tensor, gate: Gate | None
               ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the output of the embedding layer, and (n, 1, 1, t) which tokens may be attended to."""
        hidden = self.embeddings(rows)
        if gate is not None:
            hidden, mask = gate(rows, hidden, mask)
        # Without pads no mask is needed, and the attention kernel is faster.
        return hidden, None if bool(mask.all()) else mask[:, None, None, :]

    def __getstate__(self) -> dict[str, Any]:
        # A copy lays its weights out anew: the layouts can be neither copied nor pickled.
        return self.__dict__ | {"_layouts": {}}

    def _packed(self) -> bert_cpu.PackedBert | None:
        """Return the layers packed as they are now, in bf16 under autocast; None while parts are being learnt."""
        linear = [module for module in self.encoder.modules() if isinstance(module, nn.Linear)]
        if self.training or any(type(module) is not nn.Linear for module in linear) or len(linear) != self._products:
            return None
        dtype = bert_cpu.product_dtype()
        # A weight that was replaced or changed in place has another identity or version.
        state = tuple((id(p), p._version) for module in linear for p in (module.weight, module.bias))
        if self._layouts.get(dtype, (None,))[0] != state:
            self._layouts[dtype] = (state, bert_cpu.PackedBert(self.encoder.layers(), dtype))
        return self._layouts[dtype][1]


def mean_pool(hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Average (n, t, d) hidden states over real tokens -> (n, d)."""
    weight = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)
