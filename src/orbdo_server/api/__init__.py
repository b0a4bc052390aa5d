"""HTTP: parse, authorise, call one stage, answer."""
