"""Everything a person can ask of a library, once."""
