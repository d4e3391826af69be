"""Against GrowthBook's published vectors and its Python SDK 4.0.0."""

import pytest

from firstlight.assignment.hashing import BUCKETS, bucket, fnv1a


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("b", 0xE70C2DE5), ("foobar", 0xBF9CF968)],  # Landon Curt Noll's test suite
)
def test_fnv_of_ascii(text: str, expected: int) -> None:
    assert fnv1a(text) == expected


@pytest.mark.parametrize(
    ("seed", "unit", "point"),
    [
        ("seed", "a", 0.0505),
        ("seed", "b", 0.2696),
        ("foo", "ab", 0.2575),
        ("foo", "def", 0.2019),
        ("90850943850283058242805", "123", 0.7516),
        ("()**(%$##$%#$#", '___)((*":&', 0.0128),
        ("größe", "ü-1", 0.6153),
        ("ранг", "юзер", 0.2763),
        ("seed", "😀", 0.4346),
        ("種", "ユーザー42", 0.7269),
    ],
)
def test_a_unit_falls_where_the_published_hash_puts_it(seed: str, unit: str, point: float) -> None:
    assert bucket(seed, unit) / BUCKETS == point


def test_half_a_surrogate_pair_has_a_bucket_too() -> None:
    assert 0 <= bucket("seed", "\ud83d") < BUCKETS
