"""What is proved of a text under swaps of words: worked out once, and said in a sentence."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.resources.swap_sets import CLOSE_COSINE, read_swap_set

if TYPE_CHECKING:
    from robust_core.certify.word_swaps import WordCertificate, WordCertifier

# Swap sets, as people read them: what is proved is proved of these swaps and no others.
TITLES = {"careful": "careful swaps", "close": "swaps for close neighbours",
          "wide": "swaps for neighbours or WordNet synonyms"}
ABOUT = {
    "careful": "Careful: a stored set of close synonyms with the same part of speech and inflection; no opposites, "
               "names, numbers or function words. Attacks under the preset Careful choose from it.",
    "close": f"Close: all neighbours among counter-fitted word vectors with a cosine of at least {CLOSE_COSINE:g}.",
    "wide": "Wide: all neighbours among counter-fitted word vectors and all WordNet synonyms, in any sense: whatever "
            "TextFooler and PWWS can put into a text.",
}
# So many texts that the number says no more than that they are many.
_MANY = 10**15


def write_verdict(found: "WordCertificate", swap_set: str) -> str:
    """Say in a sentence what is proved of a text."""
    title = TITLES[swap_set]
    if found.certified:
        # As a float a long text's number would overflow.
        count = f"{found.texts:,}" if found.texts < _MANY else f"{Decimal(found.texts):.1e}"
        return f"Proved: none of the {count} texts that {title} can make flips this." if found.texts > 1 else \
            f"Proved: {title} cannot change this text."
    if found.swaps_proven > 0:
        more = f"{found.swaps_proven} swap{'' if found.swaps_proven == 1 else 's'}"
        return f"Proved for up to {more}: flipping this takes at least {found.swaps_proven + 1} {title}."
    return f"Not proved: one swap may be enough to flip this ({title})."


@st.cache_resource(show_spinner=False, max_entries=500)
def certify_text(model_id: str, fingerprint: str, swap_set: str, text: str,
                 _model: Any) -> "WordCertificate":  # noqa: ANN401
    """Certify a text once: what shows it is drawn again and again.

    Args:
        model_id: Id of an additive model.
        fingerprint: Hash of its files.
        swap_set: careful, close or wide.
        text: The text, cleaned.
    """
    return _make_certifier(model_id, fingerprint, swap_set, _model).certify(text)


@st.cache_resource(show_spinner=False, max_entries=16)
def _make_certifier(model_id: str, fingerprint: str, swap_set: str, _model: Any) -> "WordCertifier":  # noqa: ANN401
    from robust_core.certify.word_swaps import WordCertifier

    return WordCertifier(_model, read_swap_set(swap_set))
