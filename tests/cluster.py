"""State of the tests' own: a pytest plugin (`-p tests.cluster`), for VAR_DIR must be known before Django reads settings.

With DATABASE_URL set the tests use that server instead of an embedded one.
"""

import os
import tempfile

os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="firstlight-tests-")
