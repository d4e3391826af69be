"""Django's command line, with the platform on the path and a database behind it."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")

# Commands that read no table: they must also work where no server can start (an image build, a pipeline).
NEEDS_NO_DATABASE = {"collectstatic", "makemigrations", "spectacular", "check", "help", "--version"}


def main() -> None:
    from django.conf import settings
    from django.core.management import execute_from_command_line

    import firstlight.celery  # noqa: F401 - the application by which commands send tasks
    from firstlight.postgres import embedded

    if settings.EMBEDDED_POSTGRES and not NEEDS_NO_DATABASE & set(sys.argv[1:2]):
        with embedded.running(settings.VAR_DIR):
            execute_from_command_line(sys.argv)
    else:
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
