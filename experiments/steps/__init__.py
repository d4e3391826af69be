"""The steps of an experiment for people: words, forms, buttons and pages over the commands of `lifecycle`."""

from experiments.steps.offered import buttons
from experiments.steps.pages import SteppedExperiments
from experiments.steps.words import STEPS

__all__ = ["STEPS", "SteppedExperiments", "buttons"]
