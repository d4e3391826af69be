"""Tables for other programs: streamed in bounded memory, large ones as a job with progress and an expiring link."""
