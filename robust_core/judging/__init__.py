"""Blind judging: texts drawn and mixed, judgements kept, what they leave of an attack's success, how judges agree."""
