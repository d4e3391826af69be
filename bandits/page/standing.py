"""What the numbers stand on: the prior and the data behind it, how slots are looked at, how long rewards take."""

from collections.abc import Sequence

from bandits.page.known import Json, Wording
from firstlight.console import charts, words
from firstlight.console.pictures import Picture
from firstlight.console.sections import Cell, Section, Table, heads, row

DRAWN = 10
Z = 1.959963984540054  # of a 95 % interval
OLD = "Posteriors tell this from the next learning step on."


def priors(told: Json, wording: Wording) -> Section:
    """By level: what is believed of a new item before it was shown."""
    levels: Sequence[Json] = told.get("priors") or ()
    if not levels:
        return Section("priors", "What is believed before", missing=OLD)
    top = levels[0]
    sentence = (
        f"A new item is believed to have {wording_mean(top, wording)}, by "
        f"{words.plural(round(top['trials']), 'impression')} of {words.plural(top['items'], 'item')}; "
        f"{words.plural(len(levels) - 1, 'category or merchant', 'categories and merchants')} shift that."
    )
    return Section(
        "priors",
        "What is believed before",
        sentence=sentence,
        pictures=[_levels(levels, wording)],
        tables=[_table(levels, wording)],
    )


def wording_mean(level: Json, wording: Wording) -> str:
    """Of conversions where the reward is money: what they are worth is believed apart."""
    rate = words.percent(level["mean"])
    return f"a chance of {rate} to earn anything" if wording.is_money else f"{wording.title.lower()} {rate}"


def _levels(levels: Sequence[Json], wording: Wording) -> Picture:
    title = "Chance to earn anything" if wording.is_money else wording.title
    rows = [
        charts.Bar(_named(one), one["mean"], f"{words.percent(one['mean'])}, seen {_rate(one)}")
        for one in levels[:DRAWN]
    ]
    data = [{name: _plain(one[name]) for name in LEVEL} for one in levels]
    caption = "Mean of the prior of a new item, and what was seen; little data is drawn towards the level above."
    return Picture("priors", f"{title} of a new item", charts.bars(rows), data, caption)


LEVEL = ("level", "name", "items", "trials", "rate", "mean", "strength")


def _table(levels: Sequence[Json], wording: Wording) -> Table:
    titles = heads("Level", "#Items", "#Impressions", "#Seen", "#Believed", "#Weight in impressions")
    rows = [
        row(
            Cell(_named(one), "" if one["level"] == "scenario" else one["level"], tone="name"),
            words.count(one["items"]),
            words.count(one["trials"]),
            _rate(one),
            words.percent(one["mean"]),
            words.number(one["strength"], 3),
        )
        for one in levels
    ]
    return Table(f"The data behind it ({wording.title.lower()})", titles, rows, is_folded=True)


def _named(level: Json) -> str:
    if level["level"] == "scenario":
        return "the scenario"
    name = str(level["name"]).strip()
    return f"no merchant {name}" if name.startswith("(") else name


def _rate(level: Json) -> str:
    return words.BLANK if isinstance(level["rate"], dict) else words.percent(level["rate"])


def _plain(value: object) -> object:
    """Of a CSV."""
    return value["withheld"] if isinstance(value, dict) else value


def slots(told: Json, positions: Sequence[int]) -> Section:
    """Kappa: the share of a slot's impressions that is looked at, as against the first."""
    title, known = "How slots are looked at", told.get("positions")
    if known is None:
        return Section("slots", title, missing=OLD)
    if not known:
        return Section("slots", title, missing="The plan counts an impression alike in every slot.")
    if "withheld" in known:
        return Section("slots", title, missing=f"Not known yet, so every slot counts alike: {known['withheld']}.")
    places = sorted(known, key=int)
    dimmest = min(places, key=lambda place: float(known[place]["value"]))
    share = float(known[dimmest]["value"])
    told_of = f"An impression in slot {dimmest} counts {words.percent(share)} of one in the first."
    alike = "No slot is looked at less than the first, as far as is known."
    return Section(
        "slots", title, sentence=told_of if share < 1 else alike, pictures=[_kappas(known, places, positions)]
    )


def _kappas(known: Json, places: Sequence[str], own: Sequence[int]) -> Picture:
    rows = [_kappa(place, known[place], int(place) in own) for place in places[: 2 * DRAWN]]
    data = [{"slot": int(place), **known[place]} for place in places]
    chart = charts.intervals(rows, title="Share looked at", zero=False, lowest=0.0, highest=1.5)
    caption = "Kappa with its 95 % interval: each item against itself in the first slot. Green: the campaign's own."
    return Picture("slots", "Looked at, by slot", chart, data, caption)


def _kappa(place: str, one: Json, is_own: bool) -> charts.Interval:
    value, reach = float(one["value"]), Z * float(one["se"])
    note = f"{words.percent(value)} of {words.plural(round(one['n']), 'impression')}"
    tone = "better" if is_own else "neutral"
    return charts.Interval(f"Slot {place}", note, tone, value, max(value - reach, 0.0), value + reach)


def delays(told: Json) -> Section:
    title, known = "How long rewards take", told.get("delays")
    if known is None:
        return Section("delays", title, missing=OLD)
    if not known:
        return Section("delays", title, missing="The plan takes what has come for all that comes.")
    if "withheld" in known:
        return Section("delays", title, missing=f"Not known yet, so all is taken to have come: {known['withheld']}.")
    arrived: Sequence[Json] = known["arrived"]
    half = next((one["days"] for one in arrived if one["share"] >= 0.5), arrived[-1]["days"])
    n = words.plural(round(known["n"]), "reward")
    sentence = f"Of {n} half had come {_days(half)} after the impression; a younger impression is part of one."
    return Section("delays", title, sentence=sentence, pictures=[_arrived(arrived)])


def _days(days: float) -> str:
    """
    >>> _days(0.5), _days(1), _days(2.0)
    ('within 12 hours', 'within a day', 'within 2 days')
    """
    if days < 1:
        return f"within {words.plural(round(days * 24), 'hour')}"
    return "within a day" if days == 1 else f"within {words.plural(round(days), 'day')}"


def _arrived(arrived: Sequence[Json]) -> Picture:
    rows = [charts.Bar(_days(one["days"]), one["share"], words.percent(one["share"])) for one in arrived]
    caption = "Share of the rewards of the attribution time that have come by then."
    return Picture("delays", "Rewards that have come", charts.bars(rows, highest=1.0), arrived, caption)


def budgets(told: Json) -> Section:
    """Which promise binds, in words."""
    known: Sequence[Json] = told.get("budgets") or ()
    if not known:
        return Section("budgets", "Which budget binds", missing="The plan sets no budget, guarantee, cap or floor.")
    bound = [one["name"].replace("_", " ") for one in known if one["binds"]]
    said = f"{words.listing(bound).capitalize()} {'binds' if len(bound) == 1 else 'bind'}." if bound else "None binds."
    rows = [
        row(
            Cell(str(one["name"]).replace("_", " ").capitalize(), tone="name"),
            Cell("binds", tone="unsettled") if one["binds"] else "open",
            one["sentence"],
        )
        for one in known
    ]
    return Section(
        "budgets",
        "Which budget binds",
        sentence=f"{said} What binds pushes or holds items back in the next table, never within one.",
        tables=[Table("Promises and how they stand", heads("Promise", "State", "In words"), rows)],
    )
