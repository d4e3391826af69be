"""What a client that was asked to raise raises."""


class FirstlightError(Exception):
    """No answer of the server's own; the words say why."""


class Unavailable(FirstlightError):
    """It did not answer in time, or said that it cannot now."""


class Refused(FirstlightError):
    """It answered that it will not, and will not next time: a wrong key, an unknown scenario."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail
