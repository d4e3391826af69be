from firstlight.exports.pseudonyms import key_of, pseudonym, pseudonyms


def test_one_name_per_unit_and_none_for_nobody():
    key = key_of("secret", "ranker")
    units = [f"u-{i}" for i in range(20_000)]
    names = pseudonyms(key, units)
    assert len(set(names)) == len(units)
    assert not set(names) & set(units)
    assert pseudonyms(key, [None, "u-1"]) == [None, names[1]]


def test_without_the_key_of_the_site_and_of_the_experiment_names_differ():
    assert len({pseudonym(key_of(s, e), "u-1") for s in ("one", "other") for e in ("ranker", "recall")}) == 4


def test_all_of_a_long_secret_counts():
    assert key_of("s" * 200, "ranker") != key_of("s" * 201, "ranker")
