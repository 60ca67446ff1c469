"""The steps that lead a catalog from one version to the next: one file a step.

`v21.sql` holds the statements that make a catalog of version 20 one of version 21, and so on. A
step that is on somebody's disk is never edited. To add the next one, N:

1. write `vN.sql` here, and let `schema.sql` and `indexes.sql` say the same for a new catalog;
2. freeze the schema of a new catalog as `tests/catalog/sqlite/schemas/vN.sql`;
3. add N to `VERSIONS` in `tests/catalog/sqlite/test_steps.py`.

A column that is already there is not added again, so a step may meet a catalog that has it.
"""
