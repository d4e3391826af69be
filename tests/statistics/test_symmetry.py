"""What must hold of any numbers: arms may be swapped, scaled, and their units dealt over shards as one likes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstlight.kernel.moments import Moments
from firstlight.stats.finish import Design, Readings, Stack, finish

SEEDS = st.integers(0, 10_000)


def samples(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    past = [rng.gamma(2, 1, n) for n in rng.integers(20, 200, 2)]
    return [np.column_stack([p * 0.7 + rng.gamma(2, 1, len(p)) + 1, p]) for p in past]


def read(control: Moments, treatment: Moments) -> Readings:
    return finish("mean", Stack.of([control]), Stack.of([treatment]), Design(covariates=1)).best


@settings(deadline=None)
@given(seed=SEEDS)
def test_swapping_the_arms_turns_the_sign(seed: int) -> None:
    c, t = map(Moments.of, samples(seed))
    assert read(c, t).difference == pytest.approx(-read(t, c).difference, rel=1e-9, abs=1e-12)
    assert read(c, t).ln_p == pytest.approx(read(t, c).ln_p, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(seed=SEEDS, scale=st.floats(1e-3, 1e3), sign=st.sampled_from([-1.0, 1.0]))
def test_a_scale_leaves_the_lift_and_minus_x_is_its_mirror_image(seed: int, scale: float, sign: float) -> None:
    raw = samples(seed)
    plain, turned = (read(*(Moments.of(one * by) for one in raw)) for by in ([1.0, 1.0], [sign * scale, 1.0]))
    assert turned.lift == pytest.approx(sign * plain.lift, rel=1e-8, abs=1e-10)
    assert turned.ln_p == pytest.approx(plain.ln_p, rel=1e-7, abs=1e-9)


@settings(deadline=None)
@given(seed=SEEDS, shards=st.integers(2, 9))
def test_days_or_shards_change_nothing(seed: int, shards: int) -> None:
    raw = samples(seed)
    cut = [sum((Moments.of(one[i::shards]) for i in range(shards)), Moments.empty(2)) for one in raw]
    whole, parts = read(*map(Moments.of, raw)), read(*cut)
    assert parts.difference == pytest.approx(whole.difference, rel=1e-9, abs=1e-12)
    assert parts.se == pytest.approx(whole.se, rel=1e-9)
