"""One module a headline figure; ``python -m benchmarks`` measures them. Nothing in the packages imports this."""
