import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.objectives import stage


def event(kind, item="a", minute=0):
    return {"event": kind, "item_id": item, "at": f"2026-11-23T{10 + minute // 60:02}:{minute % 60:02}:00Z"}


@pytest.mark.parametrize(
    ("recent", "expected"),
    [
        ([], "arriving"),
        ([event("visit")], "arriving"),
        ([event("view")], "browsing"),
        ([event("impression"), event("impression")], "browsing"),  # the shop showed it twice; the user looked at none
        ([event("view"), event("click", "b")], "browsing"),
        ([event("view"), event("click", "a", 3)], "deciding"),
        ([event("view"), event("cart", "b")], "deciding"),
        ([event("order"), event("cart"), event("view")], "bought"),
        ([event("order", minute=0), event("view", minute=30)], "bought"),
        ([event("order", minute=0), event("view", minute=31)], "browsing"),  # a new visit
        ([event("order", minute=0), event("view", minute=29), event("view", "b", minute=58)], "bought"),
        ([{"event": "order"}], "bought"),
        ([{"event": "order", "at": "yesterday"}, event("view")], "bought"),
        ([{}, {"event": 3, "at": []}], "arriving"),
    ],
)
def test_the_stage_follows_the_visit(recent, expected):
    assert stage.of(recent) == expected


events = st.lists(
    st.builds(
        event,
        st.sampled_from(["visit", "view", "click", "cart", "order", "x.other"]),
        st.sampled_from("abc"),
        st.integers(0, 300),
    ),
    max_size=8,
)


@given(events, st.randoms())
def test_the_order_in_which_events_are_sent_does_not_matter(recent, random):
    shuffled = list(recent)
    random.shuffle(shuffled)
    assert stage.of(shuffled) == stage.of(recent)


@given(events)
def test_an_order_just_made_is_a_purchase_whatever_came_before(recent):
    assert stage.of([*recent, event("order", minute=301)]) == "bought"
