from hypothesis import given
from hypothesis import strategies as st

from experiments.buckets import Span, allocation

cuts = st.lists(st.integers(0, 10_000), unique=True, max_size=20).map(sorted)


@given(cuts, st.randoms())
def test_every_bucket_is_told_once_with_its_holder(edges, random):
    held = [Span(start, end, f"e{start}") for start, end in zip(edges[::2], edges[1::2], strict=False)]
    shuffled = held[:]
    random.shuffle(shuffled)
    told = allocation(shuffled)
    holder = {bucket: span.holder for span in told for bucket in range(span.start, span.end)}
    assert sum(span.end - span.start for span in told) == 10_000
    assert holder == {b: next((s.holder for s in held if s.start <= b < s.end), None) for b in range(10_000)}
    assert [span for span in told if span.holder] == held
