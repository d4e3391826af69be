"""Pure values that every room may use: hashing, moments, windows of time, answers that are withheld."""
