"""Where things are kept. It remembers and decides nothing."""
