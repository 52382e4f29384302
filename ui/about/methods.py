"""What each defence and each certificate does, a paragraph each, for readers who know none of the papers."""

from typing import NamedTuple

import streamlit as st


class Explanation(NamedTuple):
    """One method in plain words; text of the program's own, drawn as Markdown.

    Attributes:
        title: Its name, as in the pickers.
        text: One paragraph.
    """

    title: str
    text: str


EXPLANATIONS = (
    Explanation("Adversarial training", """
The model meets attacks while it learns. Every few passes over the training texts, an attack tries to flip the
newest model on some of them; the texts that come out go into the next passes with the label of the original. So
the model learns that the swapped words do not change the answer. Every round of attacks takes time, and nothing
is proved: another attack may find what this one did not."""),
    Explanation("FLAT", """
Adversarial training looks at answers alone: a model can give the same answer to both texts for quite different
reasons. FLAT also looks at the reasons. Each word of the vocabulary gets a learnt number between 0 and 1, its
importance, and the model reads every word through it, as through a mask that is more or less open. Training adds
two wishes: masks stay undecided where nothing speaks for a word or against it, and a word and what an attack puts
in its place are about equally important. The paper's Figure 1 shows what it is after: same answer, same reasons."""),
    Explanation("FreeLB", """
A model does not read words but lists of numbers, the word embeddings. FreeLB moves these numbers a little,
several times in a row, each time in the direction that makes the model more wrong, and lets the model learn from
all of these moved texts in a single step. The moved numbers need not belong to any word, so no table of synonyms
is needed and no attack on texts has to run. Being safe from small moves of embeddings is not the same as being
safe from swapped words: the Leaderboard shows how much it helps."""),
    Explanation("CARL", """
CARL is FreeLB with one more wish about what the model makes of a text inside, its representation: that of a text
and that of its moved version should lie close together, and that of texts of other classes far away. A moved text
then has a long way to go before it looks like one of another class. Learning by comparing near with far is called
*contrastive*."""),
    Explanation("RAR", """
RAR is FreeLB with another wish: from the moved numbers of a text the model must still be able to name each of its
words. Whoever can still tell which words were there has not lost the meaning on the way. The part that names the
words is needed in training only."""),
    Explanation("Gradient-chosen swaps", """
Running an attack on every training text takes long. The gradient says, for all words of a text at once, which of
their swaps would make the model more wrong, as far as a straight line goes. Those swaps are made, in every batch
anew, and the model learns from the text and from the swapped one. It costs about twice an ordinary training, and
a swap set says which words may come in. Nothing is proved: swaps that the set does not hold, or that are harmful only
together, were never met."""),
    Explanation("Additive models and their certificate", """
An additive model gives each word points for each class, depending on the word and on whether a "not" or a "but"
stands nearby, and adds the points up. It is simpler than a network, and so its worst case can be worked out: for
each word take the swap that costs most, add these losses, and see whether the lead is gone. If it is not, it is
**proved** that no combination of these swaps flips the answer, whatever the attack, without trying any. The
*certificate* is that sentence, for one text, one model and one named set of swaps; of other swaps it says
nothing. *Certified* training goes against exactly this worst case."""),
    Explanation("DSSN (deterministic smoothing)", """
A way to prove something of a network: ask it not about one input but about many noisy versions of it, and let the
majority decide. If the majority is clear, a small change of the input cannot turn it, since it can change only so
many votes; how small is the *certified radius*. Most methods draw the noise at random and are right with high
probability. DSSN (deterministic splitting noise) lays a grid of cuts over the input and goes through every
position of it, so that all votes are counted and nothing is left to chance. Distances are in L1, the sum of all
changes; here the input is a text's embedding or a picture of a digit, so the proof is about moves of numbers, not
about swapped words."""),
)


def draw_explanations() -> None:
    """Draw each method behind a title of its own."""
    for explanation in EXPLANATIONS:
        with st.expander(explanation.title):
            st.markdown(explanation.text)
