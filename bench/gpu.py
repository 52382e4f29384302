"""All that a GPU is wanted for: python -m bench.gpu [--out DIR] [--minutes 12] [--data-dir DIR] [--tiny].

In this order: attacks and explanations a second of MiniLM and of a random BERT-base, on the GPU and on the processor;
FLAT, FreeLB, CARL and RAR of MiniLM on SST-2 with their papers' counts, three seeds each; RobustSentEmbed and SimCSE on
the whole corpus. What measures time runs alone, trainings side by side. When time is up, trainings save their state;
started again, or elsewhere with --resume-from, what is done is not done again and trainings go on. --prepare writes
one folder with all that a machine without internet needs beside the code.
"""

import argparse
import datetime
import json
import os
import shutil
import signal
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

from bench.gpu_steps import Machine, Settings, Step, list_steps
from bench.program import run_program
from robust_core import datasets
from robust_core.errors import BadInput
from robust_core.files import check_path, check_target
from robust_core.models.device import describe_device
from robust_core.resources import minilm_folder
from robust_core.resources.encoder import build_encoder
from robust_core.runs import read_versions

RESULTS = "results.json"
# A results folder holds at most eight files of 16 MiB: the figures and these.
MOST_PARTS, PART_BYTES = 6, 15 * 2**20
# What is copied for a machine without internet, where it is here.
PREPARED = ("sst2", "trec", "ag_news", "imdb", "yelp_polarity", "text", "sts", "transfer")
# GiB of a GPU that one training may need.
GIB_EACH = 4
Results = dict[str, Any]


def prepare(folder: Path, data_dir: str) -> None:
    """Copy the data sets and the encoder, in fp16, into one folder: `--data-dir` finds both there.

    Raises:
        MissingResource: SST-2 or the encoder is not here.
        BadInput: The folder cannot be written.
    """
    source = datasets.find("sst2", "train", data_dir or None).parents[1]
    check_target(folder)
    for name in PREPARED:
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, dirs_exist_ok=True, copy_function=shutil.copyfile)
    build_encoder(folder / "encoder")
    sys.stdout.write(f"{folder}: {sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 2**20:.0f} MiB\n")


def write_tiny_data(folder: Path) -> str:
    """Write a few of the packaged reviews as SST-2, as sentences and as pairs of STS-B; return the folder."""
    texts = {split: datasets.load("reviews", split)[:size] for split, size in
             (("train", 48), ("dev", 16), ("test", 16))}
    tables = {f"sst2/{split}": ("text\tlabel", [f"{e.text}\t{e.label}" for e in found])
              for split, found in texts.items()}
    train, dev = texts["train"], texts["dev"]
    tables["text/wiki_sentences"] = "text", [" ".join(e.text.split()[:9]) for e in train]
    tables["sts/stsb_dev"] = "score\tsentence1\tsentence2", [
        f"{5 * (i % 2)}\t{e.text}\t{(e if i % 2 else dev[i - 1]).text}" for i, e in enumerate(dev)]
    for name, (head, lines) in tables.items():
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return str(folder.absolute())


