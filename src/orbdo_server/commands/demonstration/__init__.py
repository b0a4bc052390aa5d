"""The parts of ``orbdo demo``."""
