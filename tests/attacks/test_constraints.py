"""What a swap must keep: windows of sentences, and parts of speech."""

import pytest
from helpers.texts import slow_window

from robust_core.attacks.constraints import PartOfSpeech, SentenceSimilarity
from robust_core.text import Draft, Edit

WORDS = [f"w{i}" for i in range(30)]


@pytest.mark.parametrize("position", [0, 3, 14, 29])
@pytest.mark.parametrize("new", [("new",), ()], ids=["swap", "delete"])
def test_the_windows_lie_around_the_change_in_both_texts(position, new):
    reference = Draft.of(" ".join(WORDS))
    changed = reference.apply(Edit(position, position + 1, new))
    pair = SentenceSimilarity(0.8, window=7).pair(reference, changed, position)
    for draft, window in zip((reference, changed), pair, strict=True):
        # Where the last word was deleted, the window lies around the new last one.
        first, last = slow_window(list(draft.words), min(position, len(draft.words) - 1), 7)
        assert window.split() == list(draft.words[first: last + 1])


def test_short_texts_pass_unseen_unless_they_are_to_be_seen():
    short, long = Draft.of(" ".join(WORDS[:14])), Draft.of(" ".join(WORDS[:15]))
    assert not SentenceSimilarity(0.8).measures(short) and SentenceSimilarity(0.8).measures(long)
    assert SentenceSimilarity(0.8, skip_short=False).measures(short)


def test_words_of_another_part_of_speech_are_left_out_in_order():
    kept = PartOfSpeech(Draft.of("a good film")).keep(1, ["great", "quickly", "bad", "slowly", "fine"])
    assert "quickly" not in kept and kept == [word for word in ("great", "bad", "fine") if word in kept] != []
