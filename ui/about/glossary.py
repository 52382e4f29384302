"""Terms of the field, a sentence each, in the order of the alphabet."""

import streamlit as st

# Term and what it means: text of the program's own, drawn as Markdown.
TERMS = (
    ("Accuracy under attack",
     "the share of all texts that a model still gets right when an attack may change them; a text that it got "
     "wrong anyway counts as wrong."),
    ("Adversarial example",
     "a changed text that a model answers differently although, to a reader, it says the same."),
    ("Attack success rate", "of the texts that the model got right, the share that the attack flipped."),
    ("Base model", "a model trained in the ordinary way, without a defence; what defences are compared with."),
    ("Certificate", "a proof that no change of a stated kind flips the answer to one input."),
    ("Certified accuracy", "the share of texts that a model gets right and for which this is proved as well."),
    ("Clean accuracy", "the share of unchanged texts that a model gets right."),
    ("Counter-fitted vectors",
     "word vectors in which synonyms were pulled together and opposites pushed apart; attacks look for close "
     "words there."),
    ("Defence", "a way to train a model so that attacks flip it less often."),
    ("Embedding", "the list of numbers by which a model or an encoder stands for a word or a text."),
    ("Explanation (saliency)", "a number for each word that says how much it speaks for an answer, in one model."),
    ("Faithful",
     "said of an explanation: when the words that it calls important are taken away, the answer really "
     "changes."),
    ("Fluency", "how natural a text reads; measured as perplexity by a language model, where lower is more natural."),
    ("Guard", "a reader in front of a model that cleans a text, or flags it as adversarial, before the model sees it."),
    ("Integrated gradients",
     "a method of explanation: it adds up how the answer changes on the way from an empty text to the text."),
    ("Kendall's τ", "how far two orders agree: 1 for the same order, 0 for no relation, -1 for the reverse."),
    ("Masked language model",
     "a model that guesses a hidden word from the words around it; some attacks take their words from one."),
    ("Perturbation", "any small change of an input: swapped words, or moved numbers."),
    ("Query", "one text shown to the attacked model; attacks that need many are slow and easy to notice."),
    ("Radius", "how far an input may move before a certificate ends."),
    ("Seed", "a number that fixes everything random, so that the same work gives the same result again."),
    ("Sentence encoder",
     "a network that turns a sentence into numbers such that sentences of like meaning lie close."),
    ("Standard error (±)", "how far a figure would typically be off if other texts of the same kind had been drawn."),
    ("Swap set",
     "a table of which words may stand in for which; attacks draw from it, and certificates are about it."),
    ("Transfer", "whether a text that was made to flip one model flips another one too."),
    ("Valid attack success",
     "the share of attacked texts that were flipped and, as people judged, still mean the same."),
)


def draw_glossary() -> None:
    """Draw all terms behind one title."""
    with st.expander(f"Glossary: {len(TERMS)} terms"):
        st.markdown("\n".join(f"* **{term}**: {meaning}" for term, meaning in TERMS))
