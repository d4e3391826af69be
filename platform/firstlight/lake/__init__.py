"""Where events rest: a Delta Lake table; append exactly once, read a window through an engine."""
