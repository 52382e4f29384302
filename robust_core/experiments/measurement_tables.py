"""Tables of what is measured outside the papers' experiments: models, speed, parity, methods, memory, certificates."""

from collections.abc import Callable

from robust_core.attacks import ATTACKS
from robust_core.attacks.embeddings import EMBEDDING_ATTACKS
from robust_core.certify import SMOOTHERS
from robust_core.claims.derivation import read_share
from robust_core.claims.files import Claim
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_table
from robust_core.defences import DEFENCES
from robust_core.encoder_training import METHODS
from robust_core.experiments.faults import write_faults
from robust_core.explainers import EXPLAINERS

# Figures of the papers, shown beside ours and never as ours: (clean accuracy, accuracy under TextFooler), percent.
FLAT_TABLES_2_AND_3 = {"cnn": (84.18, 1.98), "lstm": (84.40, 5.05), "bert": (91.32, 4.72)}


def write_accuracy_table(found: list[Claim]) -> str:
    """Return clean accuracy and accuracy under TextFooler of the SST-2 models, with n, thresholds and run."""
    clean = {c["details"]["model"]: c for c in found if _matches(c, "sst2", None)}
    attacked = {c["details"]["model"]: c for c in found if _matches(c, "sst2", "textfooler")}
    reviews = {c["details"]["model"]: c for c in found if _matches(c, "reviews", None)}
    rows, footnotes = [], Footnotes()
    for model in sorted(clean, key=lambda m: (["cnn", "lstm", "minilm"].index(m.split("/")[1]), m)):
        a, r = attacked.get(model), reviews.get(model)
        paper = FLAT_TABLES_2_AND_3.get(model.split("/")[1]) if model.endswith("/base") else None
        numbers = [f"{clean[model]['n']:,}", f"{_count_attempted(a):,}" if a else "–"]
        rows.append([
            f"`{model}`", format_percent(clean[model]["value"], clean[model]["value_se"]),
            format_percent(a["value"], a["value_se"]) + write_mark(footnotes, a) if a else "–",
            format_percent(*read_share(a["details"], "attack_success_rate")[:2]) if a else "–",
            f"{a['details']['queries']:.0f}" if a else "–", " / ".join(numbers),
            format_percent(r["value"], r["value_se"]) + f" (n = {r['n']})" if r else "–",
            f"{paper[0]:.2f} / {paper[1]:.2f}" if paper else "–"])
    table = format_table(["Model", "Clean accuracy %", "Under TextFooler %", "Attack success %", "Queries",
                          "n: all / attacked", "On `reviews` test %", "FLAT paper: clean / attacked %"], rows)
    notes = [f"Clean: `{c['command']}`, likewise for the other models, and with `--dataset reviews`."
             for c in list(clean.values())[:1]]
    for claim in list(attacked.values())[:1]:
        t = claim["thresholds"]
        notes += [f"Under attack: `{claim['command']}`",
                  f"Thresholds: word cosine ≥ {t['min_word_similarity']}, sentence cosine ≥ {t['min_text_similarity']} "
                  f"(MiniLM; not asked of texts below its window of {t['window']} words), {t['max_candidates']} "
                  "candidates a word. Success is taken over the attacked texts, which the model got right. The paper's "
                  "figures rest on other encoders and word vectors."]
    notes += [*footnotes.lines(), *write_faults(list(clean.values()))]
    return table + "".join(f"\n{note}\n" for note in notes)


def _count_attempted(claim: Claim) -> int:
    return sum(claim["details"].get(name, 0) for name in ("succeeded", "failed", "exhausted"))


def _matches(claim: Claim, dataset: str, attack: str | None) -> bool:
    row = claim["details"]
    wanted = (dataset, "test", attack)
    plain = "explain" not in row and "adversarial_from" not in row
    measured = claim["metric"] in ("accuracy", "accuracy_under_attack")
    return (row.get("dataset"), row.get("split"), row.get("attack")) == wanted and plain and measured


