"""Experiments of the papers, by name: what to evaluate, and the table that shows ours beside theirs; one file each."""

from robust_core.registry import Registry

EXPERIMENTS = Registry("experiment", tuple(f"robust_core.experiments.{name}" for name in (
    "flat.table2", "flat.table3", "flat.table4", "flat.table5", "flat.table8", "flat.table10", "flat.figure6",
    "carl_rar.table2", "carl_rar.tables4_5", "carl_rar.table6", "rse.tables", "rse.ablation",
    "dssn.certified_accuracy", "presets", "words", "own.table1", "own.ensemble", "own.seven_attacks")))
