"""Function words that no attack may replace, so that negation, number and grammar survive a swap."""

from functools import lru_cache

DETERMINERS_AND_QUANTITIES = """
a an the this that these those each every either neither both all any some such same other others another
own what which whose whatever whichever enough several few many much more most less least only
"""

PRONOUNS = """
i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers
herself it its itself they them their theirs themselves one ones oneself who whom whoever
somebody someone something anybody anyone anything everybody everyone everything
"""

NEGATIONS = """
no not never none nobody nothing nowhere nor noone cannot without n't hardly barely scarcely
"""

PREPOSITIONS_AND_PARTICLES = """
about above across after against along amid among amongst around as at away back before behind below
beneath beside besides between beyond by despite down during except for from in into of off
on onto out over per since than through throughout till to toward towards under underneath
unlike until up upon versus via with within
"""

CONJUNCTIONS = """
and or but yet so if unless although though because while whilst whereas whether once
hence thus therefore however nevertheless nonetheless moreover furthermore otherwise meanwhile
"""

AUXILIARIES = """
am is are was were be been being do does did doing done have has had having can could may might must shall should
will would ought need
"""

QUESTION_AND_PLACE_WORDS = """
when where why how whenever wherever whence whereby wherein here there now then hereby thereafter thereby therein
anywhere everywhere somewhere elsewhere somehow anyhow anyway sometime sometimes ever else
"""

DEGREE_AND_FOCUS = """
also too very just even still again already almost quite rather indeed mostly namely perhaps maybe
please first next last former latter
"""

# Whole ("won't"), without the apostrophe that some typists and tokenizers lose, and split, both as in the Penn
# Treebank ("wo n't") and at the apostrophe ("don", "t"). Pieces that are words of their own ("won", "wont") stay out.
CONTRACTIONS = """
ain't aren't can't couldn't didn't doesn't don't hadn't hasn't haven't isn't mightn't mustn't needn't
shan't shouldn't wasn't weren't won't wouldn't
ain aren couldn didn doesn don hadn hasn haven isn mightn mustn needn shouldn wasn weren wouldn wo ca
arent cant couldnt didnt doesnt dont hadnt hasnt havent isnt shouldnt wasnt werent wouldnt
i'm i've i'll you're you've he's she's it's we're they're that's there's
's 'm 're 've 'd 'll s t d m ll re ve
"""


@lru_cache(maxsize=1)
def stop_words() -> frozenset[str]:
    """Return English function words, lower-case, negations and contractions (whole and split) included.

    Written for this project in the spirit of the list that TextFooler uses (https://arxiv.org/abs/1907.11932), which
    keeps an attack from flipping a label by honest means such as dropping "not".

    Differs: all attacks here leave these 334 words alone, whatever their capitals, those that run in TextAttack
    included. TextAttack's TextFooler has the 266 words of its release (239 are among ours), its other recipes but
    CheckList NLTK's 179 (169 are), and both compare words as they are written, so that "The" may be replaced. The
    more words stay, the weaker an attack is.
    """
    groups = (DETERMINERS_AND_QUANTITIES, PRONOUNS, NEGATIONS, PREPOSITIONS_AND_PARTICLES, CONJUNCTIONS, AUXILIARIES,
              QUESTION_AND_PLACE_WORDS, DEGREE_AND_FOCUS, CONTRACTIONS)
    return frozenset(" ".join(groups).split())


# Of determiners those that say how much, and of conjunctions and prepositions those that say "and yet".
_DEGREES = "enough several few many much more most less least only all any both neither either"
_CONTRASTS = "but yet so although though while whereas however nevertheless nonetheless despite otherwise unless"


@lru_cache(maxsize=1)
def neutral_words() -> frozenset[str]:
    """Return the function words that say nothing of an opinion: no negation, contrast or word of degree."""
    telling = " ".join((NEGATIONS, DEGREE_AND_FOCUS, _DEGREES, _CONTRASTS)).split()
    negated = {word for word in CONTRACTIONS.split() if word.endswith(("n't", "nt", "n")) or word in ("wo", "ca", "t")}
    return stop_words() - set(telling) - negated
