"""A process that speaks like TextAttack's, for tests of the bridge: what a text begins with decides what it does."""

import json
import os
import sys


def say(**message) -> None:
    print(json.dumps(message), flush=True)


say(ready=True)
for line in sys.stdin:
    order = json.loads(line)
    if "attack" not in order:
        continue
    search, text = order["search"], order["text"]
    if text.startswith("die"):
        os._exit(1)
    if text.startswith("hang"):
        sys.stdin.readlines()
    if text.startswith("break"):
        say(search=search, error="KeyError: 'x'", trace="lines")
        continue
    say(search=search, texts=[text.replace("good", "bad")], trying="good", current=text)
    if "answer" in json.loads(sys.stdin.readline()):
        say(search=search, end=text.replace("good", "bad"), current=text)
