"""What people say about an experiment. It stands as it was said: nobody changes or deletes it."""

from experiments.models import Comment, Experiment

LONGEST = 10_000  # characters


class UnableToComment(Exception):
    """Why it was not written down, in words for who wrote it."""


def add(experiment: Experiment, *, author: str, text: str) -> Comment:
    said = text.replace("\x00", "").strip()  # PostgreSQL holds no NUL
    if not said:
        raise UnableToComment("Nothing was written.")
    if len(said) > LONGEST:
        raise UnableToComment(f"Up to {LONGEST:,} characters fit; this has {len(said):,}.")
    return experiment.comments.create(author=author, text=said)