def write_methods_table(found: list[Claim]) -> str:
    """Return the registered attacks, defences, sentence methods, explainers and smoothers."""
    del found
    rows = [[registry.kind, f"`{name}`", (cls.__doc__ or "").split("\n")[0], f"[{cls.title}]({cls.source})"]
            for registry in (ATTACKS, EMBEDDING_ATTACKS, DEFENCES, METHODS, EXPLAINERS, SMOOTHERS)
            for name, cls in registry.items()]
    return format_table(["Kind", "Name", "What it does", "Source"], rows)


def write_completeness_table(found: list[Claim]) -> str:
    """Return on how many texts integrated gradients add up."""
    chosen = [c for c in found if c["metric"] == "completeness"]
    rows = [[f"`{c['details']['model']}`", format_percent(c["value"], c["value_se"]),
             format_percent(c["details"]["within_gap_at_first_steps"], None), f"{c['n']:,}"] for c in chosen]
    head = ["Model", "Within the gap %", f"With {chosen[0]['thresholds']['steps']} steps %" if chosen else "", "n"]
    return format_table(head, rows) + "".join(f"\n`{c['command']}`\n" for c in chosen[-1:])


def write_explain_table(found: list[Claim]) -> str:
    """Return how long explanations of a pair of texts take."""
    claim = next((c for c in found if c["metric"] == "explanation_seconds"), None)
    if claim is None:
        return ""
    rows = [[what, f"{seconds['wall']:.2f}", f"{seconds['cpu']:.2f}"]
            for what, seconds in claim["details"]["seconds"].items()]
    before, after = claim["details"]["load"]
    return (format_table(["A pair of texts", "Seconds", "Processor seconds, over all threads"], rows)
            + f"\n`{claim['command']}`: medians over {claim['n']} pairs of 18 to 22 words, "
              f"{claim['details']['threads']} thread(s) on {claim['details']['cores']} cores, with {before:.0f} to "
              f"{after:.0f} processes at work on the machine; the target is {claim['thresholds']['target']:g} s on 2 "
              "cores of one's own.\n")


def write_app_table(found: list[Claim]) -> str:
    """Return how long a person waits in the app."""
    claim = next((c for c in found if c["claim"] == "How long a person waits in the app"), None)
    if claim is None:
        return ""
    rows = [[name, f"{value:.2f} s"] for name, value in claim["details"]["seconds"].items()]
    rows.append(["resident memory", f"{claim['details']['resident_gb']:.2f} GB"])
    words = f"\n`{claim['command']}`: medians over {claim['n']} reviews of 18 to 22 words under TextFooler.\n"
    other = next((c for c in found if c["claim"] == "How long a person waits on the Embeddings page"), None)
    if other is not None:
        rows += [[f"Embeddings page: {name}", f"{value:.2f} s"] for name, value in other["details"]["seconds"].items()]
        words += f"\n`{other['command']}`: {other['n']} steps of the slider.\n"
    return format_table(["As the browser sees it", f"on {claim['details']['cores']} cores"], rows) + words


def write_cost_table(found: list[Claim]) -> str:
    """Return what an epoch of each defence costs, and the attack's share of a round of FLAT."""
    chosen = [c for c in found if c["metric"] == "flat_over_base"]
    names = list(dict.fromkeys(name for c in chosen for name in c["details"]["over_base"]))
    rows = []
    for claim in chosen:
        details, share = claim["details"], claim["details"]["round_of_flat"]["attack_share"]
        rows.append([claim["claim"].split(", ")[1], f"{details['seconds']['base']:.1f} s",
                     *(f"{details['over_base'][name]:.2f} ×" if name in details["over_base"] else "–"
                       for name in names if name != "base"), f"{100 * share:.0f}"])
    head = ["Architecture", "Base", *(name for name in names if name != "base"), "Attack's share of a FLAT round %"]
    return format_table(head, rows) + "".join(f"\n`{c['command']}`\n" for c in chosen)


