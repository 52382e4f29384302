"""About: What is shown here, how to read it, and where its limits are.

Icon: info
"""

import streamlit as st

from robust_core import highlight
from ui.about import glossary, methods, sources
from ui.session import next_step, selection
from ui.widgets import phrases

st.markdown("""
#### What happens on the Attack page
A *classifier* reads a review and says whether it is positive or negative. An *attack* swaps words for others that its
recipe takes for close in meaning, one by one, and asks the classifier after each try: how sure are you now? It keeps
the swaps that help. When the answer turns over although a person would read the same opinion, the text is an
*adversarial example*. Whether a person would, no attack can know.

#### How to read a card
| word | meaning |
|---|---|
| flipped | the attack found a text that gets another answer |
| held | the attack's search ended, and the answer stayed |
| wrong before | the answer was wrong before the attack, so nothing was tried (only with a true label) |
| nothing to swap | no word of the text has a swap under this attack: the model was not put to the test |
| not English | most words are not English, and the attacks know English swaps only |
| stopped | you stopped it, its time limit ran out, or its page was closed; the best text so far is shown |
| out of budget | the most queries that you allowed were used up |

*Flipped* always means: the whole changed text, read afresh in full precision, gets another answer. A *query* is one
text shown to the classifier. *Similarity* is the cosine of the two texts' sentence vectors: 1 means the same direction.

#### How to read the coloured words
""")
st.html(highlight.make_legend())
st.markdown(f"""
The colours say how much each word speaks for the class shown, in this model. Both texts of a row share
one scale, so compare within a row, not between models. **Prediction ok**: the class is the same as before.
**Interpretation kept**: Kendall's τ of the two texts' word importances is at least {selection.TAU_AT_LEAST} and at
least {phrases.format_percent(selection.TOP5_AT_LEAST)} of the five most important words stay the same. These limits are
the medians over 500 attacked texts: 200 dev sentences of SST-2 on three base models. Change them in the sidebar. τ is
undefined where a text has one word, or all words count alike.
""")
st.markdown("#### Defences and certificates in plain words")
methods.draw_explanations()
glossary.draw_glossary()
st.markdown("""
#### Limits
* A swap that is allowed is not always a good synonym: read the text before you call the model fooled. Of 100 flips
  each, read without knowing which was which, 97 kept their meaning with the preset *Careful* and 87 with *Paper*; in
  passable English were 72 and 41. Attacks that ask a masked language model (BAE, CLARE) put in what is likely there,
  which may well be the opposite: "painful" became "wonderful".
* *Held* means that this attack's search, with these settings, found nothing. No attack tries every text that it allows,
  and another attack may find one.
* Word importance explains the model, not the review, and different methods of explanation disagree.
* The models shipped learnt from English film reviews, from questions (TREC) or from news (AG News). On other texts they
  are not reliable.
* Each model reads so many words or word pieces: a CNN or LSTM of SST-2 50 words, MiniLM 128 pieces, a model of your own
  as many as it was made for. A line says so where a text is longer; what lies beyond is greyed, not attacked, not
  explained.

#### Similarity thresholds
Each is a cosine of MiniLM sentence vectors, the same for all models. Those of TextFooler and CLARE reject as many swaps
as the thresholds of their papers do under the papers' encoders; the others were carried over from TextFooler's swaps or
not fitted at all. Texts with fewer words than the attack's window are not compared, as in TextAttack; many of SST-2's
sentences are as short as that. With the preset *Careful* every text is compared, as a whole, and must reach 0.9. With
*Paper* the lowest are:
""")
sources.draw_thresholds()
sources.draw_sources()
next_step.suggest("Lessons", "Take the first lesson", key="about.next",
                  about="What an adversarial example is, in five minutes")
