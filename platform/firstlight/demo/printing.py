"""The report in words for a terminal."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

Findings = dict[str, Any]


def show(console: Console, report: Findings) -> None:
    for name, findings in report["scenarios"].items():
        console.print(Panel(Group(*_scenario(findings)), title=f"[bold]{name}[/]", title_align="left", padding=(1, 2)))
    console.print(
        Panel(_experiments(report["experiments"]), title="[bold]experiments[/]", title_align="left", padding=(1, 2))
    )
    console.print(Text(report["note"], style="dim"))


def _experiments(known: list[Findings]) -> Table:
    table = Table("experiment", "stands", "says", box=None, pad_edge=False)
    for one in known:
        table.add_row(
            one["key"], one["decision"] or one["status"], one["verdict"] or "Not started: a plan with a ramp."
        )
    return table


def _scenario(findings: Findings) -> Iterator[RenderableType]:
    yield _arms(findings["arms"])
    yield Text(f"\n{_lift(findings)}   sample ratio p {_number(findings['srm_p'], '.2f')}")
    yield Text(findings["verdict"], style="bold")
    yield Text(f"\nThompson sampling, valued from the random logs: {_value(findings['policy_value'])}")
    yield Text("\nLeaders of the posterior (mean click rate, 95 % interval)")
    yield _leaders(findings["leaders"])
    yield Text(f"\nA live answer: {_answer(findings['allocation'])}")


def _arms(arms: Findings) -> Table:
    table = Table("arm", *_right("impressions", "clicks", "click rate"), box=None, pad_edge=False)
    for arm, counted in arms.items():
        rate = _number(counted["rate"], ".2%")
        table.add_row(arm, f"{counted['impressions']:,}", f"{counted['clicks']:,}", rate)
    return table


def _leaders(leaders: list[Findings]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for leader in leaders:
        low, high = leader["interval"]
        table.add_row(leader["item"], f"{leader['mean']:.2%}", f"{low:.2%} to {high:.2%}")
    return table


def _lift(findings: Findings) -> str:
    if "withheld" in (lift := findings["lift"] if isinstance(findings["lift"], dict) else {}):
        return f"Lift withheld: {lift['withheld']}   p {_number(findings['p'], '.3f')}"
    low, high = findings["interval"]
    return f"Lift {findings['lift']:+.1%} (95 %: {low:+.1%} to {high:+.1%})   p {_number(findings['p'], '.3f')}"


def _value(value: Findings) -> str:
    if "withheld" in value:
        return f"withheld, {value['withheld']}"
    return f"IPS {value['ips']:.4%}, SNIPS {value['snips']:.4%} of impressions clicked, ESS {value['ess']:,.0f}"


def _answer(answer: Findings) -> str:
    variants = ", ".join(f"{e['experiment']} = {e['variant']}" for e in answer["experiments"]) or "no experiment"
    slots = ", ".join(f"{s['position']}: {s['item_id']}" for s in answer["discovery"]) or "no discovery slot"
    return f"{variants}; {slots} (snapshot {answer['snapshot']}, trace {answer['trace_id']})"


def _number(value: float | Findings | None, form: str) -> str:
    return format(value, form) if isinstance(value, float | int) else "withheld"


def _right(*titles: str) -> list[Any]:
    from rich.table import Column

    return [Column(title, justify="right") for title in titles]
