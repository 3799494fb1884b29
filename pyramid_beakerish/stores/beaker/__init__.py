"""Back ends of Beaker's as stores of ours."""
