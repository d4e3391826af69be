"""What the kill tests kill: a worker's analysis of an experiment, which dies when it tells that it is at STAGE.

usage: analyser.py DATABASE_NAME EXPERIMENT_ID STAGE; "after storing": with the look made, and its progress untold.
"""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
os.environ["DJANGO_SETTINGS_MODULE"] = "firstlight.settings"


def main(database: str, experiment: str, last: str) -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from experiments import progress, tasks

    told, ended = progress.note, progress.finish

    def note(experiment_id: int, stage: str) -> None:
        told(experiment_id, stage)
        if stage == last:
            os.kill(os.getpid(), signal.SIGKILL)

    def finish(*arguments: object, **named: object) -> None:
        if last == "after storing":
            os.kill(os.getpid(), signal.SIGKILL)
        ended(*arguments, **named)  # type: ignore[arg-type]

    progress.note, progress.finish = note, finish
    tasks.analyse(experiment_id=int(experiment))


if __name__ == "__main__":
    main(*sys.argv[1:])