def write_speed_table(found: list[Claim]) -> str:
    """Return how fast attacks are beside TextAttack's."""
    chosen = sorted((c for c in found if c["metric"] == "times_as_fast"), key=lambda c: not c["thresholds"])
    rows = [[f"{_find_title(row.get('attack', 'textfooler'))} on `{row['model']}`", f"{row['textattack_ms']:.0f}",
             *(f"{row[f'{side}_ms']:.0f} ({row[f'{side}_ratio']:.1f} ×)" for side in ("exact", "screened")),
             *(f"{row[f'{side}_over_bare']:.2f}" for side in ("exact", "screened")), f"{row['n']:,}"]
            for claim in chosen for row in claim["details"]["rows"]]
    head = ["Attack and victim", "TextAttack ms", "`exact` ms", "`screened` ms", "Over bare passes, `exact`",
            "`screened`", "n"]
    notes = [f"`{c['command']}`: {c['details']['threads']} threads" for c in chosen]
    return format_table(head, rows) + "".join(f"\n{note}\n" for note in notes) + (
        "\nms an attack; × is the median of the rounds.\n" if chosen else "")


def _find_title(attack: str) -> str:
    return ATTACKS[attack].title.partition(" (")[0]


def write_parity_table(found: list[Claim]) -> str:
    """Return how often attacks find the text that TextAttack's own search finds."""
    chosen = [c for c in found if c["metric"] == "same_text"]
    rows = [[f"{_find_title(row.get('attack', 'textfooler'))} on `{row['victim']}`",
             f"{row['same']} of {row['sentences']}", str(row["long"]),
             str(row["several_successes"]), "; ".join(wrong["cause"] for wrong in row["mismatches"]) or "–"]
            for claim in chosen for row in claim["details"]["rows"]]
    head = ["Attack and victim", "Same text", "Of 15 words and more", "With several successes at the end",
            "Causes of the others"]
    return format_table(head, rows) + "".join(f"\n`{c['command']}`\n" for c in chosen)


def write_success_table(found: list[Claim]) -> str:
    """Return how often searches that draw succeed beside TextAttack's, at one budget of queries."""
    chosen = [c for c in found if c["metric"] == "success_difference"]
    rows = [
        [
            _find_title(row["attack"]),
            f"`{row['victim']}`",
            format_percent(row["ours"], None),
            format_percent(row["theirs"], None),
            f"{100 * row['difference']:+.1f} ± {100 * row['difference_se']:.1f}",
            f"{row['queries']:.0f}",
            f"{row['queries_theirs']:.0f}",
            f"{row['budget']:,}",
            f"{row['n']:,}",
        ]
        for row in (c["details"] for c in chosen)
    ]
    head = ["Attack", "Victim", "Success %", "TextAttack's %", "Paired difference", "Queries", "TextAttack's", "Budget",
            "n"]
    return format_table(head, rows) + "".join(f"\n`{c['command']}`\n" for c in chosen)


def write_masked_table(found: list[Claim]) -> str:
    """Return how well the packaged masked language model guesses, from its card."""
    from robust_core.models.masked_lm import read_packaged_card

    del found
    card = read_packaged_card()
    rows = [[source, str(after["guesses"]), *(f"{100 * row['top1']:.1f} / {100 * row['top10']:.1f}"
                                              for row in (card["held_out"]["before"][source], after)),
             f"{card['held_out']['before'][source]['perplexity']:,.0f} / {after['perplexity']:,.0f}"]
            for source, after in card["held_out"]["after"].items()]
    return format_table(["Held-out texts", "Guesses", "Untrained: top 1 / top 10 %", "Trained: top 1 / top 10 %",
                         "Pseudo-perplexity before / after"], rows)