def pack(work: Path, out: Path, results: Results) -> None:
    """Write the figures, and finished checkpoints and saved states as few archives."""
    kept = sorted(path for part in ("checkpoints", "training") for path in (work / part).rglob("*")
                  if path.is_file() and path.name != "lock" and not path.name.startswith("."))
    parts: list[list[Path]] = []
    room, left_out = 0, []
    # Checkpoints, which are small and of worth by themselves, come before states.
    for path in kept:
        size = path.stat().st_size
        if size > room and size <= PART_BYTES and len(parts) < MOST_PARTS:
            parts.append([])
            room = PART_BYTES
        if size > room:
            left_out.append(str(path.relative_to(work)))
            continue
        parts[-1].append(path)
        room -= size + 1024
    for number in range(MOST_PARTS):
        target = out / f"work-{number + 1}.tar"
        target.unlink(missing_ok=True)
        if number < len(parts):
            with tarfile.open(target, "w") as archive:
                for path in parts[number]:
                    archive.add(path, str(path.relative_to(work)))
    results["left_out"] = left_out
    (out / RESULTS).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def unpack(folder: Path, work: Path) -> Results:
    """Take over what an earlier run left; nothing where there is nothing.

    Raises:
        BadInput: A file there is damaged.
    """
    path = folder / RESULTS
    if not path.is_file():
        return {"steps": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for name, row in found["steps"].items():
            if name.startswith("speed ") and row.get("figures"):
                made = work / row["made"]
                made.parent.mkdir(parents=True, exist_ok=True)
                made.write_text(json.dumps(row["figures"]), encoding="utf-8")
        for archive_path in sorted(folder.glob("work-*.tar")):
            with tarfile.open(archive_path) as archive:
                _unpack_archive(archive, work)
    except (ValueError, KeyError, TypeError, AttributeError, tarfile.TarError) as error:
        raise BadInput(f"The results in {folder.name} are damaged ({type(error).__name__}); take another folder."
                       ) from None
    return found


def _unpack_archive(archive: tarfile.TarFile, work: Path) -> None:
    """Write the files of an archive that are not there yet (`extractall` has its filter from Python 3.11.4 on only)."""
    for member in archive.getmembers():
        target = work / member.name
        if not target.resolve().is_relative_to(work.resolve()):
            raise ValueError(member.name)
        packed = archive.extractfile(member) if member.isfile() and not target.exists() else None
        if packed is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(packed.read())


def compare(results: Results) -> list[Results]:
    """Return how many times as fast each figure is on the GPU as on the processor, and how many texts are the same."""
    found = {name.split()[1]: {} for name in results["steps"] if name.startswith("speed ")}
    for name, row in results["steps"].items():
        if name.startswith("speed ") and row.get("figures"):
            _, model, device = name.split()
            found[model][device] = row["figures"]["rows"]
    rows = []
    for model, sides in found.items():
        theirs = {_key(row): row for row in sides.get("cpu", ())}
        for device in sides:
            for row in sides[device] if device != "cpu" else ():
                slow = theirs.get(_key(row)) or theirs.get((*_key(row)[:-1], 32))
                if slow is None or not slow["per_second"]:
                    continue
                same = [text == slow["texts"][uid] for uid, text in row.get("texts", {}).items()
                        if uid in slow.get("texts", {})]
                rows.append({"model": model, "device": device, "what": " ".join(map(str, _key(row))),
                             "per_second": row["per_second"], "cpu_per_second": slow["per_second"],
                             "times": row["per_second"] / slow["per_second"],
                             "same_texts": sum(same), "compared_texts": len(same)})
    return rows


def _key(row: Results) -> tuple[Any, ...]:
    return (row["what"], row.get("attack", row.get("explainer", "")), row.get("precision", ""), row.get("width", 0))


def choose_steps(steps: list[Step], only: str, done: Path, results: Results) -> list[Step]:
    """Return the steps that are asked for, not done and possible; say in the results why others are left out."""
    wanted, chosen = [name for name in only.split(",") if name], []
    for step in steps:
        row = results["steps"].setdefault(step.name, {})
        row |= {"command": " ".join(("python -m", *step.command)), "made": step.made}
        if (done / step.made).is_file():
            row["state"] = "done"
        elif wanted and not any(step.name.startswith(name) for name in wanted):
            row |= {"state": "not asked for"}
        elif missing := step.find_missing():
            row |= {"state": "skipped", "why": f"missing here: {', '.join(missing)}"}
        else:
            chosen.append(step)
    return chosen


def count_slots(device: dict[str, Any], jobs: int) -> int:
    """Return how many trainings run side by side: as many as there are cores, and as the GPUs' memory holds."""
    if jobs:
        return jobs
    if device["kind"] != "cuda":
        return 1
    return max(1, min((os.cpu_count() or 2) - 1, int(device["gib"] * device["count"] // GIB_EACH)))


def run_steps(args: argparse.Namespace, data_dir: str) -> Results:
    """Run what is left to do and return all results."""
    out, work = Path(args.out), Path(args.work)
    for folder in (out, work):
        check_target(folder)
        folder.mkdir(parents=True, exist_ok=True)
    (work / "speed").mkdir(exist_ok=True)
    device = describe_device(args.device)
    results = unpack(Path(args.resume_from or args.out), work)
    results |= {"device": device, "versions": read_versions(), "cores": os.cpu_count(), "load": os.getloadavg()[0],
                "ended": ""}
    settings = Settings(work.absolute(), str(device["kind"]), data_dir, args.tiny)
    steps = choose_steps(list_steps(settings), args.only, work, results)
    made = {step.name: work / step.made for step in steps}
    for name, row in results["steps"].items():
        if row.get("state") in ("skipped",):
            sys.stdout.write(f"{name}: left out, {row['why']}\n")

    def tell(name: str, found: Results) -> None:
        row = results["steps"][name]
        row.pop("why", None)
        row |= found
        if name.startswith("speed ") and found["state"] == "done":
            row["figures"] = json.loads(made[name].read_text(encoding="utf-8"))
        took = f" after {found['seconds']:.0f} s" if "seconds" in found else ""
        why = f", {found['why']}" if "why" in found else ""
        sys.stdout.write(f"{name}: {found['state']}{took}{why}\n")
        sys.stdout.flush()
        if found["state"] != "started":
            results["speed"] = compare(results)
            pack(work, out, results)

    variables = {"ROBUST_RUNS": str(work.absolute())}
    if args.encoder:
        variables["ROBUST_ENCODER"] = str(Path(args.encoder).absolute())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    gpus = int(device["count"]) if device["kind"] == "cuda" else 0
    Machine(work, count_slots(device, args.jobs), gpus, variables, tell).run(steps, 60 * args.minutes, stop.is_set)
    results |= {"ended": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
                "speed": compare(results)}
    pack(work, out, results)
    return results


def main() -> int:
    """Run the steps; exit code 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="runs/gpu", help="folder of the results: at most seven files")
    parser.add_argument("--work", default="runs/gpu-work", help="folder of checkpoints, states and logs")
    parser.add_argument("--resume-from", help="results of an earlier run to go on from; --out by default")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--jobs", type=int, default=0, help="trainings side by side; 0: as many as there is room for")
    parser.add_argument("--only", default="", help="steps whose names begin so, such as speed,flat")
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--encoder", default="", help="folder of the sentence encoder; DATA/encoder where it is there")
    parser.add_argument("--tiny", action="store_true",
                        help="next to nothing of each step, on packaged reviews, to see whether all works")
    parser.add_argument("--prepare", help="write data and encoder into this folder, and do nothing else")
    args = parser.parse_args()
    if args.tiny:
        data = write_tiny_data(Path(args.work) / "data")
    else:
        data = str(datasets.find("sst2", "train", args.data_dir or None).parents[1].absolute())
    if args.prepare:
        prepare(check_path(args.prepare, "folder to prepare"), data)
        return 0
    if not args.encoder and (Path(data) / "encoder" / "card.json").is_file():
        args.encoder = str(Path(data) / "encoder")
    if not args.encoder:
        minilm_folder()
    results = run_steps(args, data)
    for row in results["speed"]:
        sys.stdout.write(f"{row['model']}, {row['what']}: {row['per_second']:.2f} a second, {row['times']:.1f} times "
                         f"the processor's; {row['same_texts']} of {row['compared_texts']} texts the same\n")
    return int(any(row.get("state") == "failed" for row in results["steps"].values()))


if __name__ == "__main__":
    run_program(main)
