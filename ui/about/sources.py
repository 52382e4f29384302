"""Where the methods come from, and the lowest similarities that the attacks allow."""

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.explainers import EXPLAINERS
from robust_core.registry import parameters


def draw_thresholds() -> None:
    """List each attack's lowest similarities, as its paper's preset has them."""
    for name in ATTACKS:
        values = ", ".join(f"{p.name.replace('_', ' ')} {p.default}" for p in parameters(ATTACKS[name])
                           if "similarity" in p.name and not p.later)
        if values:
            st.markdown(f"* **{ATTACKS[name].title}**: {values}")


def draw_sources() -> None:
    """List the papers of the attacks and explainers, and of what else is measured."""
    methods = [registry[name] for registry in (ATTACKS, EXPLAINERS) for name in registry]
    st.markdown("#### Sources\n" + "\n".join(f"* {method.title}: <{method.source}>" for method in methods) + """
* Word importance under attack, Kendall's τ and top-k: Chen and Ji 2022, *Adversarial training for improving model
  robustness? Look at both prediction and interpretation* (FLAT)
* Data: SST-2, Socher et al. 2013; the example reviews were written for this project.
""")