def write_certified_table(found: list[Claim]) -> str:
    """Return what attacks and searches make of certified radii, and how long a review takes."""
    rows = []
    for claim in (c for c in found if c["metric"] == "flipped_outside"):
        for row in claim["details"]["rows"]:
            rows.append([f"L1 search on {claim['details']['dataset']}", f"{row['scale']:g}", f"{row['inside']:,}",
                         f"{row['inside_flips']} inside the radius",
                         f"{format_percent(claim['value'], claim['value_se'])} flipped one step outside"])
    for claim in (c for c in found if c["metric"] == "inside_radius"):
        for row in claim["details"]["rows"]:
            moved = format_percent(*read_share(row, "inside_share")[:2])
            rows.append([f"{_find_title(row['attack'])} on `{row['victim']}`", f"{row['scale']:g}",
                         f"{row['changed']:,}", f"{row['inside_flipped']} of {row['inside']} that moved no further",
                         f"{moved} moved no further"])
    for claim in (c for c in found if c["metric"] == "seconds"):
        rows.append(["A typed review at five Λ", "–", f"{claim['n']}", "–",
                     f"{claim['value']:.2f} s median, {claim['details']['slowest']:.2f} s at most"])
    commands = "; ".join(f"`{c['command']}`" for c in found
                         if c["metric"] in ("flipped_outside", "inside_radius") or c["metric"] == "seconds")
    head = ["What was tried", "Λ", "n", "Flips of the smoothed classifier inside the certified radius", "Beyond"]
    return format_table(head, rows) + f"\n{commands}\n" if rows else ""


def write_memory_table(found: list[Claim]) -> str:
    """Return what a second pass of each attack holds in memory beyond the first."""
    chosen = [c for c in found if c["metric"] == "megabytes"]
    rows = [[_find_title(c["details"].get("attack", "textfooler")), f"{c['value']:+.1f} ± {c['value_se']:.1f}",
             f"{max(reading[1] for name in ('first', 'second') for reading in c['details'][name]):,.0f}", f"{c['n']:,}"]
            for c in chosen]
    head = ["Attack", "Second pass beyond the first, MB held", "Most in memory, MB", "n, both passes"]
    return format_table(head, rows) + "".join(f"\n`{c['command']}`\n" for c in chosen[:1]) if rows else ""


def write_trouble_table(found: list[Claim]) -> str:
    """Return what kills and a second person do."""
    rows = []
    for claim in found:
        if claim["metric"] == "kills":
            rows.append([f"Evaluation of {claim['n']} texts killed {claim['value']:.0f} times",
                         "the same store and table as an unbroken run", f"`{claim['command']}`"])
        elif claim["claim"] == "Two people attack at once":
            rows += [[what, f"{seconds:.2f} s", f"`{claim['command']}`"]
                     for what, seconds in claim["details"]["seconds"].items()]
    return format_table(["What happens", "What was seen", "Command"], rows) if rows else ""


def write_limits_table(found: list[Claim]) -> str:
    """Return the medians from which the verdict "interpretation kept" takes its limits."""
    claim = next((c for c in found if c["metric"].startswith("kendall_tau_m")), None)
    if claim is None:
        return ""
    rows = [[name, f"{row['kendall_tau']:.3f}", f"{row['top_5']:.2f}", str(row["pairs"])]
            for name, row in claim["details"].items() if isinstance(row, dict) and "pairs" in row]
    return format_table(["Base model", "Median KT", "Median TI@5", "Changed pairs"], rows) + f"\n`{claim['command']}`\n"


TABLES: dict[str, Callable[[list[Claim]], str]] = {
    "accuracy": write_accuracy_table,
    "completeness": write_completeness_table,
    "explain": write_explain_table,
    "app": write_app_table,
    "cost": write_cost_table,
    "speed": write_speed_table,
    "parity": write_parity_table,
    "success": write_success_table,
    "certified-checks": write_certified_table,
    "memory": write_memory_table,
    "trouble": write_trouble_table,
    "limits": write_limits_table,
    "masked": write_masked_table,
    "methods": write_methods_table,
}
