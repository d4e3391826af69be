"""Random experiments, attributes and units: what hypothesis makes of everything that a rule can say."""

from typing import Any

from hypothesis import strategies as st

from firstlight.assignment.rules import NO_WISHES, Arm, Filter, Requirement, Rule, Wishes, layer_seed, ranges

SCENARIOS = ("home", "search", "Страница")
UNITS = ("user_id", "device_id", "session_id")
SHARE = 1_600  # buckets of a layer that an experiment may hold
TYPES = ("ab", "ab", "aa", "switchback", "interleaving", "holdout", "shipped")

texts = st.text(max_size=8).filter(lambda text: "\0" not in text and text.isprintable())
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
ids = st.text(min_size=1, max_size=12)
names = st.sampled_from(["country", "platform", "age"])


def _operators() -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(st.sampled_from(["IN", "BR", "android", "ios", 18, 30]), max_size=3)
    return st.one_of(
        st.fixed_dictionaries({"$in": lists}),
        st.fixed_dictionaries({"$nin": lists}),
        st.fixed_dictionaries({"$gte": st.integers(0, 60)}),
        st.fixed_dictionaries({"$exists": st.booleans()}),
        st.fixed_dictionaries({"$regex": st.sampled_from(["^I", "droid$", "[A-Z]{2}"])}),
        st.fixed_dictionaries({"$ne": st.sampled_from(["IN", 30, None])}),
    )


conditions: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(names, _operators() | st.sampled_from(["IN", "android", 30]), max_size=2),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"$and": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"$or": st.lists(inner, max_size=2)}),
        st.fixed_dictionaries({"$not": inner}),
    ),
    max_leaves=3,
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["IN", "BR", "DE", 7]),
        "platform": st.sampled_from(["android", "ios", None]),
        "age": st.integers(0, 80) | st.floats(0, 80),
        "more": values,
    },
)
units = st.dictionaries(st.sampled_from(UNITS), ids, min_size=1)


parameters = st.dictionaries(st.sampled_from(["ranker", "quota", "layout"]), values, max_size=2)
arms = st.sampled_from([f"arm-{i}" for i in range(4)])
keys = st.builds("{}-{}".format, st.sampled_from("abc"), st.integers(0, 5))
wishes = st.builds(Wishes, st.dictionaries(keys, arms, max_size=3), st.just({})) | st.just(NO_WISHES)
requirements = st.builds(Requirement, keys, st.lists(arms, min_size=1, max_size=2).map(tuple))


@st.composite
def rules(draw: st.DrawFn, number: int = 0) -> Rule:
    n, layered, kind = draw(st.integers(2, 4)), draw(st.booleans()), draw(st.sampled_from(TYPES))
    weights = draw(st.lists(st.floats(0.05, 1), min_size=n, max_size=n))
    weights = [weight / sum(weights) for weight in weights]
    coverage = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]) | st.floats(0, 1))
    key = f"{draw(st.sampled_from('abc'))}-{number}"
    first = number * SHARE  # disjoint, as the database has it
    spans = ranges(weights, coverage)
    return Rule(
        key=key,
        phase=draw(st.integers(1, 3)),
        seed=key,
        unit=draw(st.sampled_from([*UNITS, "merchant_id"])),
        arms=tuple(Arm(f"arm-{i}", weight, draw(parameters)) for i, weight in enumerate(weights)),
        coverage=coverage,
        ranges=spans,
        scenarios=tuple(sorted(draw(st.sets(st.sampled_from(SCENARIOS), min_size=1)))),
        layer=Filter(layer_seed("one"), first, first + draw(st.integers(1, SHARE)))
        if layered and kind != "shipped"
        else None,
        type=kind,
        condition=draw(conditions),
        switch_hours=draw(st.integers(1, 24)) if kind == "switchback" else 0,
        scope=draw(st.sampled_from(["", layer_seed("one")])),
        pieces=tuple((span,) for span in reversed(spans)) if draw(st.booleans()) else (),
        forced=draw(st.dictionaries(ids, arms, max_size=2)),
        requires=tuple(draw(st.lists(requirements, max_size=1))),
        fallback=draw(st.sampled_from(["", "", "device_id"])),
        sticky=draw(st.booleans()),
        since_phase=draw(st.integers(1, 2)),
        refused_before=draw(st.integers(0, 1)),
    )


@st.composite
def configurations(draw: st.DrawFn) -> list[Rule]:
    return [draw(rules(number)) for number in range(draw(st.integers(0, 6)))]
