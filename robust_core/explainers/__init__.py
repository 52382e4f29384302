"""Saliency: which words speak for a class. Every explainer answers with one signed score a word."""

from robust_core.explainers.base import Explainer
from robust_core.registry import Registry

EXPLAINERS = Registry[Explainer]("explainer", ("robust_core.explainers.gradients", "robust_core.explainers.occlusion"))
