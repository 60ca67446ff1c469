"""Words: cut out of texts in every script, silent ones by language, and nearly the same ones."""
