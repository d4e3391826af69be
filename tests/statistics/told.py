"""Every simulation, in the order of the table."""

from tests.statistics import beliefs, designs, many_looks, one_look, split_and_several
from tests.statistics.promises import SIMULATIONS

MODULES = (one_look, many_looks, split_and_several, beliefs, designs)
ORDER = tuple(SIMULATIONS)
