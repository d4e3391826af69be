"""State of the tests' own: a pytest plugin (`-p tests.cluster`), for settings read VAR_DIR when they are imported.

With DATABASE_URL set the tests use that server instead of an embedded one.
"""

import os
import tempfile

os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="firstlight-tests-")
