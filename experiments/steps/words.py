"""Each step of an experiment as people meet it: its button, its question, and what follows."""

from dataclasses import dataclass

from experiments.steps import forms


@dataclass(frozen=True, slots=True)
class Asked:
    """One command, as people meet it. `{name}` is the experiment's."""

    label: str  # of the button that leads here
    icon: str
    question: str
    consequence: str
    done: str
    form: type[forms.StepForm] | None = None
    stops: bool = False  # shown as a warning
    checked: bool = False  # shows the checklist


STEPS: dict[str, Asked] = {
    "submit": Asked(
        "Submit",
        "rate_review",
        "Submit “{name}” for review?",
        "Somebody else reads the plan, which stands still until it is approved or returned.",
        "“{name}” is in review.",
        checked=True,
    ),
    "approve": Asked(
        "Approve",
        "task_alt",
        "Approve “{name}”?",
        "It may then start, now or at a set time.",
        "“{name}” is approved.",
        forms.NoteForm,
        checked=True,
    ),
    "return_to_draft": Asked(
        "Return to draft",
        "undo",
        "Return “{name}” to draft?",
        "Its plan can be changed again; buckets that were held for it are free.",
        "“{name}” is a draft again.",
        forms.NoteForm,
    ),
    "schedule": Asked(
        "Schedule",
        "schedule",
        "Schedule “{name}”?",
        "It starts by itself at that time, if nothing has come in its way.",
        "“{name}” is scheduled.",
        forms.ScheduleForm,
        checked=True,
    ),
    "start": Asked(
        "Start",
        "play_arrow",
        "Start “{name}”?",
        "From now on the allocation API puts units into its arms, and the plan cannot change any more.",
        "“{name}” runs. Within two seconds every web process knows it.",
        checked=True,
    ),
    "pause": Asked(
        "Pause",
        "pause",
        "Pause “{name}”?",
        "Nobody meets its arms until it is resumed. Its buckets stay its own.",
        "“{name}” is paused.",
        stops=True,
    ),
    "resume": Asked(
        "Resume",
        "play_arrow",
        "Resume “{name}”?",
        "Units meet its arms again, each the one it had.",
        "“{name}” runs again.",
    ),
    "stop": Asked(
        "Stop",
        "stop",
        "Stop “{name}”?",
        "No unit is put into its arms any more. What was measured stays; it cannot be started again.",
        "“{name}” is stopped.",
        stops=True,
    ),
    "advance": Asked(
        "Advance the ramp",
        "moving",
        "Go on to the next stage of the ramp of “{name}”?",
        "More units meet its arms at once, without waiting for the gate.",
        "“{name}” went on.",
        forms.AdvanceForm,
    ),
    "ramp_to": Asked(
        "Cover more",
        "trending_up",
        "Let more units into “{name}”?",
        "Units that take part stay in their arms; new ones come in.",
        "“{name}” covers more.",
        forms.CoverageForm,
    ),
    "roll_back": Asked(
        "Roll back",
        "trending_down",
        "Roll back the ramp of “{name}”?",
        "It goes back to the coverage of the stage before; from the first stage it is paused.",
        "“{name}” was rolled back.",
        forms.RollBackForm,
        stops=True,
    ),
    "change_weights": Asked(
        "Change the shares",
        "balance",
        "Change the shares of the arms of “{name}”?",
        "A new phase begins, and what was measured so far stays with the old one. No more units change arm than must, "
        "unless all are dealt anew.",
        "A new phase of “{name}” has begun.",
        forms.WeightsForm,
    ),
    "remove_arm": Asked(
        "Remove an arm",
        "remove_circle",
        "Remove an arm of “{name}”?",
        "A new phase begins with the others, who share its units.",
        "A new phase of “{name}” has begun.",
        forms.RemoveArmForm,
        stops=True,
    ),
    "decide": Asked(
        "Decide",
        "gavel",
        "What was decided on “{name}”?",
        "The decision is kept with the newest look it rests on.",
        "The decision on “{name}” is kept.",
        forms.DecideForm,
    ),
    "archive": Asked(
        "Archive",
        "inventory_2",
        "Archive “{name}”?",
        "It leaves the lists of what is going on. Nothing of it is lost.",
        "“{name}” is archived.",
    ),
    "force": Asked(
        "Testers",
        "person_check",
        "Who shall see which arm of “{name}”?",
        "Testers see their arm wherever it runs, whatever targeting, layers and coverage say. They are never counted.",
        "The testers of “{name}” are kept.",
        forms.TestersForm,
    ),
    "copy": Asked(
        "Copy",
        "content_copy",
        "Copy the plan of “{name}”?",
        "A new draft has the same arms, metrics and settings.",
        "The copy is a draft.",
        forms.CopyForm,
    ),
}
