"""What was played is said in a sentence, drawn, and listed setting by setting."""

from typing import Any

from bandits.page import simulation


def curve(*means: float) -> list[dict[str, float]]:
    return [{"day": day, "mean": m, "low": m - 1, "high": m + 2} for day, m in enumerate(means, 1)]


def setting(name: str, cost: float, **changed: Any) -> dict[str, Any]:
    usual = {
        "setting": name,
        "impressions": curve(1000, 2000),
        "discovered": curve(1, 4),
        "cost": curve(cost / 2, cost),
        "graduated": 5.0,
        "retired": 30.0,
        "rewards_per_thousand": 26.2,
        "precision": 0.947,
        "recall": 0.888,
        "days_to_graduation": 3.0,
        "starved_share": 0.03,
    }
    return {**usual, **changed}


def results(*settings: dict[str, Any]) -> dict[str, Any]:
    return {"days": 2, "repetitions": 10, "settings": list(settings), "notes": ["No delays are known yet."]}


def test_what_is_found_and_what_it_costs_stand_in_one_sentence() -> None:
    told = simulation.section(results(setting("As planned", 12.0), setting("Uniform", -7.0))).sentence
    assert told == (
        "In 2 days, “As planned” discovers 4 (3 to 6) good items and costs 12 (11 to 14) rewards; "
        "“Uniform” discovers 4 (3 to 6) good items and earns 7 (5 to 8) rewards more."
    )


def test_pictures_and_table_show_every_setting() -> None:
    section = simulation.section(results(setting("As planned", 12.0), setting("Uniform", 7.0)))
    assert [picture.key for picture in section.pictures] == ["discovered", "cost"]
    assert {row["setting"] for row in section.pictures[0].rows} == {"As planned", "Uniform"}
    assert [row.cells[0].text for row in section.tables[0].rows] == ["As planned", "Uniform"]
    assert [cell.text for cell in section.tables[0].rows[0].cells[5:7]] == ["94.7 %", "88.8 %"]
    assert len(section.tables[0].heads) == len(section.tables[0].rows[0].cells)
    assert section.notes == ["No delays are known yet."]


def test_what_never_happened_is_a_blank_and_not_a_zero() -> None:
    nobody = {"withheld": "no data yet"}
    section = simulation.section(results(setting("x", 1.0, precision=nobody, days_to_graduation=nobody)))
    cells = section.tables[0].rows[0].cells
    assert (cells[5].text, cells[7].text) == ("–", "–")


def test_before_anything_was_played_the_page_says_what_to_do() -> None:
    assert simulation.section(None).missing.startswith("Play the campaign through")
