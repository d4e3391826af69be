"""Which arm of which experiment a unit sees. Pure: server, workers and clients run these same lines (decision 0008)."""
